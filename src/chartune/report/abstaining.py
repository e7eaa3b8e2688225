"""A model that may abstain: scores of the rows of which it is surest, and sets of classes that hold the true one.

For real patients a number stands only where ten rows and ten patients are right and ten wrong, or none; with outcome
and without it where they are ranked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers import Answer
from chartune.disclosure import SMALL, TOO_FEW, digits, lowest
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.bootstrap import resample
from chartune.metrics.classification import mean_statistic
from chartune.metrics.conformal import conformal_sets, cutoffs
from chartune.metrics.operating import share_statistic
from chartune.metrics.selective import surest
from chartune.report.believable import scored_run
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated
from chartune.report.variants import Variant, called
from chartune.runs import Run
from chartune.runs.run import CHOOSING, SCORING

COVERAGES: Final = (1.0, 0.9, 0.75, 0.5)
"""Shares of the test rows that are answered."""
MISS: Final = 0.1
"""Share of the rows whose class a set may lack."""
_SELECTED: Final = (
    "Answered are the rows whose most likely class has the highest probability. A score of fewer rows is of other "
    "patients, the easier ones: it says what a reader who takes over the rest may expect of those that are left. "
    "95 % intervals of the patient bootstrap."
)
_SETS: Final = (
    f"Each set holds the classes that cannot be ruled out; cutoffs are chosen on the validation split so that at most "
    f"{100 * MISS:.0f} % of sets lack the true class, over all rows or within each class (split conformal prediction; "
    "Sadinle et al., 2019; Vovk, 2012). The promise holds for rows that are exchangeable with those of the validation "
    "split: several rows of one patient, or other times, can break it, and what was reached stands here."
)


def selective_table(variants: Sequence[Variant], form: Answer, title: str, open_data: bool) -> Table | None:
    """Accuracy, and of a binary task AUROC, of the surest rows; None: nothing can be shown of any variant.

    Args:
        variants: numbered, of a task with one class per row.
        form: of the answers.
        title: of the task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    rows = []
    for variant, frame in _scored(variants, form):
        labels, decided = form.read(frame)
        p, subjects = _by_class(form, decided), frame["subject_id"].to_numpy()
        for coverage in COVERAGES:
            kept = surest(p.max(axis=1), coverage)
            cells = [_share(p.argmax(axis=1) == labels, subjects, open_data, kept)]
            cells += [_ranked(labels, decided, subjects, open_data, kept)] if form.one_outcome else []
            about = f"{100 * coverage:.0f} % of the rows answered"
            rows.append((called(variant, about), *cells))
    columns = [Column("Variant", "and how many it answers", numeric=False), Column("Accuracy", "of those")]
    columns += [Column("AUROC", "of those")] if form.one_outcome else []
    caption = f"{title}: the surest rows alone"
    return Table(caption, tuple(columns), tuple(rows), _SELECTED, cards=False) if rows else None


def conformal_table(
    variants: Sequence[Variant], form: Answer, title: str, open_data: bool, every: Mapping[str, Run]
) -> Table | None:
    """How often conformal sets hold the true class, and how large they are; arguments as of `selective_table`.

    `every`: all runs by fingerprint, where the run is looked up that an evaluation on other data has scored.
    """
    rows = []
    for variant, frame in _scored(variants, form):
        watched = _watched(variant, form, every)
        if watched is None:
            continue
        labels, decided = form.read(frame)
        calibration = watched[0], _by_class(form, watched[1])
        for by_class, promise in ((False, "over all rows"), (True, "within each class")):
            sets = conformal_sets(_by_class(form, decided), cutoffs(*calibration, MISS, by_class=by_class))
            cells = _of_sets(sets, labels, frame["subject_id"].to_numpy(), open_data)
            rows.append((called(variant, promise), *cells))
    columns = (
        Column("Variant", "and where the promise holds", numeric=False), Column("Coverage", "sets with the true class"),
        Column("Lowest coverage", "of a class"), Column("One class", "sets of one"), Column("Classes", "mean of a set"),
    )  # fmt: skip
    caption = f"{title}: conformal sets of {100 * (1 - MISS):.0f} %"
    return Table(caption, columns, tuple(rows), _SETS, cards=False) if rows else None


