"""Recalibrators: against references, and what they must not change."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from chartune.answers import ANSWERS
from chartune.metrics.classification import sigmoid
from chartune.metrics.recalibrators import Calibration, isotonic, platt, temperature

Array = NDArray[np.float64]


def overconfident(rows: int = 600, seed: int = 0) -> tuple[NDArray[np.int64], Array]:
    """Labels that follow from log-odds, and these three times as large and moved by one."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-0.5, 1.2, rows)
    return (rng.random(rows) < sigmoid(odds)).astype(np.int64), 3 * odds + 1


def test_platt_undoes_what_was_done_to_log_odds_and_moves_no_rank() -> None:
    labels, logits = overconfident(20_000)
    made = platt(labels, logits)
    assert made is not None
    assert (made.slope, made.intercept) == pytest.approx((1 / 3, -1 / 3), abs=0.03)
    assert roc_auc_score(labels, made.applied(logits)) == roc_auc_score(labels, logits)
    assert platt(labels, -logits) is None  # a slope below 0 would turn the ranks round
    assert platt(np.array([0, 0, 1, 1]), np.array([0.0, 1, 2, 3])) is None  # separated: no finite slope


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_a_temperature_is_the_slope_of_the_smallest_log_loss(kind: str) -> None:
    rng, form = np.random.default_rng(1), ANSWERS[kind]
    logits = 2.5 * rng.normal(0, 1, {"binary": (400,)}.get(kind, (400, 3)))
    p = form.probabilities(logits / 2.5)
    labels: Any = rng.random(p.shape) < p
    if kind == "multiclass":
        labels = np.array([rng.choice(3, p=row) for row in p])
    made = temperature(labels.astype(np.int64), logits)

    def log_loss(slope: Array) -> float:
        return form.nats(labels, slope[0] * logits)

    best: Any = minimize(log_loss, [1.0], tol=1e-10)
    assert made is not None
    assert made.slope == pytest.approx(best.x[0], rel=1e-4)
    assert 0 < made.slope < 1
    if kind != "multiclass":  # of classes each is ranked against the others, which a temperature may reorder a little
        assert roc_auc_score(labels.ravel(), made.applied(logits).ravel()) == pytest.approx(
            roc_auc_score(labels.ravel(), logits.ravel()), abs=1e-12
        )
    assert temperature(labels.astype(np.int64), -logits) is None


def test_a_temperature_that_nothing_determines_is_none() -> None:
    right = np.eye(3)[np.arange(30) % 3]
    assert temperature(np.arange(30) % 3, right) is None  # always right: the steeper the better
    assert temperature(np.arange(30) % 3, np.zeros((30, 3))) is None


def test_isotonic_is_that_of_scikit_learn_rises_and_stays_finite() -> None:
    labels, logits = overconfident(300)
    logits = logits.round(1)  # ties
    made = isotonic(labels, logits)
    reference = IsotonicRegression(out_of_bounds="clip").fit(logits, labels).predict(logits)
    edge = 0.5 / 301
    assert sigmoid(made.applied(logits)) == pytest.approx(np.clip(reference, edge, 1 - edge), abs=1e-9)
    everywhere = made.applied(np.linspace(-20, 20, 999))
    assert np.isfinite(everywhere).all()
    assert (np.diff(everywhere) >= 0).all()
    assert made.knots is not None
    assert (np.diff(np.asarray(made.knots), axis=0) >= 0).all()
    assert len(made.knots) < len(np.unique(logits))
    assert np.array_equal(Calibration.model_validate_json(made.model_dump_json()).applied(logits), made.applied(logits))


def test_what_earlier_versions_kept_is_read() -> None:
    kept = Calibration.model_validate({"intercept": 0.5, "slope": 2.0})
    assert kept.applied(np.array([1.0, -1.0])).tolist() == [2.5, -1.5]
    assert (kept.kind, kept.split, kept.rises) == ("platt", "validation", True)
    assert not Calibration(slope=-1.0).rises
