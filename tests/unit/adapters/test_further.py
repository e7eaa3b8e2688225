"""What further methods of peft count, by hand, and which matrices they refuse."""

import pytest
from torch import nn

from chartune.adapters.further import C3A, OFT, FourierFT, Further, GraLoRA, HiRA, MiSS
from chartune.errors import AdapterError, ConfigError
from chartune.models.anatomy import anatomy_of
from chartune.testing.support import body_without_memory


@pytest.fixture(scope="module")
def llama() -> nn.Module:
    """Two blocks; queries of 32 inputs and outputs, keys and values of 16 outputs."""
    return body_without_memory("llama")


@pytest.mark.parametrize(("method", "count"), [
    (MiSS(rank=3), 3 * 16), (HiRA(rank=3), 3 * (32 + 16)), (GraLoRA(rank=4, parts=4), 4 * (32 + 16)),
    (OFT(block=8), 32 * 7 // 2), (C3A(block=4), 32 * 16 // 4), (FourierFT(frequencies=11), 11),
])  # fmt: skip
def test_the_parameters_of_a_matrix_are_those_of_the_formula(llama: nn.Module, method: Further, count: int) -> None:
    values = method.model_copy(update={"targets": ("v_proj",)})
    assert values.count(llama, anatomy_of(llama)) == 2 * count


@pytest.mark.parametrize(("method", "why"), [
    (GraLoRA(rank=3, parts=3), "needs matrices whose sides 3 divides, but layers.0.self_attn.q_proj has 32 inputs and"),
    (OFT(block=24), "with inputs that blocks of 24 divide"),
    (C3A(block=32), r"whose sides blocks of 32 divide, but layers.0.self_attn.k_proj has 32 inputs and 16 outputs"),
    (FourierFT(frequencies=1000), r"at least 1,000 numbers, .*k_proj has 32 inputs and 16 outputs; choose another num"),
])  # fmt: skip
def test_a_matrix_that_it_cannot_take_is_refused_with_its_size(llama: nn.Module, method: Further, why: str) -> None:
    with pytest.raises(AdapterError, match=why):
        method.must_suit(llama, anatomy_of(llama), "a fresh layer")


@pytest.mark.parametrize("method", [MiSS(), GraLoRA(), OFT(), C3A(block=8)], ids=lambda method: method.kind)
def test_matrices_that_are_stored_the_other_way_round_are_refused(method: Further) -> None:
    body = body_without_memory("gpt2")
    with pytest.raises(AdapterError, match="but a fresh layer stands on a gpt2, which stores its matrices the other"):
        method.must_suit(body, anatomy_of(body), "a fresh layer")


def test_parts_divide_the_rank() -> None:
    with pytest.raises(ConfigError, match="`parts` must divide `rank`, but 2 does not divide 5; change one"):
        GraLoRA.parse({"rank": 5, "parts": 2})
