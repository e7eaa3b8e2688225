"""Calibration and the ROC curve: against scikit-learn, against known truths, and by hand."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve as reference_roc_curve

from chartune.answers import BINARY
from chartune.errors import DataError, LabelError
from chartune.metrics import auroc, calibration_curve, roc_curve
from chartune.metrics.bootstrap import row_weights
from chartune.metrics.recalibration import intercept_statistic, slope_statistic


def outcomes(seed: int, n: int = 500, intercept: float = 0, slope: float = 1) -> tuple[NDArray[np.float64], ...]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=n) * 2 - 1
    truth = 1 / (1 + np.exp(-(intercept + slope * logits)))
    return (rng.random(n) < truth).astype(np.float64), logits


def fitted(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> tuple[float, float]:
    """Calibration-in-the-large and slope on the rows as they are."""
    once = np.ones((1, len(labels)))
    return float(intercept_statistic(labels, logits)(once)[0]), float(slope_statistic(labels, logits)(once)[0])


def refit(
    labels: NDArray[np.float64], logits: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    return float(model.fit(logits[:, None], labels, sample_weight=weights).coef_[0, 0])


@pytest.mark.parametrize("scale", [0.01, 1, 50])
def test_the_slope_equals_an_unpenalised_logistic_regression(scale: float) -> None:
    labels, logits = outcomes(0)
    _, slope = fitted(labels, logits * scale)
    assert slope == pytest.approx(refit(labels, logits) / scale, rel=1e-4)


def test_the_intercept_makes_the_mean_prediction_the_observed_share() -> None:
    labels, logits = outcomes(1, intercept=0.7)
    intercept, _ = fitted(labels, logits)
    assert (1 / (1 + np.exp(-(logits + intercept)))).mean() == pytest.approx(labels.mean(), abs=1e-8)


def test_a_known_miscalibration_is_found_again() -> None:
    labels, logits = outcomes(2, n=40_000, slope=0.5)
    assert fitted(labels, logits)[1] == pytest.approx(0.5, abs=0.03)
    labels, logits = outcomes(3, n=40_000, intercept=-0.8)
    intercept, slope = fitted(labels, logits)
    assert intercept == pytest.approx(-0.8, abs=0.05)
    assert slope == pytest.approx(1, abs=0.05)


def test_every_draw_is_fitted_as_its_repeated_rows_would_be() -> None:
    labels, logits = outcomes(4, n=80)
    (weights,) = row_weights(np.arange(80), 12, 0)
    slopes, intercepts = slope_statistic(labels, logits)(weights), intercept_statistic(labels, logits)(weights)
    for draw, slope, intercept in zip(weights, slopes, intercepts, strict=True):
        assert slope == pytest.approx(refit(labels, logits, draw), rel=1e-4)
        assert draw @ (1 / (1 + np.exp(-(logits + intercept)))) == pytest.approx(draw @ labels, abs=1e-6)


@pytest.mark.parametrize("logits", [[-2.0, -1, 1, 2], [2.0, 1, -1, -2], [0.0, 1, 1, 2], [3.0, 3, 3, 3]])
def test_where_one_threshold_separates_the_classes_no_slope_is_claimed(logits: list[float]) -> None:
    scores, _ = BINARY.score([0, 0, 1, 1], logits, [1, 2, 3, 4], resamples=5)
    assert "calibration_slope" not in scores
    assert np.isfinite(scores["calibration_intercept"].value)


def test_nearly_separated_and_extreme_logits_still_settle() -> None:
    logits = np.concatenate([np.linspace(-400, -1, 100), [5], np.linspace(4, 400, 100)])
    labels = np.concatenate([np.zeros(101), np.ones(100)])
    intercept, slope = fitted(labels, logits)
    assert slope > 0
    assert np.isfinite(intercept)


def test_binary_scores_hold_the_calibration_with_intervals_around_the_truth() -> None:
    labels, logits = outcomes(5)
    scores, _ = BINARY.score(labels, logits, np.arange(500), resamples=300)
    for name, truth in (("calibration_intercept", 0), ("calibration_slope", 1)):
        low, high = scores[name].low, scores[name].high
        assert low is not None
        assert high is not None
        assert low < truth < high
        assert low < scores[name].value < high


def test_a_curve_by_hand() -> None:
    bins = calibration_curve([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2)
    assert [(b.low, b.high, b.observed, b.n) for b in bins] == [(0.1, 0.3, 0.5, 2), (0.6, 0.8, 1.0, 2)]
    assert [b.predicted for b in bins] == pytest.approx([0.2, 0.7])


def test_bins_are_of_equal_mass_rise_and_hold_every_row() -> None:
    labels, logits = outcomes(6)
    bins = calibration_curve(labels, 1 / (1 + np.exp(-logits)))
    assert [b.n for b in bins] == [50] * 10
    assert all(a.high < b.low for a, b in pairwise(bins))
    assert sum(b.observed * b.n for b in bins) == pytest.approx(labels.sum())
    assert sum(b.predicted * b.n for b in bins) == pytest.approx((1 / (1 + np.exp(-logits))).sum())


def test_equal_probabilities_are_never_parted() -> None:
    bins = calibration_curve([0, 1, 0, 1, 0, 1], [0.2, 0.5, 0.5, 0.5, 0.5, 0.9], bins=6)
    assert [(b.low, b.high, b.n) for b in bins] == [(0.2, 0.2, 1), (0.5, 0.5, 4), (0.9, 0.9, 1)]
    assert [b.n for b in calibration_curve([0, 1, 0], [0.4, 0.4, 0.4])] == [3]


def test_logits_and_no_bins_are_refused() -> None:
    with pytest.raises(DataError, match="not logits"):
        calibration_curve([0, 1], [-1.0, 2.0])
    with pytest.raises(DataError, match="bins=0"):
        calibration_curve([0, 1], [0.1, 0.2], bins=0)


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_the_roc_curve_equals_scikit_learn_and_encloses_the_auroc(decimals: int) -> None:
    labels, logits = outcomes(7)
    logits = np.round(logits, decimals)
    fpr, tpr = roc_curve(labels, logits)
    expected_fpr, expected_tpr, _ = reference_roc_curve(labels, logits, drop_intermediate=False)
    np.testing.assert_allclose(fpr, expected_fpr, atol=1e-12)
    np.testing.assert_allclose(tpr, expected_tpr, atol=1e-12)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auroc(labels, logits), abs=1e-12)


def test_an_roc_curve_of_one_class_is_refused() -> None:
    with pytest.raises(LabelError, match="ROC"):
        roc_curve([1, 1], [0.1, 0.2])
