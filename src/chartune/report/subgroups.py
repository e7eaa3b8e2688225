"""Scores by subgroup of a yes-or-no task: is one group ranked, or foreseen, worse than another?

Of tasks with more labels: `chartune.report.subgroups_of_labels`.

    test rows ─by sex, age band, race, insurance, year group─▶ AUROC of each group · observed less predicted risk
                                                          └▶ gap between the groups it ranks best and worst

Of several seeds the run nearest to the mean is scored. Levels behind which few patients stand share one, and rows whose
level is not known are a group of their own. Of real patients a group is shown where ten patients with the outcome and
ten without it are in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.disclosure import SMALL, TOO_FEW, digits, lowest
from chartune.metrics import Resamples, paired_difference
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.bootstrap import Statistic, resample
from chartune.report.diagnostics import drawables
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated
from chartune.report.variants import Variant
from chartune.tasks.characteristics import LEAST_PATIENTS, MOST_LEVELS, OTHER
from chartune.tasks.subgroups import GROUPED

_RANKED: Final = (
    "AUROC of the rows of each group alone; the gap is that of the group that is ranked best less the one that is "
    "ranked worst, on the same draws of patients. Groups were not chosen beforehand, and the widest of several gaps is "
    "wide by chance, too. 95 % intervals of the patient bootstrap."
)
_CALIBRATED: Final = (
    "Observed share with the outcome less mean predicted risk, in each group: above 0 a group has the outcome more "
    "often than is predicted. 95 % intervals of the patient bootstrap."
)

NOT_KNOWN: Final = "not known"
"""The level of rows of which the source does not say one: a model may fail just those."""


@dataclass(frozen=True)
class Group:
    """One level of a characteristic."""

    name: str
    level: str
    rows: NDArray[np.bool_]
    """Which test rows are in it, [n]."""

    def stands(self, labels: NDArray[Any], subjects: NDArray[Any], open_data: bool) -> str:
        """Why it has no score; empty: it has one."""
        people = [np.unique(subjects[self.rows & (labels == label)]).size for label in (0, 1)]
        if not open_data and min(people) < SMALL:
            return TOO_FEW
        return "" if min(people) else NOT_MEASURED


def subgroup_tables(
    variants: Sequence[Variant], groups: pl.DataFrame | None, title: str, open_data: bool
) -> tuple[Table, ...]:
    """AUROC, and calibration, by subgroup; empty: the data keep no groups, or nobody can be scored.

    Args:
        variants: numbered, of a binary task.
        groups: `chartune.tasks.subgroups.subgroups` of the prepared data; None: they have none.
        title: of the task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    scored = drawables(variants, open_data)
    if groups is None or not scored:
        return ()
    joined = [(v, frame.join(groups, on="hadm_id", how="left", maintain_order="left")) for v, frame in scored]
    every = groups_in(joined[0][1])
    if not every:
        return ()
    columns = [_column(frame.drop(*GROUPED), groups_in(frame), every, open_data) for _, frame in joined]
    heads = (Column("Group", numeric=False), *(Column(f"{v.label} · {v.name}") for v, _ in joined))
    tables = []
    for n, (caption, note) in enumerate((("AUROC by subgroup", _RANKED), ("calibration by subgroup", _CALIBRATED))):
        keys = [key for key in columns[0][n] if any(key in column[n] for column in columns)]
        rows = tuple((Cell(level, name), *(column[n].get((name, level), Cell(NOT_MEASURED)) for column in columns))
                     for name, level in keys)  # fmt: skip
        tables.append(Table(f"{title}: {caption}", heads, rows, note, cards=False))
    return tuple(tables)


