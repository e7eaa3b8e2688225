"""The patient bootstrap: its spread, its seed, its clusters, its coverage."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from chartune.errors import DataError
from chartune.metrics import Resamples, auroc, auroc_estimate, paired_difference, patient_bootstrap, resample
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.bootstrap import row_weights
from chartune.metrics.classification import mean_statistic


def test_the_interval_of_a_mean_recovers_the_known_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=400)
    estimate = patient_bootstrap(mean_statistic(values), np.arange(400), resamples=4000)
    assert estimate.low is not None
    assert estimate.high is not None
    assert (estimate.high - estimate.low) / (2 * 1.96) == pytest.approx(values.std() / 20, rel=0.06)


def test_the_vectorised_draws_equal_auroc_on_repeated_rows() -> None:
    rng = np.random.default_rng(5)
    subjects = rng.integers(0, 30, 60)
    labels, scores = rng.integers(0, 2, 60).astype(float), np.round(rng.normal(size=60), 1)
    (weights,) = row_weights(subjects, 20, seed=9)
    for draw, value in zip(weights, auroc_statistic(labels, scores)(weights), strict=True):
        times = draw.astype(int)
        assert value == pytest.approx(auroc(np.repeat(labels, times), np.repeat(scores, times)))


def test_a_draw_takes_whole_patients_and_as_many_as_there_are() -> None:
    subjects = np.array([7, 7, 7, 8, 9])
    for weights in row_weights(subjects, 50, seed=1):
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 0] == weights[:, 2]).all()
        assert (weights[:, [0, 3, 4]].sum(axis=1) == 3).all()


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    rng = np.random.default_rng(2)
    labels, scores, subjects = rng.integers(0, 2, 90), rng.normal(size=90), np.arange(90)
    first = auroc_estimate(labels, scores, subjects, seed=4)
    assert first == auroc_estimate(labels, scores, subjects, seed=4)
    assert first.low != auroc_estimate(labels, scores, subjects, seed=5).low


def test_the_interval_of_patients_is_wider_than_that_of_rows_when_a_patients_rows_resemble_each_other() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat(rng.integers(0, 2, 60), 8)
    scores = np.repeat(rng.normal(size=60), 8) + labels * 0.8 + rng.normal(size=480) * 0.05
    by_patient = auroc_estimate(labels, scores, np.repeat(np.arange(60), 8))
    by_row = auroc_estimate(labels, scores, np.arange(480))
    assert _width(by_patient.low, by_patient.high) > 2 * _width(by_row.low, by_row.high)


def test_about_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    truth, held = 0.7602, 0  # P(N(1, 1) > N(0, 1)) = Φ(1 / √2)
    for trial in range(200):
        rng = np.random.default_rng(trial)
        labels = np.repeat([0, 1], 75)
        estimate = auroc_estimate(labels, rng.normal(size=150) + labels, np.arange(150), resamples=200, seed=trial)
        held += (estimate.low or 1) <= truth <= (estimate.high or 0)
    assert 178 <= held <= 199  # 190 expected; a percentile interval runs a little narrow


def test_draws_of_one_class_only_are_counted_and_left_out() -> None:
    labels, scores = np.array([1.0, 0, 0, 0]), np.array([3.0, 1, 2, 4])
    drawn = resample({"auroc": auroc_statistic(labels, scores)}, np.arange(4), resamples=1000)["auroc"]
    expected = 1000 * (0.75**4 + 0.25**4)  # the one positive never drawn, or nothing else drawn
    assert np.isnan(drawn.samples).sum() == pytest.approx(expected, rel=0.2)
    assert drawn.samples.size == 1000


def test_no_interval_is_claimed_where_most_draws_are_undefined() -> None:
    estimate = auroc_estimate([1, 0], [2.0, 1.0], [1, 2], resamples=300)
    kept = auroc_estimate([1, 0, 0, 0], [2.0, 1.0, 0, 0], [1, 2, 3, 4], resamples=300)
    one_patient = auroc_estimate([1, 0], [2.0, 1.0], [1, 1], resamples=300)
    assert (one_patient.low, one_patient.high, one_patient.value) == (None, None, 1.0)
    assert kept.low is not None
    assert estimate.value == 1.0


def drawn(labels: ArrayLike, scores: ArrayLike, resamples: int = 1000) -> Resamples:
    """The AUROC on draws of patients of one row each."""
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    return resample({"auroc": auroc_statistic(y, s)}, np.arange(len(y)), resamples=resamples)["auroc"]


def test_a_paired_difference_is_surer_than_two_separate_intervals() -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, 300)
    ours = rng.normal(size=300) + labels
    theirs = ours + rng.normal(size=300) * 0.3
    difference = paired_difference([drawn(labels, ours)], [drawn(labels, theirs)]).estimate()
    alone = auroc_estimate(labels, ours, np.arange(300))
    assert difference.value == pytest.approx(auroc(labels, ours) - auroc(labels, theirs))
    assert difference.n == 300
    assert _width(difference.low, difference.high) < 0.6 * _width(alone.low, alone.high)


def test_a_model_differs_from_itself_by_nothing() -> None:
    labels, scores = [0, 1, 0, 1, 1, 0], [0.1, 0.9, 0.3, 0.2, 0.7, 0.4]
    difference = paired_difference([drawn(labels, scores)], [drawn(labels, scores)]).estimate()
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_a_difference_of_several_seeds_is_that_of_their_means_draw_by_draw() -> None:
    labels, rng = np.tile([0, 1], 20), np.random.default_rng(0)
    seeds, reference = [drawn(labels, rng.normal(size=40), 100) for _ in range(3)], drawn(labels, labels, 100)
    difference = paired_difference(seeds, [reference])
    assert difference.value == pytest.approx(np.mean([one.value for one in seeds]) - reference.value)
    assert difference.samples == pytest.approx(np.mean([s.samples for s in seeds], axis=0) - reference.samples)


def test_a_draw_that_either_model_leaves_undefined_is_no_difference_and_one_patient_has_no_interval() -> None:
    labels, other = [1, 0, 0, 0], [1, 1, 0, 0]
    one, two = (drawn(truth, [3.0, 1, 2, 4], 200) for truth in (labels, other))
    difference = paired_difference([one], [two])
    assert (np.isnan(difference.samples) == (np.isnan(one.samples) | np.isnan(two.samples))).all()
    alone = resample({"auroc": auroc_statistic(np.array([1.0, 0]), np.array([2.0, 1]))}, [1, 1])["auroc"]
    assert (alone.estimate().low, paired_difference([alone], [alone]).estimate().low) == (None, None)


def test_runs_on_other_rows_or_draws_are_not_compared() -> None:
    whole = drawn([0, 1, 0], [1, 2, 3])
    fewer_rows, fewer_draws = drawn([0, 1], [1, 2]), drawn([0, 1, 0], [1, 2, 3], 7)
    for theirs in ([fewer_rows], [fewer_draws], [whole, fewer_draws], []):
        with pytest.raises(DataError, match="same rows and draws"):
            paired_difference([whole], theirs)


def test_no_rows_and_no_draws_are_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        patient_bootstrap(mean_statistic(np.array([])), [])
    with pytest.raises(DataError, match="resamples=0"):
        patient_bootstrap(mean_statistic(np.ones(2)), [1, 2], resamples=0)


def test_chunking_bounds_memory_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    labels, scores, subjects = rng.integers(0, 2, 50), rng.normal(size=50), rng.integers(0, 25, 50)
    whole = auroc_estimate(labels, scores, subjects, resamples=64)
    monkeypatch.setattr("chartune.metrics.bootstrap.CHUNK", 200)
    assert auroc_estimate(labels, scores, subjects, resamples=64) == whole


def _width(low: float | None, high: float | None) -> float:
    assert low is not None
    assert high is not None
    return high - low


def test_rows_of_two_tasks_are_drawn_with_the_same_patients() -> None:
    patients = np.arange(40)
    first, second = np.repeat(patients[:30], 2), patients[10:]
    ours = np.concatenate(list(row_weights(first, 50, 3, patients)))
    theirs = np.concatenate(list(row_weights(second, 50, 3, patients)))
    assert np.array_equal(ours[:, 20::2], theirs[:, :20])  # patients 10 to 29 have rows of both
    assert np.concatenate(list(row_weights(patients, 50, 3, patients))).sum(axis=1).tolist() == [40.0] * 50


def test_patients_that_are_those_of_the_rows_change_no_draw() -> None:
    subjects = np.array([7, 7, 3, 9])
    plain, named = (np.concatenate(list(row_weights(subjects, 20, 1, who))) for who in ((), [9, 3, 7, 3]))
    assert np.array_equal(plain, named)


def test_a_row_of_nobody_who_is_drawn_is_refused() -> None:
    with pytest.raises(DataError, match="one of the patients that are drawn from"):
        next(row_weights(np.array([1, 2, 5]), 3, 0, [1, 2, 3]))
