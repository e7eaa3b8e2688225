"""Two adapters side by side: perplexities, and their paired difference where both have read the same test patients."""

from dataclasses import replace
from typing import Any, Final

from chartune.disclosure import TOO_FEW
from chartune.errors import ConfigError
from chartune.report.adaptation import Beside, adapters_beside, measured_by, perplexity_table, protected
from chartune.report.beside import named_run
from chartune.report.released import is_exact
from chartune.report.table import Table, estimated
from chartune.report.variants import Variant
from chartune.runs import Run

UNPAIRED: Final = "they have not read the same test patients, or one keeps no sums of them"


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
    table, paired = perplexity_table(shown), next(adapters_beside(shown), None)
    if table is None:
        raise ConfigError("a comparison needs test scores, but of neither run the test split was scored.")
    few = any(variant.behind is not None and variant.behind.thin for variant in shown)
    note = f"Not paired: {TOO_FEW if few else UNPAIRED}." if paired is None else _said(paired)
    return replace(table, note=note, cards=False), {
        "a": named_run(ours), "b": named_run(theirs), "paired": paired is not None,
        "difference": paired and _numbers(paired),
        "scores": [{column.title: cell.text for column, cell in zip(table.columns, row, strict=True)}
                   for row in table.rows],
    }  # fmt: skip


def _said(paired: Beside) -> str:
    made = paired.compared
    difference = estimated(made.shown.value, made.shown.low, made.shown.high, 3, signed=True)
    return (
        f"Paired on the same test patients: {made.ours.label} − {made.theirs.label} in {measured_by(paired)} is "
        f"{difference.text} [{difference.detail}], 95 % interval; below 0 is better."
    )


def _numbers(paired: Beside) -> dict[str, Any]:
    """Which less which, in what, and by how much."""
    made = paired.compared
    ends = {name: getattr(made.shown, name) for name in ("value", "low", "high")}
    return {"of": [made.ours.label.lower(), made.theirs.label.lower()], "metric": paired.metric, **ends}
