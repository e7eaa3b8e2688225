"""AUROC: the chance that a patient who had the outcome was scored above one who had not, a tie counting half."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError, LabelError
from chartune.metrics.bootstrap import Statistic, patient_bootstrap
from chartune.metrics.pairs import Pairs
from chartune.quantities import Estimate


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve by mid-ranks, exact under ties (Hanley & McNeil, 1982).

    Args:
        labels: 0 or 1, [n].
        scores: higher means more likely 1, [n].

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a score is not finite.
    """
    y, s = rows(labels, scores)
    both_classes(y, "AUROC")
    return float(auroc_statistic(y, s)(np.ones((1, y.size)))[0])


def auroc_estimate(
    labels: ArrayLike,
    scores: ArrayLike,
    subject_ids: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """AUROC with its patient-bootstrap interval; draws that hold one class only are left out.

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a score is not finite.
    """
    y, s = rows(labels, scores, subject_ids)
    both_classes(y, "AUROC")
    return patient_bootstrap(auroc_statistic(y, s), subject_ids, resamples=resamples, seed=seed, level=level)


def auroc_statistic(labels: NDArray[np.floating] | NDArray[np.bool_], scores: NDArray[np.floating]) -> Statistic:
    """AUROC as a function of row weights [B, n], whole numbers: the scores are sorted once for all draws.

    Args:
        labels: 0 or 1, [n]; or [n, C], all cells in one ranking.
        scores: higher means more likely 1, likewise.
    """
    pairs = Pairs.of(labels.reshape(len(labels), -1) == 1, scores.reshape(len(labels), -1))
    return lambda weights: pairs.auroc(weights.T, weights.sum(axis=1))


def ties(scores: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order that sorts scores upwards, [n], and where in it each distinct score begins, [G]."""
    order = np.argsort(scores, kind="stable")
    distinct = np.concatenate([[True], np.diff(scores[order]) != 0])
    return order, np.flatnonzero(distinct)


def rows(
    labels: ArrayLike, scores: ArrayLike, subject_ids: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Labels and scores as float64 arrays [n], checked for equal length and valid values.

    Raises:
        LabelError: a label is neither 0 nor 1.
        DataError: there are no rows, lengths disagree, or a score is not finite.
    """
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    shapes = {y.shape, s.shape} | (set() if subject_ids is None else {np.asarray(subject_ids).shape})
    if len(shapes) > 1 or y.ndim != 1 or y.size == 0:
        raise DataError(
            "labels, scores and subject_ids must be flat, not empty and equally long, "
            f"but got shapes {', '.join(map(str, sorted(shapes)))}."
        )
    must_be_0_or_1(y)
    must_be_finite(s)
    return y, s


def must_be_0_or_1(labels: NDArray[Any]) -> None:
    """Raises LabelError: a label is neither; the message counts."""
    wrong = int((~np.isin(labels, (0, 1))).sum())
    if wrong:
        raise LabelError(
            f"every label must be 0 or 1, but {wrong} of {labels.size} are neither; exclude and count those rows."
        )


def must_be_finite(scores: NDArray[np.floating]) -> None:
    """Raises DataError: a score is not finite; the message counts."""
    broken = int((~np.isfinite(scores)).sum())
    if broken:
        raise DataError(
            f"every score must be a finite number, but {broken} of {scores.size} are not; such a model has diverged."
        )


def both_classes(labels: NDArray[np.float64], metric: str) -> None:
    """Refuse rows of one class only: nothing can be ranked above nothing.

    Raises:
        LabelError: one class only; the message counts both.
    """
    positives, total = int(labels.sum()), labels.size
    if positives in (0, total):
        raise LabelError(
            f"{metric} needs rows of both classes, but got {positives} positive and {total - positives} negative; "
            f"take a larger split or another task."
        )
