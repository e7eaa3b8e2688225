"""Logistic recalibration: whether probabilities are calibrated, in two numbers.

    logit P(outcome) = intercept + slope · logit(predicted)          calibrated: intercept 0, slope 1

A slope below 1 means that the model is overconfident; an intercept below 0, that it expects too many outcomes.
The intercept is calibration-in-the-large: fitted with the slope held at 1 (Cox, 1958; Steyerberg, 2019, ch. 15).
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chartune.metrics.bootstrap import Statistic

Array: TypeAlias = NDArray[np.float64]

ITERATIONS: Final = 60
HALVINGS: Final = 30
TINY: Final = float(np.finfo(np.float64).tiny)
TOLERANCE: Final = 1e-9
"""Largest gradient, per unit of weight, that counts as zero."""


def intercept_statistic(labels: Array, logits: Array) -> Statistic:
    """Calibration-in-the-large as a function of row weights [B, n]; NaN in a draw of one class.

    Solves Σ w·(y - σ(a + z)) = 0 by Newton's steps, kept inside a bracket that is halved where a step leaves it.

    Args:
        labels: 0 or 1, [n].
        logits: predicted log-odds z, [n].
    """

    def values(weights: Array) -> Array:
        total, positive = weights.sum(axis=1), weights @ labels  # [B]
        defined = (positive > 0) & (positive < total)
        share = np.where(defined, positive / total, 0.5)
        a = np.log(share / (1 - share))  # solves it where all logits are 0
        low, high = a - logits.max(), a - logits.min()
        a = np.clip(a, low, high)
        for _ in range(2 * ITERATIONS):
            p = _sigmoid(a[:, None] + logits)  # [B, n]
            excess = np.where(defined, (weights * p).sum(axis=1) - positive, 0)
            if (np.abs(excess) <= TOLERANCE * total).all():
                break
            low, high = np.where(excess < 0, a, low), np.where(excess > 0, a, high)
            a = _newton_within(a, excess, (weights * p * (1 - p)).sum(axis=1), low, high)
        return np.where(defined, a, np.nan)

    return values


def _newton_within(a: Array, excess: Array, steepness: Array, low: Array, high: Array) -> Array:
    """Newton's step from `a` towards excess 0, or the middle of the bracket where it would leave it; all [B]."""
    step = a - excess / np.maximum(steepness, TINY)
    return np.where((step > low) & (step < high), step, (low + high) / 2)


def slope_statistic(labels: Array, logits: Array) -> Statistic:
    """Calibration slope as a function of row weights [B, n]; NaN in a draw that has no finite one.

    Newton's method on intercept and slope together, a step being halved until it does not raise the loss.

    Args:
        labels: 0 or 1, [n].
        logits: predicted log-odds, [n].
    """
    spread = float(logits.std()) or 1.0
    x = (logits - logits.mean()) / spread  # scaled, so that one tolerance fits all; the slope is scaled back

    def values(weights: Array) -> Array:
        defined = _overlap(labels, x, weights)
        slopes = np.full(len(weights), np.nan)
        slopes[defined] = _Regressions(labels, x, weights[defined]).lines().b / spread
        return slopes

    return values


def recalibration(labels: Array, logits: Array) -> tuple[float, float] | None:
    """Intercept and slope that calibrate log-odds (Platt, 1999); None where the labels do not determine them.

    Args:
        labels: 0 or 1, [n].
        logits: predicted log-odds z, [n]; recalibrated they are intercept + slope·z.
    """
    mean, spread, once = float(logits.mean()), float(logits.std()) or 1.0, np.ones((1, len(labels)))
    y, x = labels.astype(np.float64), (logits - mean) / spread
    if not _overlap(y, x, once)[0]:
        return None
    line = _Regressions(y, x, once).lines()
    slope = float(line.b[0]) / spread
    return (float(line.a[0]) - slope * mean, slope) if np.isfinite(slope) else None


def _overlap(y: Array, x: Array, weights: Array) -> NDArray[np.bool_]:
    """Whether the drawn positives and negatives overlap, [B]: only then is the likelihood's maximum finite."""
    low_1, high_1 = _range(x[y == 1], weights[:, y == 1])
    low_0, high_0 = _range(x[y == 0], weights[:, y == 0])
    return np.asarray((low_1 < high_0) & (low_0 < high_1))


def _range(x: Array, weights: Array) -> tuple[Array, Array]:
    """Lowest and highest value that each draw holds, [B]; of none, an empty range. x: [m]; weights: [B, m]."""
    low = np.where(weights > 0, x, np.inf).min(axis=1, initial=np.inf)
    return low, np.where(weights > 0, x, -np.inf).max(axis=1, initial=-np.inf)


class _Line(NamedTuple):
    """log-odds = a + b·x in each draw."""

    a: Array
    """[B]"""
    b: Array
    """[B]"""

    def less(self, step: "_Line", size: Array) -> "_Line":
        """This line less so much of a step. size: [B]."""
        return _Line(self.a - size * step.a, self.b - size * step.b)


@dataclass(frozen=True)
class _Regressions:
    """Logistic regressions of y on x, one for each draw."""

    y: Array
    """0 or 1, [n]."""
    x: Array
    """[n]"""
    weights: Array
    """[B, n]"""

    def lines(self) -> _Line:
        """Intercept and slope of each draw; NaN where steps do not settle."""
        total, zeros = self.weights.sum(axis=1), np.zeros(len(self.weights))
        line = _Line(zeros, zeros)
        loss = self._loss(line)
        steepest = np.full(len(total), np.inf)
        for _ in range(ITERATIONS):
            gradient, step = self._newton(line)
            steepest = np.maximum(np.abs(gradient.a), np.abs(gradient.b)) / total
            if (steepest <= TOLERANCE).all():
                break
            line, loss = self._descended(line, step, loss)
        settled = steepest <= TOLERANCE
        return _Line(np.where(settled, line.a, np.nan), np.where(settled, line.b, np.nan))

    def _newton(self, line: _Line) -> tuple[_Line, _Line]:
        """The gradient of the loss by a and b, and Newton's step: the Hessian's inverse times it."""
        p = _sigmoid(line.a[:, None] + line.b[:, None] * self.x)  # [B, n]
        residual, curve = self.weights * (p - self.y), self.weights * p * (1 - p)
        gradient = _Line(residual.sum(axis=1), residual @ self.x)
        aa, ab, bb = curve.sum(axis=1), curve @ self.x, curve @ self.x**2  # Hessian
        determinant = np.maximum(aa * bb - ab**2, TINY)
        step = _Line(
            (bb * gradient.a - ab * gradient.b) / determinant, (aa * gradient.b - ab * gradient.a) / determinant
        )
        return gradient, step

    def _descended(self, line: _Line, step: _Line, loss: Array) -> tuple[_Line, Array]:
        """Line and loss after the longest of the steps 1, 1/2, 1/4 ... that does not raise the loss, in each draw."""
        size = np.ones(len(loss))
        for _ in range(HALVINGS):
            reached = self._loss(line.less(step, size))
            worse = reached > loss + TOLERANCE * np.abs(loss)
            if not worse.any():
                break
            size = np.where(worse, size / 2, size)
        return line.less(step, size), reached

    def _loss(self, line: _Line) -> Array:
        """Weighted negative log-likelihood, [B]."""
        z = line.a[:, None] + line.b[:, None] * self.x
        return np.asarray((self.weights * (np.logaddexp(0, z) - self.y * z)).sum(axis=1))


def _sigmoid(z: Array) -> Array:
    """As 1 / (1 + exp(-z)), to absolute precision; many times faster than the way that keeps digits near 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(z / 2))
