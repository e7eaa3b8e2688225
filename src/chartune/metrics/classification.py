"""What else is asked of a binary prediction: precision among the flagged, distance to the truth, the base rate.

AUROC says nothing on whether a probability can be believed; the Brier score and the log loss do. AUPRC means nothing
without the prevalence, which is its value for a model that guesses, so the two always travel together.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.auroc import auroc_statistic, both_classes, rows, ties
from chartune.metrics.bootstrap import Statistic, resample
from chartune.metrics.recalibration import intercept_statistic, slope_statistic
from chartune.quantities import Estimate

FITS: Final = 200
"""Draws for the scores that need a fit on each."""


def binary_scores(
    labels: ArrayLike,
    logits: ArrayLike,
    subject_ids: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """All scores of a binary prediction on the same draws of patients.

    Args:
        labels: 0 or 1, [n].
        logits: log-odds of 1, [n]; not probabilities, which saturate into ties at 0 and 1.
        subject_ids: the patient of each row, [n].
        resamples: draws of the patient bootstrap.
        seed: of the draws.
        level: nominal coverage of the intervals.

    Returns:
        `auroc`, `auprc`, `brier`, `log_loss` (nats), `prevalence`, `calibration_intercept` and `calibration_slope`, in
        this order. The last two rest on at most 200 of the draws, because each is a fit of its own. `calibration_slope`
        is missing where no finite slope fits best, that is where one threshold separates the classes.

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a logit is not finite.
    """
    y, z = rows(labels, logits, subject_ids)
    both_classes(y, "a binary score")
    statistics: Mapping[str, Statistic] = {
        "auroc": auroc_statistic(y, z),
        "auprc": auprc_statistic(y, z),
        "brier": mean_statistic((sigmoid(z) - y) ** 2),
        "log_loss": mean_statistic(np.logaddexp(0, z) - y * z),
        "prevalence": mean_statistic(y),
    }
    fits = {"calibration_intercept": intercept_statistic(y, z), "calibration_slope": slope_statistic(y, z)}
    drawn = resample(statistics, subject_ids, resamples=resamples, seed=seed)
    drawn |= resample(fits, subject_ids, resamples=min(resamples, FITS), seed=seed)
    return {name: drawn[name].estimate(level) for name in (*statistics, *fits) if np.isfinite(drawn[name].value)}


def auprc_statistic(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> Statistic:
    """Average precision as a function of row weights [B, n]; NaN in a draw without positives."""
    order, starts = ties(-scores)
    positive = labels[order]

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sorted_weights = weights[:, order]
        found = np.add.reduceat(sorted_weights * positive, starts, axis=1)
        flagged = np.cumsum(np.add.reduceat(sorted_weights, starts, axis=1), axis=1)
        precision = np.cumsum(found, axis=1) / np.maximum(flagged, np.finfo(np.float64).tiny)
        with np.errstate(invalid="ignore"):  # no positive drawn: 0 / 0 is NaN, and left out
            return np.asarray((found * precision).sum(axis=1) / found.sum(axis=1))

    return values


def log_loss(labels: ArrayLike, logits: ArrayLike) -> float:
    """Mean negative log-likelihood in nats, computed from log-odds so that no probability is clipped."""
    y, z = rows(labels, logits)
    return float(np.mean(np.logaddexp(0, z) - y * z))


def mean_statistic(values: NDArray[np.float64]) -> Statistic:
    """The mean of a row's values as a function of row weights [B, n]."""
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1))


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-z)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))
