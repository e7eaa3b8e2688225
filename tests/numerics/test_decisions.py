"""F1, balanced accuracy, recall@k, one against one, net benefit, ECE: against scikit-learn and by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score, roc_auc_score

from chartune.errors import DataError
from chartune.metrics.areas import areas, label_draws
from chartune.metrics.benefit import benefit_of_all, net_benefit
from chartune.metrics.bootstrap import resample, row_weights
from chartune.metrics.calibration import calibration_curve, expected_calibration_error
from chartune.metrics.decisions import decision_statistics, of_micro_f1, recall_at
from chartune.metrics.multiclass import one_vs_one
from chartune.metrics.operating import of_f1

Matrix = NDArray[np.float64]
AVERAGES = {"f1_macro": "macro", "f1_micro": "micro", "f1_weighted": "weighted"}


def cells(seed: int, n: int = 60, labels: int = 5) -> tuple[NDArray[np.bool_], Matrix, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    borne = rng.random((n, labels)) < np.linspace(0.2, 0.5, labels)
    scores = np.round(rng.normal(size=borne.shape) + np.where(borne, 1.2, 0.0), 1)
    return borne, scores, rng.integers(0, n // 2, n)


def classes(seed: int, n: int = 80, count: int = 4) -> tuple[NDArray[np.int64], NDArray[np.bool_], Matrix]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, count, n)
    borne = np.equal.outer(labels, np.arange(count))
    return labels, borne, np.round(rng.normal(size=borne.shape) + borne, 1)


def test_every_f1_equals_scikit_learn_on_the_rows_and_on_every_draw() -> None:
    borne, scores, subjects = cells(0)
    measured = decision_statistics(borne, scores > 0)
    weights = np.concatenate([np.ones((1, 60)), next(row_weights(subjects, 8, 1))])
    for name, average in AVERAGES.items():
        for draw, value in zip(weights, measured[name](weights), strict=True):
            rows = np.repeat(np.arange(60), draw.astype(int))
            expected = f1_score(borne[rows], scores[rows] > 0, average=average, zero_division=np.nan)
            assert value == pytest.approx(expected, abs=1e-12)


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_a_draw_has() -> None:
    labels, borne, scores = classes(1)
    said = np.equal.outer(scores.argmax(axis=1), np.arange(4))
    value = decision_statistics(borne, said)["balanced_accuracy"]
    assert value(np.ones((1, 80)))[0] == pytest.approx(balanced_accuracy_score(labels, scores.argmax(axis=1)))
    without = (labels != 2).astype(np.float64)[None]  # as scikit-learn does, the class is left out
    expected = recall_score(labels[labels != 2], scores[labels != 2].argmax(axis=1), labels=[0, 1, 3], average="macro")
    assert value(without)[0] == pytest.approx(expected)


def test_a_label_that_nobody_has_or_is_given_has_no_f1_and_one_that_is_missed_has_none_right() -> None:
    borne = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0]], dtype=np.bool_)
    flagged = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=np.bool_)
    measured = decision_statistics(borne, flagged)
    assert measured["f1_macro"](np.ones((1, 3)))[0] == 0.5  # (1 + 0) / 2
    assert np.isnan(measured["f1_macro"](np.array([[0.0, 0.0, 3.0]]))[0])


def test_the_threshold_of_the_highest_micro_f1_is_that_of_a_search_over_all() -> None:
    for seed in range(4):
        borne, scores, _ = cells(seed, n=25)
        best = of_micro_f1(borne, scores)
        every = [f1_score(borne, scores >= t - 1e-9, average="micro") for t in np.unique(scores)]
        assert f1_score(borne, scores >= best, average="micro") == max(every)
        assert best not in scores
        levels = np.unique(scores)[[n for n, value in enumerate(every) if value == max(every)]]
        assert levels.max() >= best > (scores[scores < levels.max()].max() if (scores < levels.max()).any() else -9)
    assert not (np.zeros((2, 2)) >= of_micro_f1(np.zeros((2, 2), dtype=np.bool_), np.zeros((2, 2)))).any()


def test_the_threshold_of_the_highest_f1_of_one_label_is_the_same_by_both_ways() -> None:
    labels, p = np.array([0, 0, 1, 0, 1, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.9])
    assert of_f1(labels, p) == pytest.approx(0.25)  # 4 of 6 flagged are right, all 4 found: F1 0.8
    assert of_micro_f1(labels[:, None] == 1, p[:, None]) == pytest.approx(0.25)


def test_recall_at_k_is_that_of_a_hand_calculation_and_ties_share_the_places_that_are_left() -> None:
    borne = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=np.bool_)
    scores = np.array([[3.0, 1, 2, 0], [5, 1, 1, 1], [1, 2, 3, 4]])
    ones = np.ones((1, 3))
    assert recall_at(borne, scores, 1)(ones)[0] == 0.25  # 1 of 2, 0 of 1; who has no label is left out
    assert recall_at(borne, scores, 2)(ones)[0] == pytest.approx((0.5 + 1 / 3) / 2)  # one place for three
    assert recall_at(borne, scores, 9)(ones)[0] == 1
    assert recall_at(borne, scores, 1)(np.array([[0.0, 0.0, 2.0], [2.0, 1.0, 0.0]])) == pytest.approx(
        [np.nan, 1 / 3], nan_ok=True
    )


def test_one_against_one_equals_scikit_learn_on_the_rows_and_on_every_draw() -> None:
    labels, borne, logits = classes(3)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weights = np.concatenate([np.ones((1, 80)), next(row_weights(np.arange(80), 6, 2))])
    for draw, value in zip(weights, one_vs_one(borne, p)(weights), strict=True):
        rows = np.repeat(np.arange(80), draw.astype(int))
        assert value == pytest.approx(roc_auc_score(labels[rows], p[rows], multi_class="ovo"), abs=1e-12)


def test_one_against_one_leaves_out_pairs_that_a_draw_lacks() -> None:
    labels, borne, logits = classes(4)
    some = (labels != 1).astype(np.float64)[None]
    rows = labels != 1
    alone = one_vs_one(borne[rows], logits[rows])(np.ones((1, int(rows.sum()))))
    assert one_vs_one(borne, logits)(some) == pytest.approx(alone)
    assert np.isnan(one_vs_one(borne, logits)((labels == 0).astype(np.float64)[None]))[0]


def test_weighted_auroc_equals_scikit_learn_on_the_rows_and_on_every_draw() -> None:
    borne, scores, subjects = cells(5)
    draws = label_draws(borne, scores, subjects, resamples=6, seed=3)
    weighted = draws.weighted(np.ones(5, dtype=np.bool_))
    assert weighted.value == pytest.approx(roc_auc_score(borne, scores, average="weighted"), abs=1e-12)
    for weights, value in zip(next(row_weights(subjects, 6, 3)), weighted.samples, strict=True):
        rows = np.repeat(np.arange(60), weights.astype(int))
        assert value == pytest.approx(roc_auc_score(borne[rows], scores[rows], average="weighted"), abs=1e-6)


def test_a_mean_over_the_same_labels_leaves_out_draws_that_lack_one() -> None:
    borne, scores, subjects = cells(6)
    borne[:, 0] = np.arange(60) == 3
    every = np.ones(5, dtype=np.bool_)
    draws = label_draws(borne, scores, subjects, resamples=80, seed=1)
    same, lacking = draws.macro_of_all(every).samples, np.isnan(draws.draws[:, 0])
    assert 10 < lacking.sum() < 60
    assert np.isnan(same[lacking]).all()
    assert same[~lacking] == pytest.approx(draws.draws[~lacking].mean(axis=1))
    assert draws.macro_of_all(every).value == pytest.approx(areas(borne, scores)[0].mean())
    assert np.isfinite(draws.macro(every).samples).all()
    assert np.isnan(draws.macro_of_all(~every).value)


def test_patients_of_several_tasks_are_drawn_together() -> None:
    first, second = np.array([7, 7, 8, 9]), np.array([9, 8, 5])
    (one,), (other,) = (row_weights(rows, 50, 4, patients=[5, 7, 8, 9, 11]) for rows in (first, second))
    assert (one[:, 2] == other[:, 1]).all()
    assert (one[:, 3] == other[:, 0]).all()
    drawn = resample({"n": lambda w: w.sum(axis=1)}, first, resamples=50, seed=4, patients=[5, 7, 8, 9, 11])["n"]
    assert (drawn.samples == one.sum(axis=1)).all()
    labels, scores = first[:, None] > 7, np.arange(4.0)[:, None]
    by_label = label_draws(labels, scores, first, resamples=50, seed=4, patients=[5, 7, 8, 9, 11]).drawn_cases
    assert (by_label[:, 0] == one[:, 2:].sum(axis=1)).all()


def test_net_benefit_is_that_of_a_hand_calculation() -> None:
    labels, p = [0, 0, 0, 1, 1], [0.1, 0.3, 0.6, 0.4, 0.8]
    assert net_benefit(labels, p, [0.0, 0.2, 0.5]) == pytest.approx([0.4, 0.4 - 0.4 / 4, 0.2 - 0.2])
    assert benefit_of_all(0.4, [0.2, 0.5]) == pytest.approx([0.4 - 0.6 / 4, -0.2])
    assert net_benefit(labels, [1.0] * 5, [0.2]) == pytest.approx(benefit_of_all(0.4, [0.2]))
    with pytest.raises(DataError, match=r"\[1.0\]"):
        net_benefit(labels, p, [1.0])


def test_the_calibration_error_is_the_mean_distance_in_bins() -> None:
    labels, p = [0, 1, 0, 1], [0.1, 0.3, 0.6, 0.8]
    assert expected_calibration_error(labels, p, bins=2) == pytest.approx((abs(0.5 - 0.2) + abs(0.5 - 0.7)) / 2)
    assert expected_calibration_error(labels, labels) == 0
    tied = [0.2, 0.2, 0.2, 0.9]
    assert [each.n for each in calibration_curve(labels, tied, 2)] == [3, 1]
    assert expected_calibration_error(labels, tied, bins=2) == pytest.approx((3 * abs(1 / 3 - 0.2) + 0.1) / 4)
