"""Operating points: what flagging everybody above a threshold would mean, the threshold chosen on other patients.

    validation: labels, scores ──a rule──▶ threshold ──▶ test: who is flagged ──▶ sensitivity, specificity, PPV, NPV

A row is flagged where its score is at least the threshold. Thresholds that were chosen on the rows that they are
judged by promise too much (Leeflang et al., 2008, Clinical Chemistry 54:729).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.auroc import both_classes, rows
from chartune.metrics.bootstrap import Statistic, resample
from chartune.quantities import Estimate

Array = NDArray[np.float64]

RATES: Final = ("flagged", "sensitivity", "specificity", "ppv", "npv")
"""Shares of: all rows that are flagged; those with the outcome that are; those without it that are not; the flagged
that have it; the others that have it not."""


SUMMARIES: Final = ("f1", "balanced_accuracy")
"""What sums up two rates: the harmonic mean of sensitivity and PPV, the mean of sensitivity and specificity."""


@dataclass(frozen=True)
class Confusion:
    """Rows by what was flagged and what happened."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def rows(self) -> int:
        """All."""
        return sum(self.cells)

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """The four counts."""
        return self.true_positives, self.false_positives, self.false_negatives, self.true_negatives

    def denominator(self, rate: str) -> int:
        """What one of `RATES` is a share of."""
        flagged = self.true_positives + self.false_positives
        positive = self.true_positives + self.false_negatives
        return {"flagged": self.rows, "sensitivity": positive, "specificity": self.rows - positive,
                "ppv": flagged, "npv": self.rows - flagged}[rate]  # fmt: skip


def youden(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The threshold of the highest sensitivity + specificity - 1 (Youden, 1950); of equal ones the highest.

    It lies halfway between two probabilities, as those of the other rules, so that rounding moves nobody across.

    Args:
        labels: 0 or 1, [n].
        probabilities: of 1, [n].

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a probability is not finite.
    """
    thresholds, sensitivity, specificity = _steps(labels, probabilities)
    return float(thresholds[np.argmax(sensitivity + specificity)])


def of_sensitivity(labels: ArrayLike, probabilities: ArrayLike, least: float) -> float:
    """The highest threshold of at least this sensitivity; arguments and errors as of `youden`."""
    thresholds, sensitivity, _ = _steps(labels, probabilities)
    return float(thresholds[np.argmax(sensitivity >= least)])


def of_specificity(labels: ArrayLike, probabilities: ArrayLike, least: float) -> float:
    """The lowest threshold of at least this specificity; arguments and errors as of `youden`."""
    thresholds, _, specificity = _steps(labels, probabilities)
    return float(thresholds[np.flatnonzero(specificity >= least)[-1]])


def of_f1(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The threshold of the highest F1, of equal ones the highest (Lipton et al., 2014); as of `youden`."""
    thresholds, sensitivity, specificity = _steps(labels, probabilities)
    positive = np.asarray(labels, dtype=np.float64).mean()
    right, wrong = sensitivity * positive, (1 - specificity) * (1 - positive)
    return float(thresholds[np.argmax(right / (right + wrong + positive))])


def of_alert_rate(probabilities: ArrayLike, most: float) -> float:
    """The lowest threshold that flags at most this share of the rows; above 1 where ties at 1 leave none.

    Args:
        probabilities: [n].
        most: from 0 to 1.
    """
    p = np.sort(np.asarray(probabilities, dtype=np.float64))
    thresholds = _between(p)
    fitting = thresholds[1 - np.searchsorted(p, thresholds) / p.size <= most + 1e-12]
    return float(fitting[-1]) if fitting.size else float(np.nextafter(1.0, 2.0))


def confusion(labels: NDArray[np.int64], flagged: NDArray[np.bool_]) -> Confusion:
    """The four counts of rows. labels: 0 or 1, [n]; flagged: [n]."""
    ill = labels == 1
    pairs = ((ill, flagged), (~ill, flagged), (ill, ~flagged), (~ill, ~flagged))
    return Confusion(*(int((first & second).sum()) for first, second in pairs))


def rates(labels: ArrayLike, flagged: NDArray[np.bool_], subject_ids: ArrayLike) -> Mapping[str, Estimate]:
    """The `RATES` with 95 % intervals of the patient bootstrap; one whose denominator is empty is missing.

    Args:
        labels: 0 or 1, [n].
        flagged: [n].
        subject_ids: the patient of each row, [n].
    """
    ill, marked = np.asarray(labels) == 1, flagged
    shares = {
        "flagged": (marked, np.ones_like(marked)), "sensitivity": (marked & ill, ill),
        "specificity": (~marked & ~ill, ~ill), "ppv": (marked & ill, marked), "npv": (~marked & ~ill, ~marked),
    }  # fmt: skip
    statistics = {name: share_statistic(part, whole) for name, (part, whole) in shares.items() if whole.any()}
    return {name: drawn.estimate() for name, drawn in resample(statistics, subject_ids).items()}


def summaries(labels: ArrayLike, flagged: NDArray[np.bool_], subject_ids: ArrayLike) -> Mapping[str, Estimate]:
    """The `SUMMARIES`, on the same draws as `rates`; arguments as there."""
    ill, marked = np.asarray(labels) == 1, flagged
    right, either = (marked & ill).astype(np.float64), marked.astype(np.float64) + ill
    sensitivity, specificity = share_statistic(marked & ill, ill), share_statistic(~marked & ~ill, ~ill)

    def f1(weights: Array) -> Array:
        with np.errstate(invalid="ignore"):  # nobody drawn is flagged or ill
            return np.asarray(2 * (weights @ right) / (weights @ either))

    drawn = resample(
        {"f1": f1, "balanced_accuracy": lambda w: (sensitivity(w) + specificity(w)) / 2}, subject_ids
    )  # fmt: skip
    return {name: each.estimate() for name, each in drawn.items()}


def share_statistic(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> Statistic:
    """A share of some rows as a function of row weights [B, n]; NaN in a draw that has none of them.

    Args:
        part: the rows that are counted, all of the whole, [n].
        whole: the rows of which they are a share, [n].
    """

    def values(weights: Array) -> Array:
        with np.errstate(invalid="ignore"):  # nobody of the whole was drawn: 0 / 0 is NaN, and left out
            return np.asarray((weights @ part) / (weights @ whole))

    return values


def _steps(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array, Array]:
    """Thresholds from nobody flagged to everybody, with the sensitivity and specificity of each, [G + 1] each."""
    y, p = rows(labels, probabilities)
    both_classes(y, "an operating point")
    thresholds = _between(p)
    cases, controls = (np.sort(p[y == label]) for label in (1, 0))
    sensitivity = 1 - np.searchsorted(cases, thresholds) / cases.size
    return thresholds, sensitivity, np.searchsorted(controls, thresholds) / controls.size


def _between(p: Array) -> Array:
    """Halfway between distinct probabilities, and between these and 1 and 0, from high to low."""
    edges = np.concatenate([[1.0], np.unique(p)[::-1], [0.0]])
    return np.asarray((edges[:-1] + edges[1:]) / 2)
