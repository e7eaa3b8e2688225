"""Prefix tuning as an attention function: padding, packed documents, positions, two prefixes, and who is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PrefixTuningConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, DebertaV2Config, DebertaV2Model

from chartune.adapters.adapter import read_adapter, write_adapter
from chartune.adapters.method import Method
from chartune.adapters.prefix import Prefix
from chartune.adapters.stack import Attached, Fresh, Stack, attach
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.testing.stock_layers import must_be_a_layer
from chartune.testing.twins import twin

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft's old name
IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301]])
FAMILIES = ["llama", "gpt_neox", "bert", "roberta", "distilbert"]
ATTENTION = ["eager", "sdpa"]


def prefixed(base: LocalBackbone, *methods: Method, attention: Any = "eager", precision: Any = "fp32") -> Attached:
    body = load_body(base, Resolved("cpu", precision, attention, "a test")).module
    return attach(Stack(layers=tuple(Fresh(method=method) for method in methods)), body, [None] * len(methods), seed=1)


def states(module: nn.Module, ids: Tensor, **told: Tensor) -> Tensor:
    module.eval()
    with torch.no_grad():
        read: Tensor = module(input_ids=ids, **told).last_hidden_state
    return read


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("model_type", FAMILIES)
def test_padding_on_either_side_changes_nothing(twins: Path, model_type: str, attention: str) -> None:
    base = twin(twins, model_type)
    module = prefixed(base, Prefix(tokens=3), attention=attention).module
    pad, length = int(module.config.pad_token_id), IDS.shape[1]  # type: ignore[union-attr, arg-type]
    alone, padding = states(module, IDS, attention_mask=torch.ones_like(IDS)), torch.full((1, 4), pad)
    ones, zeros = torch.ones_like(IDS), torch.zeros(1, 4, dtype=torch.long)
    right = states(module, torch.cat([IDS, padding], 1), attention_mask=torch.cat([ones, zeros], 1))
    assert torch.allclose(right[:, :length], alone, atol=1e-5)
    if model_type != "roberta":  # its positions are counted by itself
        mask = torch.cat([zeros, ones], 1)
        places = (mask.cumsum(1) - 1).clamp(min=0)
        left = states(module, torch.cat([padding, IDS], 1), attention_mask=mask, position_ids=places)
        assert torch.allclose(left[:, 4:], alone, atol=1e-5)


@pytest.mark.parametrize("attention", ATTENTION)
def test_the_mask_may_be_left_out_where_all_is_text(llama: LocalBackbone, attention: str) -> None:
    module = prefixed(llama, Prefix(tokens=3), attention=attention).module
    told = states(module, IDS, attention_mask=torch.ones_like(IDS))
    assert torch.allclose(states(module, IDS), told, atol=1e-6)
    assert torch.allclose(states(module, IDS[:, :4]), told[:, :4], atol=1e-5)  # nothing is read from behind


@pytest.mark.parametrize("attention", ATTENTION)
def test_packed_documents_read_the_prefix_and_not_each_other(llama: LocalBackbone, attention: str) -> None:
    module = prefixed(llama, Prefix(tokens=3), attention=attention).module
    one, two = IDS[:, :4], IDS[:, 4:]
    places = torch.tensor([[0, 1, 2, 3, 0, 1, 2]])
    together = states(module, IDS, position_ids=places)
    assert torch.allclose(together[:, :4], states(module, one), atol=1e-5)
    assert torch.allclose(together[:, 4:], states(module, two), atol=1e-5)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_shifted_positions_begin_behind_the_prefix(twins: Path, model_type: str) -> None:
    shifted, unshifted = Prefix(tokens=3), Prefix(tokens=3, positions="unshifted")
    one, two = (prefixed(twin(twins, model_type), method).module for method in (shifted, unshifted))
    first = 3 if model_type != "roberta" else 3 + int(two.config.pad_token_id) + 1  # type: ignore[union-attr, arg-type]
    places = torch.arange(first, first + IDS.shape[1])[None]
    assert torch.allclose(states(one, IDS), states(two, IDS, position_ids=places), atol=1e-6)
    assert not torch.allclose(states(one, IDS), states(two, IDS), atol=1e-3)
    assert (shifted.positions_taken, unshifted.positions_taken) == (3, 0)


def test_two_prefixes_are_one_that_is_as_long(llama: LocalBackbone) -> None:
    two, one = prefixed(llama, Prefix(tokens=2), Prefix(tokens=3)), prefixed(llama, Prefix(tokens=5))
    rows = torch.cat([two.tensors(0)["prompt_embeddings"], two.tensors(1)["prompt_embeddings"]])
    one.methods[0].restore(one.module, "layer0", {"prompt_embeddings": rows})
    assert torch.allclose(states(two.module, IDS), states(one.module, IDS), atol=1e-6)


def test_a_prefix_is_read_in_half_precision(llama: LocalBackbone) -> None:
    module = prefixed(llama, Prefix(tokens=3), attention="sdpa", precision="bf16").module
    whole = states(prefixed(llama, Prefix(tokens=3), attention="sdpa").module, IDS)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(states(module, IDS).float(), whole, atol=0.1)


def test_a_body_whose_attention_is_its_own_is_refused() -> None:
    sizes = {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    body = DebertaV2Model(DebertaV2Config(**sizes, num_hidden_layers=2))
    with pytest.raises(AdapterError, match="deberta-v2"):
        attach(Stack(layers=(Fresh(method=Prefix()),)), body, [None], seed=1)


@pytest.mark.parametrize("projection", [False, True])
def test_a_prefix_of_stock_peft_is_a_layer(llama: LocalBackbone, tmp_path: Path, projection: bool) -> None:
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=3, prefix_projection=projection, encoder_hidden_size=8
    )
    stock = get_peft_model(AutoModelForCausalLM.from_pretrained(llama.folder), config)
    must_be_a_layer(stock, llama, tmp_path, Prefix(tokens=3))


def test_a_projection_learns_what_stock_peft_s_learns_and_only_its_product_is_kept(
    llama: LocalBackbone, tmp_path: Path
) -> None:
    method = Prefix(tokens=3, projection_hidden=8)
    own = prefixed(llama, method)
    count = method.count(own.module, anatomy_of(own.module))
    assert count == sum(p.numel() for p in own.trainable().values()) == 3 * 16 + (16 + 1) * 8 + (8 + 1) * 2 * 2 * 16
    config = PrefixTuningConfig(
        task_type="FEATURE_EXTRACTION", num_virtual_tokens=3, prefix_projection=True, encoder_hidden_size=8
    )
    stock = get_peft_model(AutoModel.from_pretrained(llama.folder, attn_implementation="eager"), config)
    encoder = stock.prompt_encoder["default"]
    encoder.load_state_dict({name.rpartition("layer0.")[2]: p.detach() for name, p in own.trainable().items()})
    with torch.no_grad():
        product = encoder(torch.arange(3))
    assert torch.allclose(own.tensors(0)["prompt_embeddings"], product, atol=1e-6)
    uneven = torch.linspace(-1, 1, 32)  # what a norm leaves of a sum is the same
    for module in (own.module, stock):
        (module(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state * uneven).sum().backward()
    for name, parameter in own.trainable().items():
        expected = encoder.get_parameter(name.rpartition("layer0.")[2]).grad
        assert torch.allclose(parameter.grad, expected, atol=1e-5), name  # type: ignore[arg-type]
    write_adapter(tmp_path, own.tensors(0), method, llama, {"run": None})
    assert read_adapter(tmp_path).method == Prefix(tokens=3)


def test_a_prefix_that_is_not_whole_is_refused(llama: LocalBackbone, tmp_path: Path) -> None:
    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    get_peft_model(AutoModelForCausalLM.from_pretrained(llama.folder), config).save_pretrained(tmp_path)
    place = tmp_path / "adapter_config.json"
    place.write_text(place.read_text().replace('"num_virtual_tokens": 3', '"num_virtual_tokens": 4'))
    with pytest.raises(AdapterError, match=r"prompt_embeddings .*4.* \[3, "):
        read_adapter(tmp_path)
