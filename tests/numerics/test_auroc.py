"""AUROC and its companions against scikit-learn and by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as reference_log_loss

from chartune.answers import ANY_OF, BINARY, ONE_OF, Answer
from chartune.errors import DataError, LabelError
from chartune.metrics import auroc, log_loss
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.classification import auprc_statistic
from chartune.metrics.delong import clustered_delong


def auprc(labels: ArrayLike, scores: ArrayLike) -> float:
    """On the rows as they are."""
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    return float(auprc_statistic(y, s)(np.ones((1, y.size)))[0])


def test_auroc_by_hand_counts_a_tie_as_half() -> None:
    # pairs (positive, negative): (.8,.2) 1, (.8,.5) 1, (.5,.2) 1, (.5,.5) ½ → 3.5 of 4
    assert auroc([1, 1, 0, 0], [0.8, 0.5, 0.2, 0.5]) == 3.5 / 4


@pytest.mark.parametrize("decimals", [0, 1, 2, 12])
def test_auroc_and_auprc_equal_scikit_learn_under_every_degree_of_ties(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    labels = rng.integers(0, 2, 400)
    scores = np.round(rng.normal(size=400) + labels, decimals)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert auprc(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_weights_count_a_row_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    labels, scores, weights = rng.integers(0, 2, 80), np.round(rng.normal(size=80), 1), rng.integers(0, 4, 80)
    weighted = auroc_statistic(labels.astype(np.float64), scores)(weights[None].astype(np.float64))[0]
    assert weighted == pytest.approx(auroc(np.repeat(labels, weights), np.repeat(scores, weights)), abs=1e-12)
    assert weighted == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12)


def test_constant_scores_rank_nobody() -> None:
    assert auroc([0, 1, 0, 1], [3, 3, 3, 3]) == 0.5
    assert auprc([0, 1, 0, 0], [3, 3, 3, 3]) == 0.25


CONSTANT = np.full(60, 1.3)
SEVERAL = np.tile([0.1, -0.2, 0.3], (60, 1))


@pytest.mark.parametrize(("form", "labels", "decided"), [
    (BINARY, np.arange(60) % 4 == 0, CONSTANT), (ONE_OF, np.arange(60) % 3, SEVERAL),
    (ANY_OF, np.arange(180).reshape(60, 3) % 4 == 0, SEVERAL),
])  # fmt: skip
def test_of_constant_scores_every_score_is_a_number_or_left_out(form: Answer, labels: Any, decided: Any) -> None:
    scores, each = form.score(labels.astype(np.int64), decided, np.arange(60) // 2, resamples=40)
    assert scores["auroc"].value == 0.5
    assert all(np.isfinite(score.value) for score in (*scores.values(), *(one for one in each if one)))
    assert "calibration_slope" not in scores  # no slope fits them


def test_constant_scores_differ_from_none_and_are_outranked() -> None:
    labels, patients = np.arange(60) % 4 == 0, np.arange(60) // 2
    same = clustered_delong(labels, [CONSTANT], [CONSTANT + 1], patients)
    better = clustered_delong(labels, [labels * 20.0 + np.arange(60)], [CONSTANT], patients)
    assert (same.difference, same.p) == (0.0, 1.0)
    assert better.difference > 0.2
    assert better.p < 1e-3


def test_one_positive_is_enough() -> None:
    scores = np.arange(10.0)
    labels = np.zeros(10)
    labels[7] = 1
    assert auroc(labels, scores) == pytest.approx(7 / 9)
    assert auprc(labels, scores) == pytest.approx(1 / 3)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_is_refused_with_both_counts(label: int) -> None:
    with pytest.raises(LabelError, match=f"got {3 * label} positive and {3 - 3 * label} negative"):
        auroc([label] * 3, [0.1, 0.2, 0.3])


def test_scores_that_are_no_numbers_are_refused_with_their_count() -> None:
    with pytest.raises(DataError, match="1 of 3"):
        auroc([0, 1, 1], [0.1, float("nan"), 0.3])


def test_labels_other_than_zero_and_one_are_refused() -> None:
    with pytest.raises(LabelError, match="1 of 3"):
        auroc([0, 1, 2], [0.1, 0.2, 0.3])


def test_lengths_must_agree() -> None:
    with pytest.raises(DataError, match="equally long"):
        auroc([0, 1], [0.1, 0.2, 0.3])


def test_brier_and_log_loss_equal_scikit_learn_and_prevalence_is_the_base_rate() -> None:
    rng = np.random.default_rng(2)
    labels, logits = rng.integers(0, 2, 300), rng.normal(size=300) * 3
    probabilities = 1 / (1 + np.exp(-logits))
    scores, _ = BINARY.score(labels, logits, np.arange(300), resamples=5)
    assert scores["brier"].value == pytest.approx(brier_score_loss(labels, probabilities), abs=1e-12)
    assert scores["log_loss"].value == pytest.approx(reference_log_loss(labels, probabilities), abs=1e-9)
    assert scores["prevalence"].value == labels.mean()


def test_binary_scores_agree_with_the_single_metrics_and_stay_finite_at_extreme_logits() -> None:
    rng = np.random.default_rng(3)
    labels, logits = rng.integers(0, 2, 200), rng.normal(size=200) * 400
    scores, _ = BINARY.score(labels, logits, np.arange(200), resamples=50)
    expected = ["auroc", "auprc", "brier", "log_loss", "prevalence", "calibration_intercept", "calibration_slope"]
    assert list(scores) == expected
    assert scores["auroc"].value == auroc(labels, logits)
    assert scores["auprc"].value == auprc(labels, logits)
    assert scores["log_loss"].value == pytest.approx(log_loss(labels, logits))
    assert all(np.isfinite([e.value, e.low or 0, e.high or 0]).all() and e.n == 200 for e in scores.values())


def test_probabilities_that_saturate_do_not_blur_the_ranking() -> None:
    # sigmoid(40) and sigmoid(50) are both 1.0 in float64: ranking must happen on logits.
    assert BINARY.score([0, 1], [40.0, 50.0], [1, 2], resamples=5)[0]["auroc"].value == 1.0
