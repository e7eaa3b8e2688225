"""Tables 3 and 4 of Gema et al. (2023) beside ours, by the names of the rows: other data, and never an opponent.

printed rows ─┬─ the average as printed, and worked out again from the five scores: they differ in places
ours ─────────┴─ by name, a score for each task and their average; of data by the paper's code also as coded
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from chartune.published import COLUMNS, ERRATA, PublishedRow, outcome_rows
from chartune.report.average import Asked
from chartune.report.marks import WARNING
from chartune.report.predicted import of_variant
from chartune.report.table import NOT_MEASURED, Cell, Column, Table
from chartune.report.variants import Variant, scored

FEWEST: Final = 2
"""Tasks of the paper from which on there is a table."""
NAMES: Final = {
    "PMV": "prolonged ventilation", "MOR": "mortality", "LOS": "length of stay", "DIAG": "diagnoses",
    "PROC": "procedures",
}  # fmt: skip
NOTE: Final = (
    f"Published, other data: MIMIC-III 1.4 by the paper's own split, one seed. {WARNING} A row of ours stands beside "
    "the printed row of its name. The average is given as printed and, where that differs, as the five printed scores "
    f"have it. {ERRATA}"
)


def printed_outcomes(every: Sequence[Asked]) -> Table | None:
    """Printed rows, then ours that the paper has no row for; None: fewer than two tasks of the paper were asked.

    Args:
        every: the tasks of a page; of one that is asked on several data sets the first counts.
    """
    asked: dict[str, Asked] = {}
    for one in every:
        column = COLUMNS.get(one.variants[0].run.task or "") if one.variants else None
        if column:
            asked.setdefault(column, one)
    if len(asked) < FEWEST:
        return None
    printed = outcome_rows()
    ours = _by_name(asked)
    known = {name for row in printed for name in (row.model, row.same_as)}
    rows = [_row(row, ours.get(row.model) or ours.get(row.same_as) or {}, asked) for row in printed]
    rows += [_own(name, variants, asked) for name, variants in ours.items() if name not in known]
    columns = (
        Column("Model", "in the paper's words", numeric=False), *(Column(name, NAMES[name]) for name in NAMES),
        Column("Average", "of the five"),
    )  # fmt: skip
    return Table("Tables 3 and 4 of Gema et al. (2023), and ours", columns, tuple(rows), NOTE, cards=False)


def _by_name(asked: Mapping[str, Asked]) -> dict[str, dict[str, Variant]]:
    """Name → column → the variant of that name; one that a task has twice is left out there."""
    made: dict[str, dict[str, Variant]] = {}
    for column, one in asked.items():
        names = [variant.name for variant in one.variants]
        for variant in one.variants:
            if names.count(variant.name) == 1:
                made.setdefault(variant.name, {})[column] = variant
    return made


def _row(row: PublishedRow, ours: Mapping[str, Variant], asked: Mapping[str, Asked]) -> tuple[Cell, ...]:
    cells = [Cell(f"{row.scores[name]:.4f}", _ours(name, ours, asked)) if name in row.scores else Cell("–")
             for name in NAMES]  # fmt: skip
    return Cell(row.model, row.table), *cells, _average(row, ours)


def _average(row: PublishedRow, ours: Mapping[str, Variant]) -> Cell:
    again = row.recomputed
    lines = []
    if row.average is not None and again is not None and f"{again:.4f}" != f"{row.average:.4f}":
        lines.append(f"recomputed {again:.4f}")
    if mean := _mean(ours):
        lines.append(f"ours {mean}")
    return Cell("–" if row.average is None else f"{row.average:.4f}", "\n".join(lines))


def _own(name: str, ours: Mapping[str, Variant], asked: Mapping[str, Asked]) -> tuple[Cell, ...]:
    cells = [Cell("–", _ours(column, ours, asked)) for column in NAMES]
    mean = _mean(ours)
    return Cell(name, "ours alone"), *cells, Cell("–", f"ours {mean}" if mean else "")


def _ours(column: str, ours: Mapping[str, Variant], asked: Mapping[str, Asked]) -> str:
    """Our score, and how the paper's code has it where that is another; empty: there is none."""
    variant = ours.get(column)
    if variant is None:
        return ""
    lines = [f"ours {scored(variant, variant.headline).text}"]
    coded = next(iter(asked[column].form.as_coded), None)
    said = of_variant(variant, coded.metric, asked[column].coded) if coded and asked[column].coded else None
    if said is not None and said.text != NOT_MEASURED:
        lines.append(f"as coded {said.text}")
    return "\n".join(lines)


def _mean(ours: Mapping[str, Variant]) -> str:
    """The mean of our five scores as they are shown; empty: one is not shown."""
    scores = [variant.score(variant.headline) for variant in ours.values()]
    known = [score for score in scores if score is not None]
    if len(known) < len(NAMES):
        return ""
    return f"{fmean(score.estimate.value for score in known):.{min(score.digits for score in known)}f}"
