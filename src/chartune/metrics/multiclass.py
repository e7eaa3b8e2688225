"""One class out of several: how well each is told from the rest, how often the first guess is right."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError, LabelError
from chartune.metrics.areas import label_draws
from chartune.metrics.bootstrap import resample
from chartune.metrics.classification import mean_statistic
from chartune.quantities import Estimate


def multiclass_scores(
    labels: ArrayLike,
    logits: ArrayLike,
    subject_ids: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[dict[str, Estimate], list[Estimate | None]]:
    """All scores of a multiclass prediction, and the AUROC of each class, on the same draws of patients.

    Args:
        labels: the class of each row, 0 to K-1, [n].
        logits: [n, K].
        subject_ids: the patient of each row, [n].
        resamples: draws of the patient bootstrap.
        seed: of the draws.
        level: nominal coverage of the intervals.

    Returns:
        `auroc`: the plain mean over classes of one-versus-rest AUROC on softmax probabilities, as scikit-learn's
        `roc_auc_score(multi_class="ovr")`; ranked by the log-odds of those probabilities, which do not saturate.
        `accuracy` and `log_loss` (nats). And for each class its one-versus-rest AUROC; None where the rows lack the
        class. Such a class is not counted in the mean; in a draw neither is one that the draw lacks.

    Raises:
        LabelError: fewer than two classes in the rows, or a label that is no class.
        DataError: shapes disagree, or a logit is not finite.
    """
    y, z = _rows(labels, logits, subject_ids)
    one_hot = y[:, None] == np.arange(z.shape[1])
    draws = label_draws(one_hot, against_the_rest(z), subject_ids, resamples=resamples, seed=seed)
    nats = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(y)), y]
    drawn = resample(
        {"accuracy": mean_statistic((z.argmax(axis=1) == y).astype(np.float64)), "log_loss": mean_statistic(nats)},
        subject_ids, resamples=resamples, seed=seed,
    )  # fmt: skip
    scores = {
        "auroc": draws.macro(one_hot.any(axis=0))["auroc"].estimate(level),
        **{name: values.estimate(level) for name, values in drawn.items()},
    }
    return scores, draws.per_label(level)


def against_the_rest(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)) of each class's softmax probability, [n, K], without forming p."""
    rest = [np.logaddexp.reduce(np.delete(logits, k, axis=1), axis=1) for k in range(logits.shape[1])]
    return np.asarray(logits - np.stack(rest, axis=1))


def _rows(labels: ArrayLike, logits: ArrayLike, subject_ids: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    y, z, subjects = np.asarray(labels), np.asarray(logits, dtype=np.float64), np.asarray(subject_ids)
    if z.ndim != 2 or len(z) == 0 or y.shape != (len(z),) or subjects.shape != y.shape:
        raise DataError(
            "labels and subject_ids must be [n] and logits [n, K], not empty, "
            f"but got shapes {y.shape}, {subjects.shape} and {z.shape}."
        )
    wrong = int((~np.isin(y, np.arange(z.shape[1]))).sum())
    if wrong:
        raise LabelError(f"every label must be a class from 0 to {z.shape[1] - 1}, but {wrong} of {y.size} are not.")
    broken = int((~np.isfinite(z)).sum())
    if broken:
        raise DataError(f"every logit must be a finite number, but {broken} of {z.size} are not.")
    if np.unique(y).size < 2:
        raise LabelError(f"a multiclass score needs rows of two classes, but all {y.size} are of one; take more rows.")
    return y.astype(np.intp), z
