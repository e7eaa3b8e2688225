"""Operating points, precision-recall and smooth calibration, against hand calculations and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from chartune.errors import DataError, LabelError
from chartune.metrics.operating import (
    RATES,
    Confusion,
    confusion,
    of_alert_rate,
    of_sensitivity,
    of_specificity,
    rates,
    youden,
)
from chartune.metrics.roc import precision_recall_curve
from chartune.metrics.smooth import smooth_calibration

LABELS = np.array([0, 0, 1, 0, 1, 1, 0, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.9])


def test_thresholds_are_those_of_a_hand_calculation() -> None:
    assert youden(LABELS, SCORES) == pytest.approx(0.45)  # sensitivity 3/4, specificity 3/4; 0.25 has 1 and 1/2
    assert of_sensitivity(LABELS, SCORES, 0.75) == pytest.approx(0.45)
    assert of_sensitivity(LABELS, SCORES, 0.76) == pytest.approx(0.25)
    assert of_sensitivity(LABELS, SCORES, 0.5) == pytest.approx(0.55)  # a tie counts as one step
    assert of_specificity(LABELS, SCORES, 0.75) == pytest.approx(0.45)


def test_an_alert_rate_is_never_exceeded() -> None:
    assert of_alert_rate(SCORES, 0.25) == pytest.approx(0.75)  # 0.55 would flag three of eight
    assert of_alert_rate(SCORES, 3 / 8) == pytest.approx(0.55)
    assert of_alert_rate([0.5, 0.5], 0.5) > 0.5
    assert of_alert_rate([1, 1], 0.5) > 1
    assert of_alert_rate(SCORES, 1) == pytest.approx(0.05)


def test_rates_are_those_of_the_four_counts() -> None:
    flagged = SCORES >= 0.5
    four = confusion(LABELS, flagged)
    assert four == Confusion(3, 1, 1, 3)
    assert [four.denominator(rate) for rate in RATES] == [8, 4, 4, 4, 4]
    measured = rates(LABELS, flagged, np.arange(8))
    assert {name: e.value for name, e in measured.items()} == {
        "flagged": 0.5, "sensitivity": 0.75, "specificity": 0.75, "ppv": 0.75, "npv": 0.75,
    }  # fmt: skip
    low, high = measured["ppv"].low, measured["ppv"].high
    assert low is not None
    assert high is not None
    assert low < 0.75 < high


def test_a_rate_of_nobody_is_missing_and_patients_are_drawn_and_not_rows() -> None:
    nobody = rates(LABELS, np.zeros(8, dtype=np.bool_), np.arange(8))
    assert "ppv" not in nobody
    assert nobody["sensitivity"].value == 0
    one = rates(LABELS, SCORES >= 0.5, np.zeros(8))
    assert one["ppv"].low is None  # one patient drawn again is the same patient


def test_one_class_has_no_operating_point_and_no_curve() -> None:
    for function in (youden, precision_recall_curve):
        with pytest.raises(LabelError):
            function(np.ones(4), np.arange(4))


def test_the_steps_of_the_precision_recall_curve_have_the_average_precision_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 300), rng.integers(0, 40, 300)
    recall, precision, flagged = precision_recall_curve(labels, scores + labels)
    area = float((np.diff(np.append(0, recall)) * precision).sum())
    assert area == pytest.approx(average_precision_score(labels, scores + labels))
    assert flagged[-1] == 300
    assert recall[-1] == 1


def test_a_smooth_curve_follows_probabilities_that_are_right_and_those_that_are_not() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    places = np.array([0.2, 0.5, 0.8])
    assert smooth_calibration(rng.random(p.size) < p, p, places) == pytest.approx(places, abs=0.02)
    half = smooth_calibration(rng.random(p.size) < p / 2, p, places)
    assert half == pytest.approx(places / 2, abs=0.02)


def test_a_local_line_is_exact_on_a_line_and_a_mean_where_nothing_spreads() -> None:
    p = np.repeat(np.linspace(0.1, 0.9, 9), 10)
    y = np.concatenate([np.arange(10) < round(10 * value) for value in np.linspace(0.1, 0.9, 9)])
    assert smooth_calibration(y, p, [0.3, 0.55]) == pytest.approx([0.3, 0.55], abs=1e-6)
    assert smooth_calibration([0, 1, 1, 1], [0.5] * 4, [0.5]) == pytest.approx([0.75])
    assert smooth_calibration([0, 1] * 20, np.linspace(0, 1, 40), [2.0])[0] <= 1


def test_the_span_of_a_smooth_curve_must_be_a_share() -> None:
    with pytest.raises(DataError, match="span"):
        smooth_calibration([0, 1], [0.1, 0.2], [0.1], span=0)


def test_near_rows_weigh_more_than_far_ones() -> None:
    """Weighted least squares by NumPy, with tricube weights over the nearest three of four rows."""
    p, y = np.array([0.1, 0.2, 0.4, 0.9]), np.array([0, 1, 0, 1])
    reach = 0.2 * (1 + 1e-9)
    weights = (1 - np.clip(np.abs(p - 0.2) / reach, 0, 1) ** 3) ** 3
    slope, level = np.polyfit(p, y, 1, w=np.sqrt(weights))
    assert smooth_calibration(y, p, [0.2]) == pytest.approx([level + slope * 0.2], abs=1e-6)
