"""One class out of several: each against the rest, and the log loss of all."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError, LabelError
from chartune.metrics.auroc import must_be_finite


def against_the_rest(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)) of each class's softmax probability, [n, K], without forming p."""
    rest = [np.logaddexp.reduce(np.delete(logits, k, axis=1), axis=1) for k in range(logits.shape[1])]
    return np.asarray(logits - np.stack(rest, axis=1))


def cross_entropies(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """The negative log-likelihood of each row's class in nats, [n]. labels: [n]; logits: [n, K]."""
    return np.asarray(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels])


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
