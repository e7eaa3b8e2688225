"""Which encoders are read by fewer operations, and that these compute what transformers computes."""

from pathlib import Path

import pytest
import torch

from chartune.models.fused_encoder import FusedEncoder, can_be_fused
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.testing.twins import DECODERS, EXACT, FAMILIES, make_twin, twin

ENCODERS = [name for name in FAMILIES if name not in DECODERS]
IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301], [9, 9, 17, 60, 2, 2, 2]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]])


@pytest.mark.parametrize("model_type", ENCODERS)
def test_only_encoders_of_berts_kind_are_read_by_fewer_operations(twins: Path, model_type: str) -> None:
    body = load_body(twin(twins, model_type), EXACT).module
    assert can_be_fused(body) == (model_type in ("bert", "roberta"))


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
@pytest.mark.parametrize("padded", [True, False])
def test_they_give_the_states_of_transformers(twins: Path, model_type: str, padded: bool) -> None:
    body = load_body(twin(twins, model_type), EXACT).module.eval()
    mask = MASK if padded else torch.ones_like(MASK)
    before = {name: weight.clone() for name, weight in body.named_parameters()}
    with torch.inference_mode():
        expected = body(input_ids=IDS, attention_mask=mask).last_hidden_state * mask[..., None]
        states = FusedEncoder(body)(IDS, mask).last_hidden_state * mask[..., None]
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=0.0)
    assert all(torch.equal(weight, before[name]) for name, weight in body.named_parameters())


def test_in_bf16_they_are_as_far_from_fp32_as_transformers_is(twins: Path) -> None:
    make_twin("bert", twins / "wide", hidden_size=128)
    body = load_body(twin(twins, "wide"), Resolved("cpu", "bf16", "eager", "a test")).module.eval()
    exact = load_body(twin(twins, "wide"), EXACT).module.eval()
    with torch.inference_mode():
        expected = exact(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
        with torch.autocast("cpu", torch.bfloat16):
            stock = body(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
            fused = FusedEncoder(body)(IDS, MASK).last_hidden_state[MASK.bool()]
    assert fused.dtype == torch.float32
    assert float((fused - expected).square().mean()) < 1.5 * float((stock - expected).square().mean())


@pytest.mark.parametrize("changed", [{"hidden_act": "relu"}, {"is_decoder": True}])
def test_another_activation_or_another_way_of_reading_is_left_to_transformers(
    twins: Path, changed: dict[str, object]
) -> None:
    body = load_body(twin(twins, "bert"), EXACT).module
    for name, value in changed.items():
        setattr(body.config, name, value)
    assert not can_be_fused(body)
