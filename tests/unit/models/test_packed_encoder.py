"""Texts one after the other have the states that they have alone and padded."""

from pathlib import Path

import pytest
import torch

from chartune.models.load import load_body
from chartune.models.packed_encoder import PackedEncoder, rows_of
from chartune.testing.twins import EXACT, twin

IDS = torch.tensor([[5, 9, 22, 40, 7], [9, 9, 17, 60, 4], [8, 7, 2, 2, 2], [30, 2, 2, 2, 2], [31, 2, 2, 2, 2]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]])


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_texts_without_padding_have_the_states_of_transformers(twins: Path, model_type: str) -> None:
    body = load_body(twin(twins, model_type), EXACT).module.eval()
    seen, read = [0], PackedEncoder(body)
    query = body.get_submodule("encoder.layer.0.attention.self.query")
    query.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    with torch.inference_mode():
        expected = body(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
        seen.clear()
        states = read(read.embedded(IDS, MASK), MASK.sum(1).tolist())
        alone = read(read.embedded(IDS[2:3, :2], MASK[2:3, :2]), [2])
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(states[10:12], alone, atol=1e-6, rtol=0.0)
    assert seen == [16, 8]  # rows of 14 tokens, and of 2: nothing is spent on padding


def test_products_see_few_numbers_of_rows_and_little_that_is_no_token() -> None:
    assert [rows_of(tokens) for tokens in (1, 8, 9, 127, 200, 850, 1537)] == [8, 8, 16, 128, 200, 864, 1600]
    tokens = list(range(1, 1537))
    assert len({rows_of(each) for each in tokens}) <= 73
    assert all(each <= rows_of(each) <= max(each + 7, each * 17 / 16) for each in tokens)
