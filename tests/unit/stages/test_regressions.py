"""Regressions of many labels: each is scikit-learn's own, whatever is fitted beside it and in how many processes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from chartune.stages import regressions
from chartune.stages.regressions import Regressions, joined, label_by_label, processes_for, spread

NOTHING = np.zeros(5, dtype=np.float32)


def made(n: int = 300) -> tuple[csr_array, NDArray[np.bool_]]:
    """Sparse rows of length 1, and five labels, of which two cannot be learnt."""
    rng = np.random.default_rng(0)
    dense = rng.random((n, 40)) * (rng.random((n, 40)) < 0.2)
    dense /= np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-9)
    labels = dense[:, :5] + 0.1 * rng.normal(size=(n, 5)) > 0.15
    labels[:, 1], labels[:, 3] = True, False
    return csr_array(dense), labels


def all_of(parts: list[Regressions]) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    return np.concatenate([p.coefficients for p in parts]), np.concatenate([p.intercepts for p in parts])


def test_each_label_has_the_weights_that_it_has_alone_at_the_optimum() -> None:
    features, labels = made()
    parts = list(label_by_label(features, labels, 10.0, NOTHING, 1))
    coefficients, intercepts = all_of(parts)
    assert coefficients.dtype == np.float32
    for i in (0, 2, 4):
        best = LogisticRegression(C=10.0, solver="liblinear", tol=1e-9, max_iter=10000).fit(features, labels[:, i])
        np.testing.assert_allclose(coefficients[i], best.coef_[0], atol=0.02)
        np.testing.assert_allclose(intercepts[i], best.intercept_[0], atol=0.02)
        odds = joined([part.odds(features) for part in parts])[:, i]
        np.testing.assert_allclose(odds, best.decision_function(features), atol=0.02)


def test_a_label_that_all_texts_have_or_none_keeps_its_prior() -> None:
    features, labels = made()
    prior = np.array([0, 3, 0, -3, 0], dtype=np.float32)
    coefficients, intercepts = all_of(list(label_by_label(features, labels, 1.0, prior, 1)))
    assert not coefficients[[1, 3]].any()
    assert intercepts[[1, 3]].tolist() == [3, -3]
    assert coefficients[[0, 2, 4]].any(axis=1).all()


def test_what_is_fitted_together_changes_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = made()
    whole = all_of(list(label_by_label(features, labels, 10.0, NOTHING, 1)))
    monkeypatch.setattr(regressions, "BLOCK", 2)
    parts = list(label_by_label(features, labels, 10.0, NOTHING, 1))
    assert [len(part.intercepts) for part in parts] == [2, 2, 1]
    for together, apart in zip(whole, all_of(parts), strict=True):
        np.testing.assert_array_equal(together, apart)


@pytest.mark.slow
def test_the_number_of_processes_changes_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = made()
    monkeypatch.setattr(regressions, "BLOCK", 1)
    alone = all_of(list(label_by_label(features, labels, 10.0, NOTHING, 1)))
    monkeypatch.setattr(regressions, "SOME", 1)
    for one, two in zip(alone, all_of(list(label_by_label(features, labels, 10.0, NOTHING, 2))), strict=True):
        np.testing.assert_array_equal(one, two)


def test_other_processes_are_for_much_work_and_few() -> None:
    assert [processes_for(size, 8) for size in (1, regressions.SOME - 1, regressions.SOME)] == [1, 1, 4]
    assert processes_for(regressions.SOME, 2) == 2


def test_a_sample_of_labels_goes_from_the_most_frequent_to_the_rarest() -> None:
    frequencies = np.array([5, 90, 1, 40, 7, 300, 2])
    assert spread(frequencies, 3).tolist() == [2, 4, 5]
    assert spread(frequencies[1:], 3).tolist() == [1, 2, 4]  # 300, then 40, then 1
    assert spread(frequencies, 7).tolist() == spread(frequencies, 100).tolist() == list(range(7))


def test_one_regression_gives_a_number_for_each_text() -> None:
    features, _ = made(3)
    part = Regressions(np.ones((1, 40)), np.ones(1))
    np.testing.assert_allclose(joined([part.odds(features)]), features.sum(axis=1) + 1)
