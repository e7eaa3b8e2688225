"""Method against method: differences of every pair on the same rows, with p corrected over all pairs of a task.

variants of one base model, learnt from as many texts in as much time ─every pair─▶ difference, p (Holm) ─▶ a matrix
matrices of all tasks ─▶ how often a method is better, worse or not told apart
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

from chartune.report.average import Asked
from chartune.report.compare import Comparison, comparisons, p_text
from chartune.report.table import Cell, Column, Table, estimated
from chartune.report.variants import Variant

LEVEL: Final = 0.05
"""Of the corrected p."""
LARGEST: Final = 16
"""Methods beyond which a base model's pairs are not made: a matrix of more cannot be read."""
NOTE: Final = (
    "Row minus column on the same test rows, each draw of patients for both; 95 % interval, not corrected. p of no "
    "difference, corrected for all pairs of this task (Holm, 1979); strong: below 0.05. Only methods that had the same "
    "base model, as many examples and as much time are compared."
)


def against(asked: Asked) -> tuple[list[Table], list[Comparison]]:
    """The matrices of one task, one for each group whose methods may be compared, and their comparisons.

    Args:
        asked: the task with what its runs say.
    """
    groups = [group for group in _groups(asked.variants) if 1 < len(group) <= LARGEST]
    pairs = [pair for group in groups for pair in combinations(group, 2)]
    made = comparisons(asked.variants, asked.form, asked.labels, asked.said, [(b, a) for a, b in pairs])
    tables = [_matrix(asked, group, made) for group in groups]
    return [table for table in tables if table is not None], made


def tally(every: Sequence[Sequence[Comparison]]) -> Table | None:
    """Over tasks, how often a method was better or worse than another; None: no pair was compared on two tasks.

    Args:
        every: the comparisons of each task.
    """
    counted: dict[tuple[str, str], list[str]] = {}
    for made in every:
        labels = [(variant.label, variant.name) for one in made for variant in (one.ours, one.theirs)]
        bearers = [name for _, name in dict.fromkeys(labels)]
        for one in made:
            names, verdict = (one.ours.name, one.theirs.name), decided(one)
            if any(bearers.count(name) > 1 for name in names):
                continue  # which of them it is on another task, no name says
            if names[::-1] in counted:
                names, verdict = names[::-1], {"better": "worse", "worse": "better"}.get(verdict, verdict)
            counted.setdefault(names, []).append(verdict)
    rows = [
        (Cell(ours, f"against {theirs}"), *(Cell(str(verdicts.count(word))) for word in ("better", "worse", "open")))
        for (ours, theirs), verdicts in counted.items() if len(verdicts) > 1
    ]  # fmt: skip
    if not rows:
        return None
    columns = (Column("Method", numeric=False), Column("Better"), Column("Worse"), Column("Cannot tell"))
    note = f"On how many tasks p, corrected within each task (Holm, 1979), is below {LEVEL:g}."
    return Table("Method against method over tasks", columns, tuple(rows), note, cards=False)


def decided(one: Comparison) -> str:
    """`better`, `worse` or `open`, by the corrected p."""
    if not one.corrected < LEVEL:
        return "open"
    return "better" if one.difference.value > 0 else "worse"


def _groups(variants: Sequence[Variant]) -> list[list[Variant]]:
    """Variants with a base model that may be compared with each other."""
    groups: dict[tuple[Any, ...], list[Variant]] = {}
    for variant in variants:
        run = variant.run
        seconds = (run.stage.get("optimisation") or {}).get("most_seconds")
        if run.backbone:
            key = (run.backbone.content_hash or run.backbone.name, run.stage.get("per_class"), seconds)
            groups.setdefault(key, []).append(variant)
    return list(groups.values())


def _matrix(asked: Asked, group: Sequence[Variant], made: Sequence[Comparison]) -> Table | None:
    known = {(one.ours.label, one.theirs.label): one for one in made}
    if not any((row.label, column.label) in known for row in group for column in group):
        return None
    columns = (Column("Method", numeric=False), *(Column(v.label, v.name) for v in group[:-1]))
    rows = []
    for row in group[1:]:
        cells = [_cell(known.get((row.label, column.label))) for column in group[:-1]]
        rows.append((Cell(f"{row.label} · {row.name}", link=f"run-{row.run.fingerprint}"), *cells))
    base = group[0].run.base_name or "one base model"
    stage = group[0].run.stage
    few = f", {stage['per_class']:,} examples of each class" if stage.get("per_class") else ""
    return Table(f"{asked.title}: method against method ({base}{few})", columns, tuple(rows), NOTE, cards=False)


def _cell(one: Comparison | None) -> Cell:
    if one is None:
        return Cell("")
    difference = one.shown
    cell = estimated(difference.value, difference.low, difference.high, one.digits, signed=True)
    return Cell(cell.text, f"{cell.detail}\np {p_text(one.corrected, one.digits)}", strong=decided(one) != "open")
