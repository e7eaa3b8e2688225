"""What else is asked of a binary prediction: precision among the flagged, distance to the truth, the base rate.

AUROC says nothing on whether a probability is calibrated; the Brier score and the log loss do. AUPRC means nothing
without the prevalence, which is its value for a model that guesses, so the two always travel together.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.auroc import rows, ties
from chartune.metrics.bootstrap import Statistic


def auprc_statistic(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> Statistic:
    """Average precision as a function of row weights [B, n]; NaN in a draw without positives."""
    order, starts = ties(-scores)
    positive = labels[order]

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sorted_weights = weights[:, order]
        tie_positives = np.add.reduceat(sorted_weights * positive, starts, axis=1)
        flagged = np.cumsum(np.add.reduceat(sorted_weights, starts, axis=1), axis=1)
        precision = np.cumsum(tie_positives, axis=1) / np.maximum(flagged, np.finfo(np.float64).tiny)
        with np.errstate(invalid="ignore"):  # no positive drawn: 0 / 0 is NaN, and left out
            return np.asarray((tie_positives * precision).sum(axis=1) / tie_positives.sum(axis=1))

    return values


def log_loss(labels: ArrayLike, logits: ArrayLike) -> float:
    """Mean negative log-likelihood in nats, computed from log-odds so that no probability is clipped."""
    return float(np.mean(log_losses(*rows(labels, logits))))


def log_losses(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The negative log-likelihood of each row in nats, [n]."""
    return np.asarray(np.logaddexp(0, logits) - labels * logits)


def mean_statistic(values: NDArray[np.float64]) -> Statistic:
    """The mean of a row's values as a function of row weights [B, n]."""
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1))


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-z)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def frequencies(cases: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
    """How frequent each label is among so many rows; one without a case is not impossible. cases: [L]."""
    return np.asarray((cases + 0.5) / (rows + 1))
