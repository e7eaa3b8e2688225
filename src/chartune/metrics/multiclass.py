"""One class out of several: each against the rest, each against each other one, and the log loss of all."""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError, LabelError
from chartune.metrics.auroc import must_be_finite
from chartune.metrics.bootstrap import Statistic
from chartune.metrics.pairs import Pairs


def against_the_rest(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)) of each class's softmax probability, [n, K], without forming p."""
    rest = [np.logaddexp.reduce(np.delete(logits, k, axis=1), axis=1) for k in range(logits.shape[1])]
    return np.asarray(logits - np.stack(rest, axis=1))


def cross_entropies(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """The negative log-likelihood of each row's class in nats, [n]. labels: [n]; logits: [n, K]."""
    return np.asarray(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels])


def one_vs_one(borne: NDArray[np.bool_], ranked: NDArray[np.floating]) -> Statistic:
    """The mean over pairs of classes of how well each is told from the other, as a function of row weights [B, n].

    Of classes j and k the rows of both are ranked by j and by k, and the two AUROCs averaged (M of Hand & Till, 2001;
    scikit-learn's `multi_class="ovo"`). Over the pairs of which a draw has both; NaN where it has no pair.

    Args:
        borne: the class of each row, [n, K].
        ranked: higher means more likely to be of a class, [n, K].
    """
    known = [k for k in range(borne.shape[1]) if borne[:, k].any()]
    both = [(np.flatnonzero(borne[:, j] | borne[:, k]), (j, k)) for j, k in combinations(known, 2)]
    pairs = [(rows, [Pairs.of(borne[rows, k, None], ranked[rows, k, None]) for k in pair]) for rows, pair in both]

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        total, defined = np.zeros((2, len(weights)))
        for rows, each in pairs:
            drawn = np.ascontiguousarray(weights[:, rows].T)
            area = np.mean([one.auroc(drawn, drawn.sum(axis=0)) for one in each], axis=0)
            total += np.nan_to_num(area)
            defined += np.isfinite(area)
        with np.errstate(invalid="ignore"):  # a draw of one class has no pair
            return np.asarray(total / defined)

    return values


def matching(
    labels: ArrayLike, logits: ArrayLike, subject_ids: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Class numbers [n] and logits [n, K], checked for equal shapes.

    Raises:
        LabelError: fewer than two classes in the rows, or a label that is no class.
        DataError: shapes disagree, or a logit is not finite.
    """
    y, z, subjects = np.asarray(labels), np.asarray(logits, dtype=np.float64), np.asarray(subject_ids)
    if z.ndim != 2 or len(z) == 0 or y.shape != (len(z),) or subjects.shape != y.shape:
        raise DataError(
            "labels and subject_ids must be [n] and logits [n, K], not empty, "
            f"but got shapes {y.shape}, {subjects.shape} and {z.shape}."
        )
    wrong = int((~np.isin(y, np.arange(z.shape[1]))).sum())
    if wrong:
        raise LabelError(f"every label must be a class from 0 to {z.shape[1] - 1}, but {wrong} of {y.size} are not.")
    must_be_finite(z)
    if np.unique(y).size < 2:
        raise LabelError(f"a multiclass score needs rows of two classes, but all {y.size} are of one; take more rows.")
    return y.astype(np.intp), z
