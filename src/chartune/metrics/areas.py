"""AUROC and AUPRC of many labels on the same draws of patients: one sort per label, one pass over its rows.

draws [B, n] ─▶ label 0 ─▶ AUROC [B], AUPRC [B]        memory is bounded by a chunk of draws, whatever the number
             ─▶ label 1 ─▶ ...                         of labels; the draws are those of `resample`
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.auroc import auroc
from chartune.metrics.bootstrap import Resamples, resamples_of, row_weights
from chartune.quantities import Estimate

Areas = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Row weights [n, B] → AUROC [B] and AUPRC [B]; both NaN in a draw without both classes."""

BLOCK: Final = 64
"""Resamples that are computed together."""


@dataclass(frozen=True)
class LabelDraws:
    """The areas of each label on the rows as they are and on each draw; NaN where a draw leaves one undefined."""

    auroc: NDArray[np.float64]
    """On the rows as they are, [L]; NaN: not both classes."""
    auprc: NDArray[np.float64]
    """On the rows as they are, [L]."""
    auroc_draws: NDArray[np.float64]
    """[resamples, L]."""
    auprc_draws: NDArray[np.float64]
    """[resamples, L]."""
    rows: int
    """n."""
    alone: bool
    """Whether all rows are of one patient, so that resampling shows nothing."""

    def per_label(self, level: float) -> list[Estimate | None]:
        """AUROC of each label with its interval; None where the rows hold one class only."""
        return [
            resamples_of(float(value), self.auroc_draws[:, i], self.rows, self.alone).estimate(level)
            if np.isfinite(value) else None
            for i, value in enumerate(self.auroc)
        ]  # fmt: skip

    def macro(self, which: NDArray[np.bool_]) -> dict[str, Resamples]:
        """Means over the labels `which`, [L]: `auroc` and `auprc`; a draw's mean is over the labels defined in it."""
        return {
            "auroc": self._mean(self.auroc, self.auroc_draws, which),
            "auprc": self._mean(self.auprc, self.auprc_draws, which),
        }

    def _mean(self, values: NDArray[np.float64], draws: NDArray[np.float64], which: NDArray[np.bool_]) -> Resamples:
        picked = draws[:, which]
        defined = np.isfinite(picked)
        with np.errstate(invalid="ignore"):  # a draw that defines no label is NaN, and left out
            means = np.where(defined, picked, 0).sum(axis=1) / defined.sum(axis=1)
        return resamples_of(float(values[which].mean()), means, self.rows, self.alone)


def label_draws(
    labels: NDArray[np.bool_], scores: NDArray[np.floating], subject_ids: ArrayLike, *, resamples: int, seed: int
) -> LabelDraws:
    """The areas of all labels on the same draws.

    Args:
        labels: [n, L].
        scores: higher means more likely, [n, L].
        subject_ids: the patient of each row, [n].
        resamples: draws of as many patients as there are.
        seed: of the draws.

    Raises:
        DataError: `resamples` is below 1.
    """
    if resamples < 1:
        raise DataError(f"a bootstrap needs at least one draw, but got resamples={resamples}.")
    subjects, count = np.asarray(subject_ids), labels.shape[1]
    value = np.full((2, 1, count), np.nan)
    _fill(value, labels, scores, np.ones((1, len(labels))))
    drawn = np.full((2, resamples, count), np.nan)
    start = 0
    for weights in row_weights(subjects, resamples, seed):
        _fill(drawn[:, start : start + len(weights)], labels, scores, weights)
        start += len(weights)
    alone = np.unique(subjects).size < 2
    return LabelDraws(value[0, 0], value[1, 0], drawn[0], drawn[1], len(labels), alone)


def macro_auroc(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Plain mean over the labels that have both classes; NaN: none has. labels, scores: [n, L]."""
    both = np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0))
    return float(np.mean([auroc(labels[:, i], scores[:, i]) for i in both])) if len(both) else float("nan")


def _fill(
    into: NDArray[np.float64], labels: NDArray[np.bool_], scores: NDArray[np.floating], weights: NDArray[np.float64]
) -> None:
    """Write the areas of each label that has both classes into `into`, [2, B, L]."""
    # [n, BLOCK] each: sorting rows then moves whole lines of memory, and a block stays in the processor's cache.
    blocks = [
        (start, np.ascontiguousarray(weights[start : start + BLOCK].T)) for start in range(0, len(weights), BLOCK)
    ]
    for i in range(labels.shape[1]):
        if labels[:, i].any() and not labels[:, i].all():
            areas = _areas(labels[:, i], scores[:, i])
            for start, by_row in blocks:
                here = slice(start, start + by_row.shape[1])
                into[0, here, i], into[1, here, i] = areas(by_row)


def _areas(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> Areas:
    """AUROC and AUPRC as a function of row weights, read off at the distinct scores of positives only.

    With P_g the weight of positives at the g-th such score, A the weight of all rows and N that of negatives:
    AUROC = Σ_g P_g · (N(score < g) + N(score = g) / 2) / (P · N);  AUPRC = Σ_g P_g / P · P(score ≥ g) / A(score ≥ g).
    """
    order = np.argsort(scores, kind="stable")
    positives = order[labels[order]]
    values: NDArray[np.floating]
    values, starts = np.unique(scores[positives], return_index=True)  # [G]
    low, high = np.searchsorted(scores[order], values, "left"), np.searchsorted(scores[order], values, "right")  # [G]

    def values_of(by_row: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        ties = np.add.reduceat(by_row[positives], starts, axis=0)  # P_g, [G, B]
        positives_below = np.cumsum(ties, axis=0) - ties
        below, upto, total = _weight_below(by_row[order], low, high)  # A(score < g), A(score ≤ g) [G, B]; A [B]
        positive = ties.sum(axis=0)
        negative = total - positive
        negatives_twice = below + upto - 2 * positives_below - ties  # 2·N(score < g) + N(score = g)
        with np.errstate(invalid="ignore"):  # 0 / 0 in a draw of one class is NaN, and left out
            auroc = (ties * negatives_twice).sum(axis=0) / (2 * positive * negative)
            precision = (positive - positives_below) / np.maximum(total - below, np.finfo(np.float64).tiny)
            auprc = (ties * precision).sum(axis=0) / positive
        return auroc, np.where(negative > 0, auprc, np.nan)

    return values_of


def _weight_below(
    sorted_rows: NDArray[np.float64], low: NDArray[np.int64], high: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The weight of the rows before each of two places, [G, B], and of all, [B].

    Args:
        sorted_rows: weights by score, [n, B]; summed up in place.
        low: rows with a lower score than the g-th, [G].
        high: rows with no higher score, [G]; at least 1.
    """
    np.cumsum(sorted_rows, axis=0, out=sorted_rows)
    nothing = np.asarray(low == 0)[:, None]
    return np.where(nothing, 0, sorted_rows[low - 1]), sorted_rows[high - 1], sorted_rows[-1]
