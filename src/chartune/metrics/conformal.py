"""Conformal sets: all classes that cannot be ruled out, so that the true one is among them at a promised rate.

    validation: 1 - p of the true class ─quantile─▶ cutoff ─▶ test: every class with 1 - p up to it

Split conformal prediction (Papadopoulos et al., 2002; Sadinle et al., 2019, for this score). By class, each class has a
cutoff of its own and the promise holds within each (Mondrian; Vovk, 2012). The promise is over exchangeable rows:
several rows of one patient, or other patients than on validation, can break it, so that the coverage is measured.
"""

import numpy as np
from numpy.typing import NDArray

from chartune.errors import DataError

Array = NDArray[np.float64]


def cutoffs(labels: NDArray[np.integer], probabilities: Array, miss: float, *, by_class: bool = False) -> Array:
    """Of each class the largest 1 - p with which it is in a set, [K]; infinite where too few rows promise anything.

    Args:
        labels: class numbers of the validation rows, [n].
        probabilities: of the classes, [n, K].
        miss: share of the rows whose class may be missing, above 0 and below 1.
        by_class: whether the promise is made for each class.

    Raises:
        DataError: `miss` is out of range.
    """
    if not 0 < miss < 1:
        raise DataError(f"the share that a conformal set may miss must lie between 0 and 1, but is {miss}.")
    strange = 1 - probabilities[np.arange(len(labels)), labels]
    if not by_class:
        return np.full(probabilities.shape[1], _quantile(strange, miss))
    return np.array([_quantile(strange[labels == k], miss) for k in range(probabilities.shape[1])])


def conformal_sets(probabilities: Array, largest: Array) -> NDArray[np.bool_]:
    """Which classes are in the set of each row, [n, K]; `largest`: of `cutoffs`."""
    return np.asarray(1 - probabilities <= largest)


def _quantile(strange: Array, miss: float) -> float:
    """The ⌈(n + 1)(1 - miss)⌉-th smallest; infinite where there are not so many."""
    rank = int(np.ceil((strange.size + 1) * (1 - miss) - 1e-9))
    return float(np.sort(strange)[rank - 1]) if rank <= strange.size else float("inf")
