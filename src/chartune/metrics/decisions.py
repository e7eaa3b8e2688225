"""Decisions: how well rows are flagged for labels, in one number each over all labels.

    borne, flagged [n, L] ─▶ per label in each draw: right, borne, flagged ─▶ F1, recall ─mean over labels─▶ [B]

Macro: the plain mean over labels; weighted: by their cases; micro: all cells together. A label that nobody has and that
nobody is flagged for in a draw has no F1 there, and is left out of the macro mean of that draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chartune.metrics.bootstrap import Statistic

Array = NDArray[np.float64]


@dataclass
class _Counts:
    """Of each label in each draw: rows that are rightly flagged, that have it, and that are flagged; [B, L] each."""

    right: Any
    borne: Any
    flagged: Any
    """Sparse, [L, n]."""
    last: list[tuple[Array, tuple[Array, Array, Array]]] = field(default_factory=list)

    def of(self, weights: Array) -> tuple[Array, Array, Array]:
        """For row weights [B, n]; those of the same weights again are not worked out twice."""
        if not self.last or self.last[0][0] is not weights:
            right, borne, flagged = (np.asarray((m @ weights.T).T) for m in (self.right, self.borne, self.flagged))
            self.last[:] = [(weights, (right, borne, flagged))]
        return self.last[0][1]


def decision_statistics(borne: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> Mapping[str, Statistic]:
    """`f1_macro`, `f1_micro`, `f1_weighted` and `balanced_accuracy` as functions of row weights.

    As scikit-learn's `f1_score` (van Rijsbergen, 1979) and `balanced_accuracy_score`, the mean recall over classes
    (Brodersen et al., 2010), which is meant for one class per row.

    Args:
        borne: which labels each row has, [n, L].
        flagged: which each row is said to have, [n, L].
    """
    from scipy.sparse import csr_array

    right, has, said = (csr_array(each.T.astype(np.float64)) for each in (borne & flagged, borne, flagged))
    counts = _Counts(right, has, said)
    return {
        "f1_macro": lambda w: _mean_of_defined(_f1(*counts.of(w))),
        "f1_micro": lambda w: _f1(*(each.sum(axis=1) for each in counts.of(w))),
        "f1_weighted": lambda w: _weighted(_f1(*counts.of(w)), counts.of(w)[1]),
        "balanced_accuracy": lambda w: _mean_of_defined(_share(counts.of(w)[0], counts.of(w)[1])),
    }


def of_micro_f1(borne: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """The one threshold for all labels with the highest micro F1; of equal ones the highest.

    As Edin et al. (2023, SIGIR) choose it on validation rows. A cell is flagged where its score is at least that; it
    lies halfway between two scores, so that rounding moves no cell across. Of one label this is the highest F1. Where
    nobody has a label it is above all scores.

    Args:
        borne: which labels each row has, [n, L].
        scores: higher means more likely, [n, L].
    """
    cells = np.sort(scores, axis=None)[::-1].astype(np.float64)
    cases = np.sort(scores[borne], axis=None)[::-1].astype(np.float64)
    if not cases.size:
        return float(cells[0]) + 1.0  # the next number above 0 is taken for 0 where processors flush the smallest ones
    right = np.searchsorted(-cases, -cases, "right")  # cases at or above each case's score
    flagged = np.searchsorted(-cells, -cases, "right")
    best = int(np.argmax(2 * right / (flagged + cases.size)))
    below = cells[flagged[best]] if flagged[best] < cells.size else cases[best] - 1.0
    return float((cases[best] + below) / 2)


def recall_at(borne: NDArray[np.bool_], scores: NDArray[np.floating], k: int) -> Statistic:
    """Recall@k: the share of a row's labels among the k that are scored highest for it, the mean of rows with a label.

    Labels that are tied at the k-th place share the places that are left, so that their order decides nothing.

    Args:
        borne: which labels each row has, [n, L].
        scores: higher means more likely, [n, L].
        k: at most L are taken.
    """
    edge = np.partition(scores, max(0, scores.shape[1] - k), axis=1)[:, max(0, scores.shape[1] - k), None]
    above, tied = scores > edge, scores == edge
    share = (min(k, scores.shape[1]) - above.sum(axis=1)) / tied.sum(axis=1)
    labels = borne.sum(axis=1)
    met = (borne & above).sum(axis=1) + share * (borne & tied).sum(axis=1)
    recall = met / np.maximum(labels, 1)
    some = (labels > 0).astype(np.float64)
    return lambda weights: _share(weights @ recall, weights @ some)


def _f1(right: Array, borne: Array, flagged: Array) -> Array:
    return _share(2 * right, borne + flagged)


def _share(part: Array, whole: Array) -> Array:
    """NaN of nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0))


def _mean_of_defined(values: Array) -> Array:
    """Of each draw over the labels that it defines, [B]; NaN: none."""
    defined = np.isfinite(values)
    return _share(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _weighted(values: Array, cases: Array) -> Array:
    return _share((np.where(cases > 0, values, 0) * cases).sum(axis=1), cases.sum(axis=1))
