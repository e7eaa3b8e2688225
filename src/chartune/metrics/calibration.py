"""The calibration curve, predicted probability against observed frequency in bins of rows; its error in a number."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.auroc import rows, ties


@dataclass(frozen=True)
class Bin:
    """Rows of about the same predicted probability."""

    low: float
    """Smallest predicted probability."""
    high: float
    """Largest predicted probability."""
    predicted: float
    """Mean predicted probability."""
    observed: float
    """Share of rows with the outcome."""
    n: int
    """Rows."""


def calibration_curve(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> list[Bin]:
    """Predicted against observed in bins of about equally many rows, from low to high.

    Rows of the same probability stay together: their middle rank says into which bin they go. So bins can be unequal,
    and there can be fewer than `bins` of them.

    Args:
        labels: 0 or 1, [n].
        probabilities: of 1, [n].
        bins: at most so many.

    Raises:
        LabelError: a label is neither 0 nor 1.
        DataError: lengths disagree, a probability lies outside 0 to 1, or `bins` is below 1.
    """
    y, p = _probable(labels, probabilities)
    if bins < 1:
        raise DataError(f"a calibration curve needs at least one bin, but got bins={bins}.")
    order, starts = ties(p)
    sizes = np.diff(np.append(starts, p.size))
    bin_of_row = np.repeat(((starts + sizes / 2) * bins / p.size).astype(np.int64), sizes)
    y, p = y[order], p[order]
    return [
        Bin(float(p[here].min()), float(p[here].max()), float(p[here].mean()), float(y[here].mean()), int(here.sum()))
        for here in (bin_of_row == number for number in np.unique(bin_of_row))
    ]


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """ECE: the mean distance of predicted and observed over the bins of `calibration_curve`, weighed by their rows.

    Naeini et al. (2015), in bins of equally many rows (Nixon et al., 2019). It is above 0 by chance alone, the more so
    the fewer rows there are, so that no interval is given: resamples lie above the value. Arguments and errors as of
    `calibration_curve`.
    """
    curve = calibration_curve(labels, probabilities, bins)
    return sum(each.n * abs(each.observed - each.predicted) for each in curve) / sum(each.n for each in curve)


def _probable(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Labels and probabilities as float64 arrays [n], checked for equal length and valid values."""
    y, p = rows(labels, probabilities)
    outside = int(((p < 0) | (p > 1)).sum())
    if outside:
        raise DataError(
            f"probabilities must lie within 0 and 1, but {outside} of {p.size} do not; give probabilities, not logits."
        )
    return y, p
