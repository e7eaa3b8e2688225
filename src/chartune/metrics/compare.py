"""Two models on the same patients: the difference of a score, with both drawn together."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.auroc import auroc_statistic, both_classes, rows
from chartune.metrics.bootstrap import Statistic, patient_bootstrap
from chartune.quantities import Estimate


def paired_difference(
    labels: ArrayLike,
    scores: ArrayLike,
    reference: ArrayLike,
    subject_ids: ArrayLike,
    *,
    statistic: Callable[[NDArray[np.float64], NDArray[np.float64]], Statistic] = auroc_statistic,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """How much better `scores` are than `reference` on the same rows; every draw of patients serves both.

    The interval is narrower than two separate ones suggest, because a hard patient is hard for both models.

    Args:
        labels: 0 or 1, [n].
        scores: of the model in question, [n].
        reference: scores of the model it is compared with, [n].
        subject_ids: the patient of each row, [n].
        statistic: `auroc_statistic` or `auprc_statistic`.
        resamples: draws of the patient bootstrap.
        seed: of the draws.
        level: nominal coverage.

    Raises:
        LabelError: one class only, or a label that is neither 0 nor 1.
        DataError: lengths disagree, or a score is not finite.
    """
    y, ours = rows(labels, scores, subject_ids)
    _, theirs = rows(labels, reference, subject_ids)
    both_classes(y, "a difference of AUROC or AUPRC")
    of_ours, of_theirs = statistic(y, ours), statistic(y, theirs)
    return patient_bootstrap(
        lambda weights: of_ours(weights) - of_theirs(weights),
        subject_ids,
        resamples=resamples,
        seed=seed,
        level=level,
    )
