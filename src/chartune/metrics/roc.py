"""The ROC curve and the precision-recall curve: what is flagged rightly and wrongly, at every threshold."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.auroc import both_classes, rows, ties


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the ROC curve from (0, 0) to (1, 1), one for each distinct score, ties taken together.

    Args:
        labels: 0 or 1, [n].
        scores: higher means more likely 1, [n].

    Returns:
        false-positive rates and true-positive rates, both rising, [G + 1]; the trapezoids below are the AUROC.

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a score is not finite.
    """
    ranked, starts = _ranked(labels, scores, "an ROC curve")
    positives = np.cumsum(np.add.reduceat(ranked, starts))
    negatives = np.cumsum(np.add.reduceat(1 - ranked, starts))
    return np.append(0, negatives / negatives[-1]), np.append(0, positives / positives[-1])


def precision_recall_curve(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Points of the precision-recall curve from the highest score down, ties taken together.

    Between two points no straight line is right (Davis & Goadrich, 2006): a recall is reached at the next point.

    Args:
        labels: 0 or 1, [n].
        scores: higher means more likely 1, [n].

    Returns:
        recall, rising; precision; rows flagged, [G] each. The area under its steps is the average precision.

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a score is not finite.
    """
    ranked, starts = _ranked(labels, scores, "a precision-recall curve")
    positives = np.cumsum(np.add.reduceat(ranked, starts))
    flagged = np.append(starts[1:], ranked.size)
    return positives / positives[-1], positives / flagged, flagged.astype(np.int64)


def _ranked(labels: ArrayLike, scores: ArrayLike, what: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Labels from the highest score down, [n], and where each group of equal scores starts, [G]."""
    y, s = rows(labels, scores)
    both_classes(y, what)
    order, starts = ties(-s)
    return y[order], starts
