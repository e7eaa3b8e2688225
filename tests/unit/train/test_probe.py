"""Probing: the head ends where a penalised regression on the same vectors ends, by the penalty that scores best."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from chartune.batches.collate import Features
from chartune.models.heads import LinearHead
from chartune.models.readers import FeatureReader
from chartune.train.probe import PENALTIES, probe


def vectors(n: int = 80, width: int = 6) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)


def reader(labels: int, width: int = 6, loss: str = "cross-entropy") -> FeatureReader:
    torch.manual_seed(0)
    return FeatureReader(LinearHead(width, labels, normalise=False), loss)


def test_many_labels_are_as_many_ridge_regressions() -> None:
    x = vectors()
    noise = np.random.default_rng(1).normal(size=(80, 2))
    y = (x[:, :2] + noise > 0).astype(np.float32)
    head = reader(2, loss="binary-cross-entropy")
    chosen = probe(head, Features(x, y, np.ones(80, dtype=np.float32)), lambda: 0.0)
    assert chosen == max(PENALTIES)  # of equal scores the smoothest wins
    for label in (0, 1):
        # scikit-learn minimises C·Σ loss + ‖w‖²/2; ours Σ loss / n + penalty/2·‖w‖².
        expected = LogisticRegression(C=1 / (chosen * 80), tol=1e-9).fit(x, y[:, label])
        np.testing.assert_allclose(head.head.linear.weight[label].detach(), expected.coef_[0], atol=2e-4)
        np.testing.assert_allclose(head.head.linear.bias[label].item(), expected.intercept_[0], atol=2e-4)


def test_the_penalty_that_scores_best_is_chosen() -> None:
    x = vectors()
    y = (x[:, 0] > 0).astype(np.int64)
    head, seen = reader(2), []

    def score() -> float:
        seen.append(float(head.head.linear.weight.norm().item()))
        return seen[-1]

    assert probe(head, Features(x, y, np.ones(80, dtype=np.float32)), score) == min(PENALTIES)
    assert seen == sorted(seen, reverse=True)  # a smaller penalty leaves a larger matrix
    assert head.head.linear.weight.norm().item() == pytest.approx(max(seen))


def test_only_the_head_is_moved_and_no_gradient_stays() -> None:
    x, head = vectors(), reader(3)
    body = torch.nn.Linear(2, 2)
    before = body.weight.clone()
    labels = np.arange(80, dtype=np.int64) % 3
    probe(head, Features(x, labels, np.ones(80, dtype=np.float32)), lambda: 0.0)
    assert torch.equal(body.weight, before)
    assert all(p.grad is None for p in head.parameters())
