"""AUROC and AUPRC of many labels: on the rows as they are, and AUROC on the same draws of patients.

draws [n, B] ─▶ label 0 ─▶ AUROC [B]        memory is bounded by a block of draws, whatever the number of
             ─▶ label 1 ─▶ ...              labels; the draws are those of `resample`
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.auroc import must_be_finite
from chartune.metrics.bootstrap import Resamples, resamples_of, row_weights
from chartune.metrics.pairs import Pairs
from chartune.quantities import Estimate

CHUNKS: Final = 16
"""Chunks of row weights that are held together, so that a label's rows are seldom sorted again: 256 MiB of float32."""
COLUMNS: Final = 32
"""Labels that are copied together: a column by itself would cost a line of memory for each of its cells."""


@dataclass(frozen=True)
class LabelDraws:
    """The AUROC of each label on the rows as they are and on each draw; NaN where a draw leaves one undefined."""

    values: NDArray[np.float64]
    """On the rows as they are, [L]; NaN: not both classes."""
    draws: NDArray[np.float64]
    """[resamples, L]."""
    cases: NDArray[np.float64]
    """How many of the rows have each label, [L]."""
    drawn_cases: NDArray[np.float32]
    """The same in each draw, [resamples, L]."""
    rows: int
    """n."""
    alone: bool
    """Whether all rows are of one patient, so that resampling shows nothing."""

    def per_label(self, level: float) -> list[Estimate | None]:
        """Of each label with its interval; None where the rows hold one class only."""
        return [
            resamples_of(float(value), self.draws[:, i], self.rows, self.alone).estimate(level)
            if np.isfinite(value) else None
            for i, value in enumerate(self.values)
        ]  # fmt: skip

    def macro(self, which: NDArray[np.bool_]) -> Resamples:
        """The mean over the labels `which`, [L]; a draw's mean is over those that it defines."""
        picked = self.draws[:, which]
        defined = np.isfinite(picked)
        with np.errstate(invalid="ignore"):  # a draw that defines no label is NaN, and left out
            means = np.where(defined, picked, 0).sum(axis=1) / defined.sum(axis=1)
        return resamples_of(float(self.values[which].mean()), means, self.rows, self.alone)

    def macro_of_all(self, which: NDArray[np.bool_]) -> Resamples:
        """The mean over the labels `which`, [L], in every draw the same; one that lacks any of them is undefined."""
        value = float(self.values[which].mean()) if which.any() else np.nan
        means = self.draws[:, which].mean(axis=1) if which.any() else np.full(len(self.draws), np.nan)
        return resamples_of(value, means, self.rows, self.alone)

    def weighted(self, which: NDArray[np.bool_]) -> Resamples:
        """The mean over the labels `which`, [L], by their cases; in a draw by its own, over those that it defines."""
        picked, cases = self.draws[:, which], self.drawn_cases[:, which]
        defined = np.isfinite(picked)
        with np.errstate(invalid="ignore"):
            means = (np.where(defined, picked, 0) * cases).sum(axis=1) / (defined * cases).sum(axis=1, dtype=np.float64)
        value = float(np.average(self.values[which], weights=self.cases[which]))
        return resamples_of(value, means, self.rows, self.alone)


def label_draws(
    labels: NDArray[np.bool_], scores: NDArray[np.floating], subject_ids: ArrayLike, *, resamples: int, seed: int,
    patients: ArrayLike = (),
) -> LabelDraws:  # fmt: skip
    """The AUROC of all labels on the same draws.

    Args:
        labels: [n, L].
        scores: higher means more likely, [n, L].
        subject_ids: the patient of each row, [n].
        resamples: draws of as many patients as there are.
        seed: of the draws.
        patients: as for `row_weights`.

    Raises:
        DataError: `resamples` is below 1, or a score is not finite.
    """
    from scipy.sparse import csr_array

    if resamples < 1:
        raise DataError(f"a bootstrap needs at least one draw, but got resamples={resamples}.")
    subjects, values = np.asarray(subject_ids), areas(labels, scores)[0]
    drawn, start = np.full((resamples, labels.shape[1]), np.nan), 0
    borne, cases = csr_array(labels.T.astype(np.float32)), np.zeros(drawn.shape, dtype=np.float32)
    for weights in _blocks(row_weights(subjects, resamples, seed, patients)):
        rows = weights.sum(axis=0, dtype=np.float64)
        cases[start : start + len(rows)] = (borne @ weights).T
        for i in np.flatnonzero(np.isfinite(values)):
            pairs = Pairs.of(labels[:, i : i + 1], scores[:, i : i + 1])
            drawn[start : start + len(rows), i] = pairs.auroc(weights, rows)
        start += len(rows)
    alone = np.unique(subjects).size < 2
    return LabelDraws(values, drawn, labels.sum(axis=0, dtype=np.float64), cases, len(labels), alone)


def areas(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUROC and AUPRC (average precision) of each label on the rows as they are, exact under ties.

    Args:
        labels: [n, L].
        scores: higher means more likely, [n, L].

    Returns:
        [L] each; NaN: not both classes.

    Raises:
        DataError: a score is not finite.
    """
    must_be_finite(scores)
    auroc, auprc = np.full((2, labels.shape[1]), np.nan)
    for start in range(0, labels.shape[1], COLUMNS):
        some = slice(start, start + COLUMNS)
        columns = zip(labels[:, some].T.copy(), scores[:, some].T.copy(), strict=True)
        for i, (label, ranked) in enumerate(columns, start):
            if label.any() and not label.all():
                cases = np.sort(ranked[label])
                ranked.sort()
                auroc[i], auprc[i] = _areas(cases, ranked)
    return auroc, auprc


def _areas(cases: NDArray[np.floating], every: NDArray[np.floating]) -> tuple[float, float]:
    """AUROC from mid-ranks, and the mean precision at the cases. Sorted scores of rows with the label, and of all."""
    low, high = np.searchsorted(every, cases, "left"), np.searchsorted(every, cases, "right")
    won_twice = int(low.sum()) + int(high.sum()) - len(cases) ** 2  # the pairs of cases among themselves are no pairs
    flagged = len(cases) - np.searchsorted(cases, cases, "left")
    return won_twice / (2 * len(cases) * (len(every) - len(cases))), float(np.mean(flagged / (len(every) - low)))


def _blocks(drawn: Iterator[NDArray[np.float64]]) -> Iterator[NDArray[np.float32]]:
    """Row weights [n, B] of all draws, from those of `row_weights`; a row's weights lie together."""
    chunks = (weights.T.astype(np.float32) for weights in drawn)
    while some := list(islice(chunks, CHUNKS)):
        yield np.concatenate(some, axis=1)
