"""The paired permutation test: would two models differ as much if who said what were left to chance?

    ranks of A ─┐ each patient's are exchanged with those of B, or not, by a fair coin
    ranks of B ─┘ ─▶ the difference of the two AUROCs, many times ─▶ p: how often it is as far from 0 as measured

Two models without a difference could exchange what they said of a patient, and nobody would notice. Odds of different
models have different scales, so that ranks within all rows are exchanged (Venkatraman & Begg, 1996); all rows of a
patient go together, because they resemble each other.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.metrics.areas import areas

EXCHANGES: Final = 1000
"""Random exchanges."""
LEAST: Final = 199
"""Random exchanges at least: p cannot be below one of so many and one."""
CELLS: Final = 2**30
"""Rows times labels that are ranked again in all exchanges, about; beyond, fewer exchanges are made."""


def permutation_p(
    borne: NDArray[np.bool_], ours: NDArray[np.floating], theirs: NDArray[np.floating], subject_ids: ArrayLike,
    seed: int = 0, exchanges: int = EXCHANGES,
) -> float:  # fmt: skip
    """Two-sided p of no difference of two models in macro AUROC; of one label that is its AUROC.

    Args:
        borne: which labels each row has, [n, L].
        ours: higher means more likely to have the label, [n, L].
        theirs: likewise, of the other model on the same rows.
        subject_ids: the patient of each row, [n].
        seed: of the exchanges.
        exchanges: how many; fewer are made of more than `CELLS`.

    Returns:
        (1 + exchanges that differ as much) / (1 + exchanges); NaN: no label with rows that have it and rows that have
        not.

    Raises:
        DataError: shapes disagree, or a score is not finite.
    """
    subjects = np.asarray(subject_ids)
    if borne.ndim != 2 or ours.shape != borne.shape or theirs.shape != borne.shape or subjects.shape != (len(borne),):
        raise DataError(
            f"a permutation test needs labels and two scores of one shape [n, L] with a patient of each row, but got "
            f"{borne.shape}, {ours.shape}, {theirs.shape} and {subjects.shape}."
        )
    kept = borne.any(axis=0) & ~borne.all(axis=0)
    if not kept.any():
        return float("nan")
    labels, one, other = borne[:, kept], _ranks(ours[:, kept]), _ranks(theirs[:, kept])
    measured, patient = abs(_difference(labels, one, other)), np.unique(subjects, return_inverse=True)[1]
    dice, exchanges = np.random.default_rng(seed), min(exchanges, max(LEAST, CELLS // (2 * labels.size)))
    as_far = 0
    for _ in range(exchanges):
        swapped = (dice.random(int(patient.max()) + 1) < 0.5)[patient][:, None]
        exchanged = _difference(labels, np.where(swapped, other, one), np.where(swapped, one, other))
        as_far += abs(exchanged) >= measured - 1e-12
    return (1 + as_far) / (1 + exchanges)


def _difference(labels: NDArray[np.bool_], one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(areas(labels, one)[0].mean() - areas(labels, other)[0].mean())


def _ranks(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mid-ranks within each column, [n, L]."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(scores, axis=0), dtype=np.float64)
