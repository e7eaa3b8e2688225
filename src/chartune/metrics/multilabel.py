"""Many binary labels at once, such as the diagnoses of a stay, in one ranking."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.auroc import must_be_0_or_1, must_be_finite
from chartune.metrics.bootstrap import Statistic

STRETCH: Final = 2**20
"""Cells of the label matrix that the micro average holds at once."""


def micro_statistic(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> Statistic:
    """AUROC over all cells [n · L] in one ranking, as a function of row weights [B, n].

    The cells without the label are sorted once; a draw's running sum over them is read off where a cell with the
    label falls, so that no array of draws times cells is ever held.
    """
    rows_without = np.nonzero(~labels)[0].astype(np.int32)
    without = scores[~labels]
    order = np.argsort(without, kind="stable")
    without, rows_without = without[order], rows_without[order]
    rows_with = np.nonzero(labels)[0]
    ends = [np.searchsorted(without, scores[labels], side) for side in ("left", "right")]
    wanted, back = np.unique(np.concatenate(ends), return_inverse=True)
    low, high = back.reshape(2, -1)
    cells_with, cells_without = labels.sum(axis=1), (~labels).sum(axis=1)

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        pairs = (weights @ cells_with) * (weights @ cells_without)
        won = np.empty(len(weights))
        for i, draw in enumerate(weights):
            sums = _running_sums(draw, rows_without, wanted)
            won[i] = draw[rows_with] @ (sums[low] + sums[high]) / 2
        with np.errstate(invalid="ignore"):  # no cell of one kind drawn: NaN, and left out
            return np.asarray(won / pairs)

    return values


def _running_sums(draw: NDArray[np.float64], rows: NDArray[np.int32], wanted: NDArray[np.intp]) -> NDArray[np.float64]:
    """Σ over the first k of `rows` of their weight, for each k in `wanted` (sorted upwards)."""
    sums, before = np.zeros(len(wanted)), 0.0
    for start in range(0, len(rows), STRETCH):
        running = np.cumsum(draw[rows[start : start + STRETCH]])
        a, b = np.searchsorted(wanted, [start + 1, start + len(running) + 1])
        sums[a:b] = before + running[wanted[a:b] - start - 1]
        before += running[-1]
    return sums


def matrices(
    labels: ArrayLike, logits: ArrayLike, subject_ids: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """Labels as booleans and logits as floats, [n, L] each, checked for equal shapes.

    Raises:
        LabelError: a label is neither 0 nor 1.
        DataError: there are no rows or labels, shapes disagree, or a logit is not finite.
    """
    y, z, subjects = np.asarray(labels), np.asarray(logits), np.asarray(subject_ids)
    if y.ndim != 2 or y.size == 0 or z.shape != y.shape or subjects.shape != (len(y),):
        raise DataError(
            "labels and logits must be [n, L], not empty and alike, with one subject_id per row, "
            f"but got shapes {y.shape}, {z.shape} and {subjects.shape}."
        )
    must_be_0_or_1(y)
    must_be_finite(z)
    return y.astype(np.bool_), z
