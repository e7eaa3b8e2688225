"""Net benefit: what acting above a risk is worth, false alarms weighed by its odds (Vickers & Elkin, 2006).

    net benefit = TP / n - FP / n · t / (1 - t)        to treat all: prevalence - (1 - prevalence) · t / (1 - t)

Whoever acts at a risk of t holds one missed patient to be as bad as (1 - t) / t needless treatments.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.auroc import rows


def flagged_above(
    labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows with the outcome, and rows without it, whose probability is at least each threshold, [T] each.

    Raises:
        LabelError: a label is neither 0 nor 1.
        DataError: lengths disagree, or a probability is not finite.
    """
    y, p = rows(labels, probabilities)
    cases, controls = (np.sort(p[y == label]) for label in (1, 0))
    t = np.asarray(thresholds, dtype=np.float64)
    return cases.size - np.searchsorted(cases, t), controls.size - np.searchsorted(controls, t)


def net_benefit(labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """In true positives per row, at each threshold, [T].

    Args:
        labels: 0 or 1, [n].
        probabilities: of 1, [n].
        thresholds: risks from which on one acts, from 0 to below 1, [T].

    Raises:
        LabelError: a label is neither 0 nor 1.
        DataError: lengths disagree, a probability is not finite, or a threshold is out of range.
    """
    right, wrong = flagged_above(labels, probabilities, thresholds)
    return _worth(right, wrong, np.size(np.asarray(labels)), np.asarray(thresholds, dtype=np.float64))


def benefit_of_all(prevalence: float, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Net benefit of acting on everybody, [T]. Raises DataError: a threshold is out of range."""
    return _worth(prevalence, 1 - prevalence, 1, np.asarray(thresholds, dtype=np.float64))


def _worth(
    right: NDArray[np.int64] | float, wrong: NDArray[np.int64] | float, n: int, t: NDArray[np.float64]
) -> NDArray[np.float64]:
    if ((t < 0) | (t >= 1)).any():
        raise DataError(f"a risk at which one acts must lie from 0 to below 1, but the thresholds are {t.tolist()}.")
    return np.asarray(right / n - wrong / n * t / (1 - t))