def _scored(variants: Sequence[Variant], form: Answer) -> list[tuple[Variant, pl.DataFrame]]:
    if form.several or not form.whole_text:
        return []
    shown = [v for v in variants if not v.hidden and v.run.has_predictions()]
    return [(v, rows) for v in shown if not (rows := v.run.predictions(SCORING)).is_empty()]


def _watched(
    variant: Variant, form: Answer, every: Mapping[str, Run]
) -> tuple[NDArray[Any], NDArray[np.floating]] | None:
    """Labels and values of the validation rows; None: there are none, or too few real patients among them."""
    run = scored_run(variant.run, every)
    if run is None or (variant.watched is not None and variant.watched.few):
        return None
    rows = run.predictions(CHOOSING)
    return None if rows.is_empty() else form.read(rows)


def _by_class(form: Answer, decided: NDArray[Any]) -> NDArray[np.float64]:
    """The probability of each class, [n, K]."""
    p = form.probabilities(decided.astype(np.float64))
    return np.stack([1 - p, p], axis=1) if form.one_outcome else p


def _of_sets(
    sets: NDArray[np.bool_], labels: NDArray[Any], subjects: NDArray[Any], open_data: bool
) -> tuple[Cell, ...]:
    held = sets[np.arange(len(labels)), labels]
    classes = [labels == k for k in np.unique(labels)]
    if not open_data and any(_few(held[rows], subjects[rows]) for rows in classes):
        return (Cell(TOO_FEW),) * 4
    worst = min(classes, key=lambda rows: held[rows].mean())
    size = resample({"size": mean_statistic(sets.sum(axis=1).astype(np.float64))}, subjects)["size"].estimate()
    places = 3 if open_data else digits(lowest(len(labels)), 2)
    return (
        _share(held, subjects, open_data), _share(held, subjects, open_data, worst),
        _share(sets.sum(axis=1) == 1, subjects, open_data), estimated(size.value, size.low, size.high, places),
    )  # fmt: skip


def _share(
    part: NDArray[np.bool_], subjects: NDArray[Any], open_data: bool, of: NDArray[np.bool_] | None = None
) -> Cell:
    """A share of rows, or of those of them that are asked about, with its interval."""
    whole = np.ones(len(part), dtype=np.bool_) if of is None else of
    if not open_data and _few(part[whole], subjects[whole]):
        return Cell(TOO_FEW)
    measured = resample({"share": share_statistic(part & whole, whole)}, subjects)["share"].estimate()
    places = 3 if open_data else digits(lowest(int(whole.sum())))
    return estimated(measured.value, measured.low, measured.high, places)


def _ranked(
    labels: NDArray[Any], scores: NDArray[Any], subjects: NDArray[Any], open_data: bool, kept: NDArray[np.bool_]
) -> Cell:
    """AUROC of some rows, where both classes are among them."""
    ill = labels[kept] == 1
    if ill.all() or not ill.any():
        return Cell(NOT_MEASURED, "one class only")
    people = min(np.unique(subjects[kept][ill == label]).size for label in (True, False))
    if not open_data and people < SMALL:
        return Cell(TOO_FEW)
    of_kept = auroc_statistic(ill, scores[kept])
    measured = resample({"ranked": lambda weights: of_kept(weights[:, kept])}, subjects)["ranked"].estimate()
    places = 3 if open_data else max(2, digits(lowest(int(ill.sum())) * lowest(int((~ill).sum()))))
    return estimated(measured.value, measured.low, measured.high, places)


def _few(part: NDArray[np.bool_], subjects: NDArray[Any]) -> bool:
    """Whether one to nine patients are in it, or out of it, or so few are asked about at all."""
    sides = [np.unique(subjects[part]).size, np.unique(subjects[~part]).size]
    return any(0 < size < SMALL for size in sides) or np.unique(subjects).size < SMALL
