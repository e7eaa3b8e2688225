"""Many binary labels at once, such as the diagnoses of a stay: a matrix of them, checked."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.auroc import must_be_0_or_1, must_be_finite


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