def groups_in(frame: pl.DataFrame) -> list[Group]:
    """The levels of each characteristic that divides the rows; rare ones are one, and so is what is not known."""
    every = []
    for column, name in GROUPED.items():
        each = frame.drop_nulls(column).group_by(column).agg(pl.len(), people=pl.col("subject_id").n_unique())
        enough = each.filter(pl.col("people") >= LEAST_PATIENTS).sort(["len", column], descending=[True, False])
        named = sorted(enough[column].head(MOST_LEVELS).to_list())
        known = frame[column].is_not_null().to_numpy()
        levels = [Group(name, level, (frame[column] == level).fill_null(value=False).to_numpy()) for level in named]
        rest = known & ~np.any([group.rows for group in levels], axis=0) if levels else known
        levels += [Group(name, OTHER, rest)] if rest.any() and OTHER not in named else []
        levels += [Group(name, NOT_KNOWN, ~known)] if levels and not known.all() and NOT_KNOWN not in named else []
        every += levels if len(levels) > 1 else []
    return every


def _column(
    frame: pl.DataFrame, groups: Sequence[Group], every: Sequence[Group], open_data: bool
) -> tuple[dict[tuple[str, str], Cell], dict[tuple[str, str], Cell]]:
    """Of one variant: name and level → AUROC, gaps last of each characteristic; and → observed less predicted."""
    labels, scores, p, subjects = (frame[n].to_numpy() for n in ("label", "logit", "probability", "subject_id"))
    known = [group for group in groups if not group.stands(labels, subjects, open_data)]
    statistics: dict[str, Statistic] = {}
    for n, group in enumerate(known):
        statistics[f"ranked {n}"] = _ranked(labels, scores, group.rows)
        statistics[f"off {n}"] = residuals_of(labels - p, group.rows)
    drawn = resample(statistics, subjects) if known else {}
    ranked: dict[tuple[str, str], Cell] = {}
    calibrated: dict[tuple[str, str], Cell] = {}
    for name in dict.fromkeys(group.name for group in every):
        for group in (g for g in groups if g.name == name):
            key = name, group.level
            if group not in known:
                ranked[key] = calibrated[key] = Cell(group.stands(labels, subjects, open_data))
                continue
            n = known.index(group)
            ranked[key] = shown_cell(drawn[f"ranked {n}"], _digits(labels, group.rows, open_data))
            calibrated[key] = shown_cell(drawn[f"off {n}"], share_digits(group.rows, open_data), signed=True)
        own = [(g, drawn[f"ranked {known.index(g)}"]) for g in groups if g.name == name and g in known]
        ranked[name, "gap"] = _gap(own, labels, open_data)
    return ranked, calibrated


def _gap(own: Sequence[tuple[Group, Resamples]], labels: NDArray[Any], open_data: bool) -> Cell:
    """Best less worst; its interval is of these two groups, which were picked by the rows as they are."""
    if len(own) < 2:
        return Cell(NOT_MEASURED)
    worst, best = (pick(own, key=lambda pair: pair[1].value) for pick in (min, max))
    places = min(_digits(labels, group.rows, open_data) for group, _ in (worst, best))
    cell = shown_cell(paired_difference([best[1]], [worst[1]]), places)
    return Cell(cell.text, f"{cell.detail}\nworst: {worst[0].level}")


def _ranked(labels: NDArray[Any], scores: NDArray[Any], rows: NDArray[np.bool_]) -> Statistic:
    of_group = auroc_statistic(labels[rows] == 1, scores[rows])
    return lambda weights: of_group(weights[:, rows])


def residuals_of(residuals: NDArray[np.float64], rows: NDArray[np.bool_]) -> Statistic:
    """The mean residual of a group; NaN in a draw that has nobody of it."""
    inside, whole = np.where(rows, residuals, 0.0), rows.astype(np.float64)

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # 0 / 0
            return np.asarray((weights @ inside) / (weights @ whole))

    return values


def shown_cell(drawn: Resamples, places: int, *, signed: bool = False) -> Cell:
    """A score of a group with its interval."""
    measured = drawn.estimate()
    return estimated(measured.value, measured.low, measured.high, places, signed=signed)


def _digits(labels: NDArray[Any], rows: NDArray[np.bool_], open_data: bool) -> int:
    """Of a share of pairs."""
    cases = int(labels[rows].sum())
    return 3 if open_data else max(2, digits(lowest(cases) * lowest(int(rows.sum()) - cases)))


def share_digits(rows: NDArray[np.bool_], open_data: bool) -> int:
    """Digits after the point of a mean over the rows of a group."""
    return 3 if open_data else digits(lowest(int(rows.sum())))
