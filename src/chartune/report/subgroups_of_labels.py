"""Scores by subgroup of a task with several classes or many labels: macro AUROC, and how sure against how right.

    test rows ─by sex, age band, race, insurance, year group─▶ macro AUROC of each group, over one set of labels
                                                          └▶ gap between the groups that are ranked best and worst

A macro score of one group is compared with that of another only over the same labels. Of a characteristic these are the
labels that every group can be scored on; a group that would halve them has no score. Of real patients a label counts
in a group where ten patients have it and ten have not: an average over a label of one patient would be that patient's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers import Answer, Rows
from chartune.disclosure import SMALL, TOO_FEW, digits, lowest
from chartune.metrics import Resamples, paired_difference
from chartune.metrics.bootstrap import resample
from chartune.report.predicted import LARGEST, counted, oversized
from chartune.report.subgroups import Group, groups_in, residuals_of, share_digits, shown_cell
from chartune.report.table import NOT_MEASURED, Cell, Column, Table
from chartune.report.variants import Variant
from chartune.tasks.subgroups import GROUPED

DRAWS: Final = 200
"""Of patients: each group asks for those of all its labels."""
_RANKED: Final = (
    "Macro AUROC of the rows of each group alone, over the labels that all groups of a characteristic can be scored "
    "on; the gap is that of the group that is ranked best less the one that is ranked worst, on the same draws of "
    "patients. Groups were not chosen beforehand. 95 % intervals of the patient bootstrap."
)
_CALIBRATED: Final = {
    False: "Share of rows whose most likely class is right less its mean probability, in each group: below 0 it "
    "is more sure than right. 95 % intervals of the patient bootstrap.",
    True: "Mean over the labels of the share that has one less its mean probability, in each group: above 0 a "
    "group has labels more often than is predicted. 95 % intervals of the patient bootstrap.",
}
"""By whether a row may have several labels."""

_Cells = dict[tuple[str, str], Cell]


@dataclass(frozen=True)
class _Scored:
    """What a variant said of the test rows."""

    variant: Variant
    frame: pl.DataFrame
    """subject_id, hadm_id, label, logits, and the groups."""
    rows: Rows
    probabilities: NDArray[np.float64]
    """[n, L]."""


def label_subgroup_tables(
    variants: Sequence[Variant], groups: pl.DataFrame | None, form: Answer, labels: Sequence[str], title: str,
    open_data: bool,
) -> tuple[Table, ...]:  # fmt: skip
    """Macro AUROC, and calibration, by subgroup; empty: the data keep no groups, nobody can be scored, or all is large.

    Args:
        variants: numbered, of one task with several classes or labels.
        groups: `chartune.tasks.subgroups.subgroups` of the prepared data; None: they have none.
        form: of their answers.
        labels: ids of the labels in the order of their numbers.
        title: of the task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    if groups is None or form.one_outcome or not form.ranked_by_auroc:
        return ()
    scored = _scored(variants, groups, form, labels)
    every = groups_in(scored[0].frame) if scored else []
    if not every:
        return ()
    columns = [_column(each, form, open_data) for each in scored]
    heads = (Column("Group", numeric=False), *(Column(f"{v.variant.label} · {v.variant.name}") for v in scored))
    captions = (("macro AUROC by subgroup", _RANKED), ("calibration by subgroup", _CALIBRATED[form.several]))
    tables = []
    for n, (caption, note) in enumerate(captions):
        rows = tuple((Cell(level, name), *(column[n].get((name, level), Cell(NOT_MEASURED)) for column in columns))
                     for name, level in columns[0][n])  # fmt: skip
        tables.append(Table(f"{title}: {caption}", heads, rows, note, cards=False))
    return tuple(tables)


def _scored(variants: Sequence[Variant], groups: pl.DataFrame, form: Answer, labels: Sequence[str]) -> list[_Scored]:
    """The variants whose test rows can be drawn, once for each characteristic."""
    made = []
    for variant in (v for v in variants if not v.hidden and v.run.has_predictions()):
        frame = variant.run.predictions("test").sort("hadm_id")
        if frame.is_empty() or oversized(form, frame) or form.cells(frame) * len(GROUPED) > LARGEST:
            continue
        encoded, decided = form.read(frame)
        rows = form.rows(encoded, decided, frame["subject_id"].to_numpy(), resamples=DRAWS)
        rows = replace(rows, counted=counted(variant.run, form, rows.borne.shape[1], labels))
        joined = frame.join(groups, on="hadm_id", how="left", maintain_order="left")
        made.append(_Scored(variant, joined, rows, form.probabilities(decided.astype(np.float64))))
    return made


