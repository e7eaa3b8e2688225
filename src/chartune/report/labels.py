"""Label by label: how often each code occurs, and how well every variant ranks it.

Sorted by training cases; long tables show the most frequent and fold the rest. For real patients, counts below ten and
the scores that rest on so few test cases, or rows without the label, are hidden. Labels of a table of one's own are
people's words: of real patients only those with ten training and ten test cases are named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from chartune.disclosure import SMALL, lowest, part_of_whole, rates
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated, span
from chartune.report.variants import Variant

SHOWN: Final = 25
"""Labels that are not folded."""
MOST: Final = 2000
"""Labels that are listed at all; the page must open on a phone."""


@dataclass(frozen=True)
class Labels:
    """The labels of one task, ready to be shown."""

    first: Table
    """Those with most training cases."""
    rest: Table | None
    """All others, to be folded; None: there are none."""
    folded: str
    """What the fold says."""
    rarer: str = ""
    """How many labels are not named; empty: none."""


def label_tables(variants: Sequence[Variant], title: str, open_data: bool, own: bool = False) -> Labels | None:
    """The AUROC of every label for every variant that has scored them; None when none has.

    Args:
        variants: of one multilabel or multiclass task.
        title: of the task.
        open_data: the patients are fictional, so that small counts may be told.
        own: the labels are of a table of one's own, so that rare ones are not named.
    """
    scored = [(v, frame) for v in variants if (frame := v.run.per_label()) is not None]
    if not scored:
        return None
    every = scored[0][1]
    named = every.filter(pl.min_horizontal("train_cases", "cases") >= SMALL) if own and not open_data else every
    order = named.sort(["train_cases", "cases", "label"], descending=[True, True, False]).head(MOST)
    rarer = _rarer(every.height - named.height)
    by_label = [{row["label"]: row for row in frame.iter_rows(named=True)} for _, frame in scored]
    n = next((e.n for v, _ in scored if (e := v.run.estimate("auroc")) is not None), None)
    parts = every.height if variants[0].run.answer == "multiclass" else 1  # its classes add up to all rows
    rows = [_row(label, by_label, open_data, n, parts) for label in order["label"]]
    columns = (
        Column("Label", numeric=False), Column("Training cases"), Column("Test cases"),
        *(Column(f"{v.label} · {v.name}", v.seeds and f"seed {v.run.about.seed}")
          for v, _ in scored),
    )  # fmt: skip
    note = "AUROC with 95 % interval. Bold: its interval lies above those of all other variants."
    if any(len(v.runs) > 1 for v, _ in scored):
        note += " Of a variant with several seeds these are the values of one seed, the nearest to the mean."
    first = Table(f"{title}: label by label", columns, tuple(rows[:SHOWN]), note, cards=False)
    if len(rows) <= SHOWN:
        return Labels(first, None, "", rarer)
    told = f"The other {len(rows) - SHOWN:,} labels, by training cases"
    return Labels(first, Table(told, columns, tuple(rows[SHOWN:]), cards=False), told, rarer)


def _rarer(count: int) -> str:
    return f"{count:,} rarer {'label' if count == 1 else 'labels'}" if count else ""


def _row(
    label: str, by_label: Sequence[dict[str, dict[str, Any]]], open_data: bool, n: int | None, parts: int
) -> tuple[Cell, ...]:
    found = [rows.get(label) for rows in by_label]
    about = next(row for row in found if row is not None)
    without = SMALL if n is None else n - about["cases"]
    few = not open_data and min(about["cases"], without) < SMALL
    cases = part_of_whole(about["cases"], open_data, parts)
    digits = 3 if open_data else rates.digits(lowest(about["cases"]) * lowest(without))
    best = None if few else _clearly_best(found)
    scores = (Cell("few cases") if few and about["cases"] else _score(row, row is best, digits) for row in found)
    named = Cell(str(about["title"] or label), str(label) if about["title"] else "")
    return (named, Cell(part_of_whole(about["train_cases"], open_data, parts)), Cell(cases), *scores)


def _score(row: dict[str, Any] | None, best: bool, digits: int) -> Cell:
    if row is None or row["auroc"] is None:
        return Cell(NOT_MEASURED)
    cell = estimated(row["auroc"], row["auroc_low"], row["auroc_high"], digits)
    low, high = row["auroc_low"], row["auroc_high"]
    return Cell(cell.text, span(low, high, digits) if low is not None and high is not None else cell.detail, best)


def _clearly_best(rows: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The row whose interval lies wholly above all others; None: the intervals do not allow one to name it."""
    measured = [row for row in rows if row and row["auroc_low"] is not None and row["auroc_high"] is not None]
    if len(measured) < 2:
        return None
    best = max(measured, key=lambda row: float(row["auroc_low"]))
    return best if all(best["auroc_low"] > row["auroc_high"] for row in measured if row is not best) else None
