"""Pairs: of one cell with a label and one without, which was scored higher, on many draws at once.

A cell is a row asked about a label. The G distinct scores of cells with it cut those of the others into gaps; the rows
of a gap times the weights of all rows in all draws is one product of a sparse matrix:

    with the label          g0       g1     g2          gaps [G, n] @ weights [n, B], added up: others below a case
    without it         u  v     w  x     y      z       cases [G, n] @ weights [n, B]
                      gap 0    gap 1   gap 2  won by none           Σ_g of both products: pairs won in each draw, [B]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HELD: Final = 2**20
"""Gaps times draws that are added up at once: 8 MiB of float64."""
EXACT: Final = 2**24
"""Whole numbers up to this one are exact in float32."""


@dataclass(frozen=True)
class Pairs:
    """Cells of n rows, C each: those with the label at G distinct scores, and what of the others lies below."""

    cases: "csr_array"
    """How many cells with the label a row has at each of these scores, [G, n]."""
    gaps: "csr_array"
    """Twice how many cells without it a row has between a score and the one before, [G, n]; one of an equal score
    counts once there and once in the next gap, so that a tie is half a pair won."""
    columns: int
    """C."""

    @classmethod
    def of(cls, labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> Self:
        """Of labels and scores, [n, C]; higher means more likely."""
        from scipy.sparse import csr_array  # a list of runs, which scores nothing, need not wait for it

        rows, values = np.nonzero(labels)[0], scores[labels]
        levels, at = np.unique(values, return_inverse=True)
        shape = (len(levels), len(labels))
        cases = csr_array((np.ones(len(rows), dtype=np.int32), (at.astype(np.int32), rows.astype(np.int32))), shape)
        parts = [np.concatenate(part) for part in zip(*_gaps(labels, scores, levels), strict=True)]
        return cls(cases, csr_array((parts[0], (parts[1], parts[2])), shape), labels.shape[1])

    def auroc(self, weights: NDArray[np.floating], drawn: NDArray[np.floating]) -> NDArray[np.float64]:
        """Pairs won of all pairs, a tie as half a one; NaN in a draw that lacks cells of either kind.

        Args:
            weights: whole numbers, how often each draw has each row, [n, B].
            drawn: rows of each draw, [B].

        Returns:
            [B].
        """
        most = 2 * self.columns * drawn.max()
        won, cases = self._won(np.ascontiguousarray(weights, dtype=np.float32 if most < EXACT else np.float64))
        others = self.columns * drawn - cases
        with np.errstate(invalid="ignore"):  # 0 / 0 where a draw holds one kind only
            return np.asarray(won / (2 * cases * others))

    def _won(self, weights: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Twice the pairs won, and cells with the label, [B] each."""
        below = np.zeros(weights.shape[1], dtype=weights.dtype)
        won, cases = np.zeros((2, weights.shape[1]))
        at_once = max(1, HELD // max(1, weights.shape[1]))
        for start in range(0, self.gaps.shape[0], at_once):
            # [G, B] each; what is added up is exact, and so is its product in float64.
            drawn = _times(self.cases[start : start + at_once], weights)
            beaten = _times(self.gaps[start : start + at_once], weights)
            beaten[0] += below
            np.cumsum(beaten, axis=0, out=beaten)
            won += np.einsum("gb,gb->b", drawn, beaten, dtype=np.float64)
            cases += drawn.sum(axis=0, dtype=np.float64)
            below = beaten[-1].copy()
        return won, cases


def _times(matrix: Any, weights: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(matrix.astype(weights.dtype) @ weights)


def _gaps(
    labels: NDArray[np.bool_], scores: NDArray[np.floating], levels: NDArray[np.floating]
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]]]:
    """Entries of `Pairs.gaps`, some rows at a time: values, gaps and rows. Those above all of `levels` win no pair."""
    at_once = max(1, HELD // labels.shape[1])
    for start in range(0, len(labels), at_once):
        without = ~labels[start : start + at_once]
        values, rows = scores[start : start + at_once][without], start + np.nonzero(without)[0]
        gap = np.searchsorted(levels, values)
        below = gap < len(levels)
        values, rows, gap = values[below], rows[below].astype(np.int32), gap[below]
        tied = levels[gap] == values
        yield np.where(tied, 1, 2).astype(np.int32), gap.astype(np.int32), rows
        also = tied & (gap + 1 < len(levels))
        yield np.ones(int(also.sum()), dtype=np.int32), (gap[also] + 1).astype(np.int32), rows[also]