def _column(scored: _Scored, form: Answer, open_data: bool) -> tuple[_Cells, _Cells]:
    """Of one variant: name and level → macro AUROC, gaps last of each characteristic; and → calibration."""
    ranked: _Cells = {}
    calibrated: _Cells = {}
    every = groups_in(scored.frame)
    for name in dict.fromkeys(group.name for group in every):
        groups = [group for group in every if group.name == name]
        kept, shared = _comparable(groups, scored.rows, open_data)
        drawn = {group.level: _macro(group, scored.rows, shared) for group in kept}
        off = _calibration(kept, scored, shared, form)
        for group in groups:
            key = name, group.level
            if group.level not in drawn:
                ranked[key] = calibrated[key] = Cell(NOT_MEASURED if open_data else TOO_FEW)
                continue
            ranked[key] = shown_cell(drawn[group.level], _digits(group.rows, open_data))
            calibrated[key] = shown_cell(off[group.level], share_digits(group.rows, open_data), signed=True)
        ranked[name, "gap"] = _gap(kept, drawn, int(shared.sum()), open_data)
    return ranked, calibrated


def _comparable(groups: Sequence[Group], rows: Rows, open_data: bool) -> tuple[list[Group], NDArray[np.bool_]]:
    """The groups that are scored, and the labels that all of them can be scored on, [L]."""
    order = sorted(groups, key=lambda group: (-int(group.rows.sum()), group.level))
    least, subjects = 1 if open_data else SMALL, np.asarray(rows.subject_ids)
    shared = first = _scorable(order[0], rows, subjects, least)
    kept: list[Group] = []
    for group in order:
        common = shared & _scorable(group, rows, subjects, least)
        if common.any() and 2 * common.sum() >= first.sum():
            shared, kept = common, [*kept, group]
    return [group for group in groups if group in kept], shared


def _scorable(group: Group, rows: Rows, subjects: NDArray[np.generic], least: int) -> NDArray[np.bool_]:
    """Counted labels that so many patients of a group have, and as many have not in a row of theirs, [L]."""
    borne, who = rows.borne[group.rows], np.unique(subjects[group.rows], return_inverse=True)[1]
    people = np.zeros((2, int(who.max(initial=-1)) + 1, borne.shape[1]), dtype=np.bool_)
    for n, has in enumerate((borne, ~borne)):
        np.logical_or.at(people[n], who, has)
    return np.asarray(rows.counted & (people.sum(axis=1) >= least).all(axis=0))


def _macro(group: Group, rows: Rows, shared: NDArray[np.bool_]) -> Resamples:
    """Of the rows of a group, on draws of the patients of all rows."""
    subjects = np.asarray(rows.subject_ids)
    inside = replace(
        rows, borne=rows.borne[group.rows][:, shared], ranked=rows.ranked[group.rows][:, shared],
        subject_ids=subjects[group.rows], patients=np.unique(subjects),
    )  # fmt: skip
    return replace(inside.draws.macro(np.ones(int(shared.sum()), dtype=np.bool_)), n=len(subjects))


def _calibration(
    kept: Sequence[Group], scored: _Scored, shared: NDArray[np.bool_], form: Answer
) -> Mapping[str, Resamples]:
    """Level → the mean residual of its rows."""
    if not kept:
        return {}
    rows, p = scored.rows, scored.probabilities
    if form.several:
        residuals = (rows.borne[:, shared] - p[:, shared]).mean(axis=1)
    else:
        residuals = (p.argmax(axis=1) == rows.labels) - p.max(axis=1)
    statistics = {group.level: residuals_of(residuals, group.rows) for group in kept}
    return resample(statistics, rows.subject_ids, resamples=DRAWS)


def _gap(kept: Sequence[Group], drawn: Mapping[str, Resamples], labels: int, open_data: bool) -> Cell:
    """Best less worst; its interval is of these two groups, which were picked by the rows as they are."""
    if len(kept) < 2:
        return Cell(NOT_MEASURED)
    worst, best = (pick(kept, key=lambda group: drawn[group.level].value) for pick in (min, max))
    places = min(_digits(group.rows, open_data) for group in (worst, best))
    cell = shown_cell(paired_difference([drawn[best.level]], [drawn[worst.level]]), places)
    return Cell(cell.text, f"{cell.detail}\nworst: {worst.level}\nover {labels} labels")


def _digits(rows: NDArray[np.bool_], open_data: bool) -> int:
    """Of a mean of shares of pairs, of which ten rows at least are on the smaller side."""
    return 3 if open_data else max(2, digits(SMALL * lowest(int(rows.sum()))))
