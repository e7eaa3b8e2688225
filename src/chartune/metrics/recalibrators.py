"""Recalibrators: what makes log-odds calibrated, fitted once on rows that nothing was learnt from, and kept with a run.

platt        intercept + slope · log-odds, of one outcome (Platt, 1999)
temperature  slope · logits, of all labels alike; 1 / slope is the temperature (Guo et al., 2017)
isotonic     through `knots`, level between those of one block, of one outcome (Zadrozny and Elkan, 2002)

A slope is above 0, so that no rank changes: AUROC is the same before and after. Isotonic regression makes ties, which
count half in an AUROC; it needs many cases (a thousand rows, say), where the others are content with some tens.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chartune.metrics.classification import sigmoid
from chartune.metrics.recalibration import recalibration
from chartune.record import Record

Array: TypeAlias = NDArray[np.float64]
Kind = Literal["platt", "temperature", "isotonic"]
LEAST: Final = 10
"""Cases of a label, and controls, from which on anything is fitted."""
STEEPEST: Final = 1e3
"""Slopes between its inverse and itself, in units of the spread of the logits, are looked at."""


class Calibration(Record):
    """How log-odds are recalibrated."""

    kind: Kind = "platt"
    intercept: float = 0.0
    slope: float = 1.0
    knots: tuple[tuple[float, float], ...] | None = None
    """Of `isotonic`: log-odds as predicted and as recalibrated, both rising."""
    split: str = "validation"
    """On whose rows it was fitted."""

    @property
    def rises(self) -> bool:
        """Whether it keeps ranks; earlier versions kept a slope below 0, too."""
        return self.slope > 0

    def applied(self, decided: NDArray[np.floating]) -> Array:
        """Log-odds or logits after recalibration, of the same shape."""
        if self.knots is not None:
            predicted, mended = np.asarray(self.knots).T
            return np.asarray(np.interp(decided, predicted, mended))
        return np.asarray(self.intercept + self.slope * decided, dtype=np.float64)


def platt(labels: NDArray[Any], logits: Array) -> Calibration | None:
    """Intercept and slope of a logistic regression on the log-odds; None: no slope above 0 is determined.

    Args:
        labels: 0 or 1, [n].
        logits: log-odds, [n].
    """
    line = recalibration(labels, logits)
    return None if line is None or line[1] <= 0 else Calibration(kind="platt", intercept=line[0], slope=line[1])


def temperature(labels: NDArray[Any], logits: Array) -> Calibration | None:
    """The slope of the smallest log loss; None: no finite one above 0 is determined.

    Args:
        labels: class numbers [n] of logits [n, K]; else 0 or 1, of the shape of the logits.
        logits: log-odds, or logits of classes.
    """
    spread = float(logits.std()) or 1.0
    steepness = _of_classes if logits.ndim > labels.ndim else _of_cells
    gradient = steepness(labels, logits / spread)
    if not gradient(1 / STEEPEST) < 0 < gradient(STEEPEST):
        return None
    from scipy.optimize import brentq

    log_slope = brentq(lambda t: gradient(np.exp(t)), -np.log(STEEPEST), np.log(STEEPEST), xtol=1e-10)
    return Calibration(kind="temperature", slope=float(np.exp(log_slope)) / spread)


def _of_cells(labels: NDArray[Any], z: Array) -> Callable[[float], float]:
    """d/ds of the mean log loss of s·z, as a function of s."""
    return lambda s: float(((sigmoid(s * z) - labels) * z).mean())


def _of_classes(labels: NDArray[Any], z: Array) -> Callable[[float], float]:
    """The same of the mean cross-entropy of one class per row."""
    own = z[np.arange(len(z)), labels.astype(np.int64)]

    def gradient(s: float) -> float:
        p = np.exp(s * z - np.logaddexp.reduce(s * z, axis=1, keepdims=True))
        return float(((p * z).sum(axis=1) - own).mean())

    return gradient


def isotonic(labels: NDArray[Any], logits: Array) -> Calibration:
    """The rising step function nearest to the labels, its shares kept within half a row of 0 and 1.

    Args:
        labels: 0 or 1, [n].
        logits: log-odds, [n].
    """
    from sklearn.isotonic import isotonic_regression

    places, which, rows = np.unique(logits, return_inverse=True, return_counts=True)
    shares = np.bincount(which, weights=labels) / rows
    level = np.asarray(isotonic_regression(shares, sample_weight=rows))
    edge = 0.5 / (len(labels) + 1)
    p = np.clip(level, edge, 1 - edge)
    new = np.append(True, np.diff(level) > 0)
    ends = new | np.append(new[1:], True)  # the first and the last place of each block
    odds = np.log(p / (1 - p))
    knots = zip(places[ends].tolist(), odds[ends].tolist(), strict=True)
    return Calibration(kind="isotonic", knots=tuple(knots))
