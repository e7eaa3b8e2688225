"""Scores of one class out of several against scikit-learn and by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.metrics import log_loss as reference_log_loss

from chartune.answers import BINARY, ONE_OF
from chartune.errors import DataError, LabelError
from chartune.metrics import auroc_estimate


def guesses(seed: int, n: int = 150, classes: int = 4) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return labels, rng.normal(size=(n, classes)) + 1.5 * (labels[:, None] == np.arange(classes))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def test_all_scores_equal_scikit_learn() -> None:
    labels, logits = guesses(0)
    scores, per_class = ONE_OF.score(labels, logits, np.arange(150), resamples=40)
    probabilities = softmax(logits)
    assert list(scores) == ["auroc", "accuracy", "log_loss"]
    assert scores["auroc"].value == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr"), abs=1e-9)
    assert scores["accuracy"].value == accuracy_score(labels, logits.argmax(axis=1))
    assert scores["log_loss"].value == pytest.approx(reference_log_loss(labels, probabilities), abs=1e-9)
    for k, estimate in enumerate(per_class):
        assert estimate is not None
        assert estimate.value == pytest.approx(roc_auc_score(labels == k, probabilities[:, k]), abs=1e-9)


def test_classes_that_the_rows_lack_are_left_out_and_not_counted() -> None:
    labels, logits = guesses(1)
    kept = labels != 2
    scores, per_class = ONE_OF.score(labels[kept], logits[kept], np.arange(kept.sum()), resamples=20)
    probabilities = softmax(logits[kept])
    present = [float(roc_auc_score(labels[kept] == k, probabilities[:, k])) for k in (0, 1, 3)]
    assert per_class[2] is None
    assert scores["auroc"].value == pytest.approx(np.mean(present), abs=1e-9)


def test_two_classes_are_scored_as_a_binary_task_is() -> None:
    labels, logits = guesses(2, classes=2)
    scores, per_class = ONE_OF.score(labels, logits, np.arange(150), resamples=50)
    odds = logits[:, 1] - logits[:, 0]
    binary, _ = BINARY.score(labels, odds, np.arange(150), resamples=50)
    assert per_class[1] == auroc_estimate(labels, odds, np.arange(150), resamples=50)
    assert scores["auroc"].value == pytest.approx(binary["auroc"].value)
    assert scores["log_loss"].value == pytest.approx(binary["log_loss"].value)


def test_probabilities_that_saturate_do_not_blur_the_ranking() -> None:
    # softmax gives 1.0 for both rows of class 0 and for the first row of class 1 in float64.
    scores, _ = ONE_OF.score([0, 0, 1], [[90.0, 0, 0], [80.0, 0, 0], [50.0, 0, 0]], [1, 2, 3], resamples=5)
    assert scores["auroc"].value == 1.0
    assert scores["accuracy"].value == pytest.approx(2 / 3)
    assert scores["log_loss"].value == pytest.approx(50 / 3)


def test_labels_that_are_no_class_and_rows_of_one_class_are_refused() -> None:
    with pytest.raises(LabelError, match="1 of 2"):
        ONE_OF.score([0, 2], [[0.0, 1.0]] * 2, [1, 2])
    with pytest.raises(LabelError, match="all 2"):
        ONE_OF.score([1, 1], [[0.0, 1.0]] * 2, [1, 2])
    with pytest.raises(DataError, match=r"\(3,\)"):
        ONE_OF.score([0, 1, 1], [[0.0, 1.0]] * 2, [1, 2])
    with pytest.raises(DataError, match="1 of 4"):
        ONE_OF.score([0, 1], [[0.0, 1.0], [float("inf"), 0]], [1, 2])
