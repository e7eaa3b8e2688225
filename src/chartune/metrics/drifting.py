"""Drifting: how far later values of a measure, or later outcomes, lie from those that a model was tested on.

values ─▶ population stability index over the deciles of the test split, p of Kolmogorov and Smirnov
outcomes ─▶ observed to expected, and AUROC, each with the p of no change
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.auroc import both_classes, rows
from chartune.metrics.delong import auroc_error

Array = NDArray[np.float64]
BINS: Final = 10
HALF: Final = 0.5
"""Is added to the count of every bin, so that an empty one has a logarithm."""


@dataclass(frozen=True)
class Distance:
    """How far values lie from others."""

    psi: float
    """Population stability index, in nats: 0 where shares of bins are equal."""
    p: float
    """Two-sided, of one distribution: two-sample Kolmogorov-Smirnov, asymptotic; ties make it larger."""


@dataclass(frozen=True)
class Baseline:
    """Values of one measure on the rows that a model was tested on."""

    values: Array
    """In ascending order, [m]."""
    cuts: Array
    """Between bins of about equally many of them; a value that is equal to one is below it, [bins - 1]."""

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """Cut them at deciles; where values are tied, beside the tie that is nearest.

        Args:
            values: finite, [m], m > 0.
        """
        ordered = np.sort(np.asarray(values, dtype=np.float64))
        distinct, first = np.unique(ordered, return_index=True)
        if len(distinct) == 1:
            return cls(ordered, np.asarray([np.nextafter(ordered[0], -np.inf), ordered[0]]))
        below = first[1:]  # values below each boundary between two distinct ones
        deciles = np.arange(1, BINS) * len(ordered) / BINS
        nearest = np.unique(np.abs(below[:, None] - deciles).argmin(axis=0))
        return cls(ordered, (distinct[nearest] + distinct[nearest + 1]) / 2)

    def counts(self, values: Array) -> NDArray[np.int64]:
        """How many values lie in each bin. values: [n]; returns [bins]."""
        return np.bincount(np.searchsorted(self.cuts, values, side="left"), minlength=len(self.cuts) + 1)

    def to(self, values: Array) -> Distance:
        """How far other values lie from these. values: finite, [n], n > 0."""
        from scipy.stats import ks_2samp

        own, here = (_shares(self.counts(each)) for each in (self.values, values))
        psi = float(((here - own) * np.log(here / own)).sum())
        return Distance(psi, float(ks_2samp(self.values, values, method="asymp").pvalue))


def _shares(counts: NDArray[np.int64]) -> Array:
    smoothed = counts + HALF
    shares: Array = smoothed / smoothed.sum()
    return shares


@dataclass(frozen=True)
class Outcomes:
    """Rows of one outcome whose truth is known."""

    labels: Array
    """0 or 1, [n]."""
    probability: Array
    """Of 1, [n]."""
    subjects: NDArray[np.generic]
    """Patient of each row, [n]."""

    @property
    def cases(self) -> int:
        """Rows with the outcome."""
        return int(self.labels.sum())

    @property
    def ratio(self) -> float:
        """Outcomes that were observed, for each that was expected."""
        return float(self.labels.sum() / self.probability.sum())

    @property
    def excess(self) -> tuple[float, float]:
        """Observed less expected, for each row, and its standard error; rows of a patient belong together."""
        residuals = self.labels - self.probability
        mean, n = float(residuals.mean()), len(residuals)
        _, patient = np.unique(self.subjects, return_inverse=True)
        groups = int(patient.max()) + 1
        if groups < 2:
            return mean, float("nan")
        sums = np.bincount(patient, residuals - mean)
        return mean, float(np.sqrt((sums**2).sum() * groups / (groups - 1)) / n)

    @property
    def area(self) -> tuple[float, float]:
        """AUROC and its standard error (DeLong, clustered). Raises LabelError: one class only."""
        return auroc_error(self.labels, self.probability, self.subjects)


def outcomes_of(labels: ArrayLike, probability: ArrayLike, subjects: ArrayLike) -> Outcomes:
    """Checked: of equal length, 0 or 1, finite, of both classes. Raises LabelError, DataError."""
    y, p = rows(labels, probability, subjects)
    both_classes(y, "monitoring")
    return Outcomes(y, p, np.asarray(subjects))


def p_of_calibration(here: Outcomes, own: Outcomes) -> float:
    """Two-sided, of no change of observed less expected: z of two independent means."""
    from scipy.stats import norm

    (now, error), (before, its_error) = here.excess, own.excess
    return float(2 * norm.sf(abs(now - before) / np.hypot(error, its_error)))


def p_of_discrimination(here: Outcomes, own: Outcomes) -> float:
    """One-sided, of an AUROC that has not fallen: z of two independent areas."""
    from scipy.stats import norm

    (now, error), (before, its_error) = here.area, own.area
    return float(norm.sf((before - now) / np.hypot(error, its_error)))
