"""Two adapters side by side: perplexities, and their paired difference where both have read the same test patients."""

from typing import Any

from chartune.disclosure import TOO_FEW
from chartune.errors import ConfigError
from chartune.report.adaptation import perplexity_comparisons, perplexity_table, protected
from chartune.report.released import is_exact
from chartune.report.table import Table
from chartune.report.variants import Variant
from chartune.runs import Run

UNPAIRED = "they have not read the same test patients, or one keeps no sums of them"


def adapted_beside(ours: Run, theirs: Run, *, exact: bool) -> tuple[Table, dict[str, Any]]:
    """Two finished pretraining runs side by side, as a table and as plain JSON.

    Args:
        ours: of one kind of perplexity.
        theirs: of the same.
        exact: whether exact scores of real patients are shown.

    Raises:
        ConfigError: it is one run, one predicts next tokens and the other masked ones, or nothing is measured.
    """
    if ours.fingerprint == theirs.fingerprint:
        raise ConfigError(f"a comparison needs two runs, but both are {ours.fingerprint} ({ours.name}).")
    variants = [Variant(label, (run,), place) for place, (label, run) in enumerate((("A", ours), ("B", theirs)))]
    if variants[0].masked != variants[1].masked:
        raise ConfigError("perplexities of next tokens and of masked ones cannot be compared; name two of one kind.")
    shown = variants if all(is_exact(run, exact) for run in (ours, theirs)) else protected(variants, {})
    table, paired = perplexity_table(shown), perplexity_comparisons(shown)
    if table is None:
        raise ConfigError("a comparison needs test scores, but of neither run the test split was scored.")
    few = any(variant.behind is not None and variant.behind.thin for variant in shown)
    said = [f"{who.text} {who.detail}: {much.text}, {much.detail}" for who, much, _ in paired.rows] if paired else []
    note = said[0].replace("\n", ", ") if said else f"Not paired: {TOO_FEW if few else UNPAIRED}."
    columns, rows = [column.title for column in table.columns], table.rows
    named = {"a": ours, "b": theirs}
    result = {
        **{side: {"run": run.fingerprint, "name": run.name, "data": run.data} for side, run in named.items()},
        "paired": bool(said), "difference": said[0] if said else None,
        "scores": [dict(zip(columns, (cell.text for cell in row), strict=True)) for row in rows],
    }  # fmt: skip
    return Table(table.caption, table.columns, table.rows, note, cards=False), result
