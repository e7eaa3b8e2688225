"""DeLong: the difference of two AUROCs on the same rows with its standard error, rows of a patient kept together.

    placements of a case: share of the controls below it        placements of a control: share of the cases above it
    their sums by patient ─▶ variance between patients ─▶ standard error ─▶ z ─▶ p

The variance is that of DeLong et al. (1988) with the clusters of Obuchowski (1997, Biometrics 53:567): patients are
independent, their rows are not. With one row of each patient both are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.auroc import both_classes, rows

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """A difference of two AUROCs."""

    difference: float
    error: float
    """Its standard error; NaN: fewer than two patients with the outcome, or without it."""
    p: float
    """Two-sided, of no difference; 1 where neither the difference nor its error is above 0; NaN where the error is 0
    or undefined and the difference is not."""


def clustered_delong(
    labels: ArrayLike, ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], subject_ids: ArrayLike
) -> Tested:
    """How much higher the AUROC of `ours` is than that of `theirs`; of several seeds, their mean AUROCs.

    Args:
        labels: 0 or 1, [n].
        ours: scores of each seed, higher means more likely 1, [n] each.
        theirs: likewise, on the same rows.
        subject_ids: the patient of each row, [n].

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a score is not finite.
    """
    from scipy.stats import norm

    sides = [[rows(labels, scores, subject_ids) for scores in side] for side in (ours, theirs)]
    y = sides[0][0][0]
    both_classes(y, "a test of AUROCs")
    mine, other = (np.mean([_placements(y, scores) for _, scores in side], axis=0) for side in sides)
    placed = mine - other
    difference, error = float(placed[y == 1].mean()), _error(placed, y, np.asarray(subject_ids))
    same = abs(difference) < 1e-12 and not error > 1e-12  # a NaN error of no difference, too
    if same or not error > 1e-12:
        return Tested(difference, error, 1.0 if same else float("nan"))
    return Tested(difference, error, float(2 * norm.sf(abs(difference) / error)))


def auroc_error(labels: ArrayLike, scores: ArrayLike, subject_ids: ArrayLike) -> tuple[float, float]:
    """AUROC of one model and its standard error, rows of a patient kept together.

    Args:
        labels: 0 or 1, [n].
        scores: higher means more likely 1, [n].
        subject_ids: the patient of each row, [n].

    Returns:
        The area, and its error: NaN of fewer than two patients with the outcome, or without it.

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a score is not finite.
    """
    y, checked = rows(labels, scores, subject_ids)
    both_classes(y, "the error of an AUROC")
    placed = _placements(y, checked)
    return float(placed[y == 1].mean()), _error(placed, y, np.asarray(subject_ids))


def _placements(y: Array, scores: Array) -> Array:
    """Of each case the share of controls below it, of each control that of cases above it, a tie as half a one; [n]."""
    placed = np.empty(y.size)
    for label in (1, 0):
        others = np.sort(scores[y != label])
        own = scores[y == label]
        below = (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / (2 * others.size)
        placed[y == label] = below if label == 1 else 1 - below
    return placed


def _error(placed: Array, y: Array, subjects: NDArray[np.generic]) -> float:
    """Standard error of the mean placement, from the sums of each patient's deviations."""
    _, patient = np.unique(subjects, return_inverse=True)
    mean, cases = float(placed[y == 1].mean()), y == 1
    of_cases = np.bincount(patient, (placed - mean) * cases) / cases.sum()
    of_controls = np.bincount(patient, (placed - mean) * ~cases) / (~cases).sum()
    ill, well = np.unique(patient[cases]).size, np.unique(patient[~cases]).size
    if min(ill, well) < 2:
        return float("nan")
    every = np.unique(patient).size
    variance = (of_cases**2).sum() * ill / (ill - 1) + (of_controls**2).sum() * well / (well - 1)
    variance += 2 * (of_cases * of_controls).sum() * every / (every - 1)
    return float(np.sqrt(max(variance, 0.0)))
