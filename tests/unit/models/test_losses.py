"""Losses: one number per text, by the name that an answer gives."""

import math

import pytest
import torch

from chartune.answers import ANSWERS
from chartune.models.losses import LOSSES, weighted_loss


def test_every_answer_that_is_learnt_names_a_loss() -> None:
    assert {form.loss for form in ANSWERS.values()} <= set(LOSSES)


def test_a_text_weighs_as_much_as_is_said_whatever_its_neighbours() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.25], [-3.0, 1.0]])
    for name, labels in (
        ("cross-entropy", torch.tensor([0, 1, 1])),
        ("binary-cross-entropy", torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])),
    ):
        each = LOSSES[name](logits, labels)
        assert each.shape == (3,)
        alone = [weighted_loss(name, logits[i : i + 1], labels[i : i + 1], torch.ones(1)) for i in range(3)]
        assert torch.allclose(each, torch.stack(alone))
        weights = torch.tensor([0.0, 2.0, 1.0])
        assert torch.allclose(weighted_loss(name, logits, labels, weights), 2 * each[1] + each[2])


def test_of_many_labels_the_loss_is_the_mean_and_not_the_sum() -> None:
    logits, labels = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)) + math.log(2)) / 3
    assert LOSSES["binary-cross-entropy"](logits, labels).item() == pytest.approx(expected, rel=1e-6)


def test_many_labels_are_no_class_probabilities() -> None:
    with pytest.raises(RuntimeError):
        LOSSES["cross-entropy"](torch.zeros(2, 3), torch.ones(2, 3))
