"""The head: no padding scheme moves a logit."""

import numpy as np
import pytest
import torch

from chartune.models.backbone import LocalBackbone
from chartune.models.families import Pooling
from chartune.models.heads import Head, pool
from chartune.models.load import load_body
from chartune.models.readers import Classifier, of_the_text
from chartune.testing.twins import EXACT


@pytest.mark.parametrize("how", ["first", "last", "mean"])
def test_pooling_is_the_same_for_left_and_right_padding(how: Pooling) -> None:
    tokens = torch.randn(1, 3, 4)
    right = torch.cat([tokens, torch.full((1, 2, 4), 99.0)], 1), torch.tensor([[1, 1, 1, 0, 0]])
    left = torch.cat([torch.full((1, 2, 4), 99.0), tokens], 1), torch.tensor([[0, 0, 1, 1, 1]])
    expected = {"first": tokens[:, 0], "last": tokens[:, 2], "mean": tokens.mean(1)}[how]
    assert torch.allclose(pool(*right, how), expected)
    assert torch.allclose(pool(*left, how), expected)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_logits_of_a_text_do_not_depend_on_its_neighbours(family: str, request: pytest.FixtureRequest) -> None:
    backbone: LocalBackbone = request.getfixturevalue(family)
    body = load_body(backbone, EXACT)
    model = Classifier(
        body.module,
        Head().build(body.hidden_size, np.zeros(2, dtype=np.float32), seed=0),
        Head().pooling_for(backbone.family),
    ).eval()
    ids = torch.tensor([[5, 9, 22, 40, 0, 0], [7, 8, 9, 10, 11, 12]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    with torch.no_grad():
        alone = model.pooled(ids[:1, :4], mask[:1, :4])
        together = model.pooled(ids, mask)[:1]
    assert torch.allclose(alone, together, atol=1e-5)


def test_states_of_virtual_tokens_stand_before_those_of_the_text_and_are_left_out() -> None:
    hidden, ids = torch.arange(10.0).view(1, 5, 2), torch.zeros(1, 3, dtype=torch.long)
    assert torch.equal(of_the_text(hidden, ids), hidden[:, 2:])
    assert torch.equal(of_the_text(hidden, torch.zeros(1, 5, dtype=torch.long)), hidden)
