"""The paired permutation test: by hand, against DeLong's, and no oftener wrong than it says."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from chartune.errors import DataError
from chartune.metrics import auroc
from chartune.metrics.delong import clustered_delong
from chartune.metrics.permutation import permutation_p

Models = tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def two_models(seed: int, better: float, n: int = 120) -> Models:
    """One label, two scores of different scales, two rows of each patient."""
    dice = np.random.default_rng(seed)
    labels = (dice.random(n) < 0.4)[:, None]
    shared = dice.normal(size=(n, 1))
    ours = labels * (0.8 + better) + shared + dice.normal(size=(n, 1))
    return labels, ours, 40 * (labels * 0.8 + shared + dice.normal(size=(n, 1))), np.arange(n) // 2


def test_p_is_the_share_of_all_exchanges_that_differ_as_much() -> None:
    labels, ours, theirs, _ = two_models(3, 0.7, n=8)
    labels[:4] = True
    labels[4:] = False
    one, other = rankdata(ours[:, 0]), rankdata(theirs[:, 0])

    def difference(swapped: NDArray[np.bool_]) -> float:
        return auroc(labels[:, 0], np.where(swapped, other, one)) - auroc(labels[:, 0], np.where(swapped, one, other))

    every = [abs(difference(np.array(each))) for each in itertools.product([False, True], repeat=8)]
    exact = np.mean([value >= every[0] - 1e-12 for value in every])
    assert permutation_p(labels, ours, theirs, np.arange(8)) == pytest.approx(exact, abs=0.05)


def test_a_model_against_itself_on_another_scale_has_p_1() -> None:
    labels, ours, _, patients = two_models(1, 0.0)
    assert permutation_p(labels, ours, np.exp(ours), patients) == 1.0


@pytest.mark.parametrize("better", [0.0, 0.5])
def test_it_says_what_delongs_test_says(better: float) -> None:
    labels, ours, theirs, patients = two_models(5, better, n=300)
    p = permutation_p(labels, ours, theirs, patients)
    assert p == pytest.approx(clustered_delong(labels[:, 0], [ours[:, 0]], [theirs[:, 0]], patients).p, abs=0.06)
    assert p == permutation_p(labels, ours, theirs, patients)  # the same exchanges again


def test_p_counts_the_measured_difference_among_the_exchanges() -> None:
    labels = np.arange(200)[:, None] < 80
    ours, theirs = labels + np.arange(200)[:, None] / 1000, np.arange(200)[:, None] % 7.0
    assert permutation_p(labels, ours, theirs, np.arange(200), exchanges=199) == 1 / 200


def test_rows_of_a_patient_go_together() -> None:
    """Rows that are copies of each other are no further evidence."""
    labels, ours, theirs, _ = two_models(2, 0.6, n=60)
    alone = permutation_p(labels, ours, theirs, np.arange(60), exchanges=400)
    five, far = np.repeat(np.arange(60), 5), {"exchanges": 400}
    together = permutation_p(labels[five], ours[five], theirs[five], five, **far)
    assert together == pytest.approx(alone, abs=0.05)
    assert permutation_p(labels[five], ours[five], theirs[five], np.arange(300), **far) < alone / 2


@pytest.mark.slow
def test_without_a_difference_one_of_twenty_is_below_a_twentieth() -> None:
    found = [permutation_p(*two_models(seed, 0.0, n=60), exchanges=199) < 0.05 for seed in range(400)]
    assert 0.02 < np.mean(found) < 0.08


def test_of_many_labels_those_with_both_classes_count() -> None:
    labels, ours, theirs, patients = two_models(7, 0.5)
    nobody, noise = np.zeros_like(labels), np.random.default_rng(0).normal(size=labels.shape)
    more = permutation_p(np.hstack([labels, nobody]), np.hstack([ours, noise]), np.hstack([theirs, noise]), patients)
    assert more == permutation_p(labels, ours, theirs, patients)
    assert np.isnan(permutation_p(nobody, ours, theirs, patients))


def test_scores_of_other_rows_are_refused() -> None:
    labels, ours, theirs, patients = two_models(1, 0.0)
    with pytest.raises(DataError, match="one shape"):
        permutation_p(labels, ours[1:], theirs, patients)
    with pytest.raises(DataError, match="finite"):
        permutation_p(labels, np.full_like(ours, np.nan), theirs, patients)
