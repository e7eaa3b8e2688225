"""The smooth calibration curve: the observed share around each predicted probability, by local regression.

A straight line is fitted around each place to the nearest three quarters of the rows, near ones weighing more
(loess of degree 1, tricube weights; Cleveland, 1979). The span is that of Austin and Steyerberg (2014).
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.auroc import rows

SPAN: Final = 0.75
"""Share of the rows that a local line is fitted to."""


def smooth_calibration(
    labels: ArrayLike, probabilities: ArrayLike, places: ArrayLike, span: float = SPAN
) -> NDArray[np.float64]:
    """The observed share at given predicted probabilities, within 0 and 1, [P].

    Args:
        labels: 0 or 1, [n].
        probabilities: of 1, [n].
        places: predicted probabilities at which the curve is wanted, [P].
        span: share of the rows that each local line is fitted to, above 0 to 1.

    Raises:
        LabelError: a label is neither 0 nor 1.
        DataError: lengths disagree, a probability is not finite, or `span` is out of range.
    """
    y, p = rows(labels, probabilities)
    if not 0 < span <= 1:
        raise DataError(f"the span of a local regression must lie above 0 and up to 1, but is {span}; give a share.")
    near = max(2, round(span * p.size))
    fitted = [_local(y, p, place, near) for place in np.asarray(places, dtype=np.float64)]
    return np.asarray(np.clip(np.array(fitted), 0, 1), dtype=np.float64)


def _local(y: NDArray[np.float64], p: NDArray[np.float64], place: float, near: int) -> float:
    """The weighted line through the nearest rows, read off at the place; their mean where they do not spread."""
    distance = np.abs(p - place)
    reach = np.partition(distance, min(near, p.size) - 1)[min(near, p.size) - 1]
    if reach <= 0:
        return float(y[distance <= 0].mean())
    weights = np.clip(1 - (distance / (reach * (1 + 1e-9))) ** 3, 0, None) ** 3
    total = weights.sum()
    centre, level = weights @ p / total, weights @ y / total
    spread = weights @ (p - centre) ** 2
    slope = weights @ ((p - centre) * (y - level)) / spread if spread > 1e-12 * total else 0.0
    return float(level + slope * (place - centre))
