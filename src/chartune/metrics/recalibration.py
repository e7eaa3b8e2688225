"""Logistic recalibration: can a probability be believed? Told in two numbers.

    logit P(outcome) = intercept + slope · logit(predicted)          believed as it stands: intercept 0, slope 1

A slope below 1 says that the model is too sure of itself; an intercept below 0, that it expects too many outcomes.
The intercept is calibration-in-the-large: fitted with the slope held at 1 (Cox, 1958; Steyerberg, 2019, ch. 15).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.metrics.bootstrap import Statistic

ITERATIONS: Final = 60
TOLERANCE: Final = 1e-9
"""Largest gradient, per unit of weight, that counts as zero."""


def intercept_statistic(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> Statistic:
    """Calibration-in-the-large as a function of row weights [B, n]; NaN in a draw of one class.

    Solves Σ w·(y - σ(a + z)) = 0 by Newton's steps, kept inside a bracket that is halved where a step leaves it.
    """

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        total, found = weights.sum(axis=1), weights @ labels
        defined = (found > 0) & (found < total)
        share = np.where(defined, found / total, 0.5)
        middle = np.log(share / (1 - share))
        low, high = middle - logits.max(), middle - logits.min()
        a = np.clip(middle, low, high)
        for _ in range(2 * ITERATIONS):
            p = _sigmoid(a[:, None] + logits)
            excess = np.where(defined, (weights * p).sum(axis=1) - found, 0)
            if (np.abs(excess) <= TOLERANCE * total).all():
                break
            low, high = np.where(excess < 0, a, low), np.where(excess > 0, a, high)
            steepness = (weights * p * (1 - p)).sum(axis=1)
            step = a - excess / np.maximum(steepness, np.finfo(np.float64).tiny)
            a = np.where((step > low) & (step < high), step, (low + high) / 2)
        return np.where(defined, a, np.nan)

    return values


def slope_statistic(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> Statistic:
    """Calibration slope as a function of row weights [B, n]; NaN in a draw that has no finite one.

    Newton's method on intercept and slope together, a step being halved until it does not raise the loss.
    """
    spread = float(logits.std()) or 1.0
    x = (logits - logits.mean()) / spread  # scaled, so that one tolerance fits all; the slope is scaled back

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        defined = _overlap(labels, x, weights)
        fits = np.full(len(weights), np.nan)
        fits[defined] = _slopes(labels, x, weights[defined]) / spread
        return fits

    return values


def _overlap(y: NDArray[np.float64], x: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the drawn positives and negatives overlap, [B]: only then is the likelihood's maximum finite."""
    ends = []
    for rows_of in (y == 1, y == 0):
        here = (weights[:, rows_of] > 0) if rows_of.any() else np.zeros((len(weights), 0), dtype=np.bool_)
        low = np.where(here, x[rows_of], np.inf).min(axis=1, initial=np.inf)
        high = np.where(here, x[rows_of], -np.inf).max(axis=1, initial=-np.inf)
        ends.append((low, high))
    (low_1, high_1), (low_0, high_0) = ends
    return np.asarray((low_1 < high_0) & (low_0 < high_1))


def _slopes(y: NDArray[np.float64], x: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes [B] of the logistic regressions of y on x with row weights [B, n]; NaN where steps do not settle."""
    total = weights.sum(axis=1)
    a, b = np.zeros(len(weights)), np.zeros(len(weights))
    loss = _loss(a, b, y, x, weights)
    gradient = np.full(len(weights), np.inf)
    for _ in range(ITERATIONS):
        p = _sigmoid(a[:, None] + b[:, None] * x)
        off, curve = weights * (p - y), weights * p * (1 - p)
        to_a, to_b = off.sum(axis=1), off @ x
        gradient = np.maximum(np.abs(to_a), np.abs(to_b)) / total
        if (gradient <= TOLERANCE).all():
            break
        aa, ab, bb = curve.sum(axis=1), curve @ x, curve @ x**2
        determinant = np.maximum(aa * bb - ab**2, np.finfo(np.float64).tiny)
        step_a, step_b = (bb * to_a - ab * to_b) / determinant, (aa * to_b - ab * to_a) / determinant
        a, b, loss = _descended(a, b, step_a, step_b, loss, y, x, weights)
    return np.where(gradient <= TOLERANCE, b, np.nan)


def _descended(
    a: NDArray[np.float64], b: NDArray[np.float64], step_a: NDArray[np.float64], step_b: NDArray[np.float64],
    loss: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64], weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """a, b and loss after the longest of the steps 1, 1/2, 1/4 ... that does not raise the loss, for each draw."""
    size = np.ones(len(a))
    for _ in range(30):
        reached = _loss(a - size * step_a, b - size * step_b, y, x, weights)
        worse = reached > loss + TOLERANCE * np.abs(loss)
        if not worse.any():
            break
        size = np.where(worse, size / 2, size)
    return a - size * step_a, b - size * step_b, reached


def _loss(
    a: NDArray[np.float64], b: NDArray[np.float64],
    y: NDArray[np.float64], x: NDArray[np.float64], weights: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    z = a[:, None] + b[:, None] * x
    return np.asarray((weights * (np.logaddexp(0, z) - y * z)).sum(axis=1))


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """As 1 / (1 + exp(-z)), to absolute precision; many times faster than the way that keeps digits near 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(z / 2))
