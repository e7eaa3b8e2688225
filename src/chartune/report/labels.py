"""Label by label: how often each code occurs, and how well every variant ranks it.

Sorted by training cases; long tables show the most frequent and fold the rest. For real patients, counts below ten and
the scores that rest on so few test cases, or rows without the label, are hidden. Labels of a table of one's own are
people's words: of real patients only those with ten training and ten test cases are named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from chartune.answers import AUROC, BINARY
from chartune.disclosure import SMALL, lowest, part_of_whole, rates
from chartune.quantities import Estimate
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated
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
    """The score of every label for every variant that has scored them; None when none has.

    Args:
        variants: of one multilabel or multiclass task.
        title: of the task.
        open_data: the patients are fictional, so that small counts may be shown.
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
    n = next((e.n for v, _ in scored if (e := v.run.estimate(v.headline)) is not None), None)
    form = variants[0].run.form or BINARY
    metric, parts = form.per_label or AUROC, form.parts(every.height)
    rows = [_row(label, by_label, metric.metric, open_data, n, parts) for label in order["label"]]
    columns = (
        Column("Label", numeric=False), Column("Training cases"), Column("Test cases"),
        *(Column(f"{v.label} · {v.name}", v.seeds and f"seed {v.run.about.seed}")
          for v, _ in scored),
    )  # fmt: skip
    note = f"{metric.title} with 95 % interval. Bold: its interval lies above those of all other variants."
    if any(len(v.runs) > 1 for v, _ in scored):
        note += " Of a variant with several seeds these are the values of one seed, the nearest to the mean."
    first = Table(f"{title}: label by label", columns, tuple(rows[:SHOWN]), note, cards=False)
    if len(rows) <= SHOWN:
        return Labels(first, None, "", rarer)
    rest = f"The other {len(rows) - SHOWN:,} labels, by training cases"
    return Labels(
        first, Table(f"{title}: {rest[0].lower()}{rest[1:]}", columns, tuple(rows[SHOWN:]), cards=False), rest, rarer
    )


def _rarer(count: int) -> str:
    return f"{count:,} rarer {'label' if count == 1 else 'labels'}" if count else ""


def _row(
    label: str, by_label: Sequence[dict[str, dict[str, Any]]], metric: str, open_data: bool, n: int | None, parts: int
) -> tuple[Cell, ...]:
    entries = [rows.get(label) for rows in by_label]
    about = next(row for row in entries if row is not None)
    without = SMALL if n is None else n - about["cases"]
    few = not open_data and min(about["cases"], without) < SMALL
    cases = part_of_whole(about["cases"], open_data, parts)
    digits = 3 if open_data else rates.digits(lowest(about["cases"]) * lowest(without))
    measured = [_measured(row, metric) for row in entries]
    best = None if few else _clearly_best(measured)
    scores = (
        Cell("few cases") if few and about["cases"] else _score(estimate, estimate is best, digits)
        for estimate in measured
    )
    named = Cell(str(about["title"] or label), str(label) if about["title"] else "")
    return (named, Cell(part_of_whole(about["train_cases"], open_data, parts)), Cell(cases), *scores)


def _measured(row: dict[str, Any] | None, metric: str) -> Estimate | None:
    """What a variant reached of a label; None: not measured."""
    if row is None or row[metric] is None:
        return None
    return Estimate(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])


def _score(estimate: Estimate | None, best: bool, digits: int) -> Cell:
    if estimate is None:
        return Cell(NOT_MEASURED)
    cell = estimated(estimate.value, estimate.low, estimate.high, digits)
    return replace(cell, strong=best)


def _clearly_best(every: Sequence[Estimate | None]) -> Estimate | None:
    """The one whose interval lies wholly above all others; None: the intervals do not allow one to name it."""
    ends = [
        (estimate.low, estimate.high, estimate)
        for estimate in every
        if estimate and estimate.low is not None and estimate.high is not None
    ]
    if len(ends) < 2:
        return None
    low, _, best = max(ends, key=lambda end: end[0])
    return best if all(low > high for _, high, estimate in ends if estimate is not best) else None
