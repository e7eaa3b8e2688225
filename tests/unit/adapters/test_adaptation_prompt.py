"""The adaptation prompt: gated, in the upper blocks, equal to stock peft's; which bodies it refuses."""

from pathlib import Path

import pytest
import torch
from peft import AdaptionPromptConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig

from chartune.adapters.adaptation_prompt import AdaptationPrompt
from chartune.adapters.adapter import read_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Attached, Fresh, Stack, attach
from chartune.errors import AdapterError, ConfigError
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import LocalBackbone
from chartune.models.families import family_of
from chartune.models.load import load_body
from chartune.models.meta import meta_body
from chartune.models.numerics import Resolved
from chartune.testing.stock_layers import must_be_a_layer
from chartune.testing.twins import EXACT, twin

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft's old name
IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301]])


def opened(base: LocalBackbone, method: AdaptationPrompt, attention: str = "eager") -> Attached:
    """A fresh one, its gates moved from zero."""
    body = load_body(base, Resolved("cpu", "fp32", attention, "a test")).module  # type: ignore[arg-type]
    attached = attach(Stack(layers=(Fresh(method=method),)), body, [None], seed=1)
    state = attached.tensors(0)
    method.restore(body, "layer0", {name: tensor + 0.5 for name, tensor in state.items()})
    return attached


def states(module: nn.Module, ids: Tensor, **given: Tensor) -> Tensor:
    module.eval()
    with torch.no_grad():
        read: Tensor = module(input_ids=ids, **given).last_hidden_state
    return read


def test_it_stands_in_the_upper_blocks_with_the_counts_of_p1() -> None:
    seven_billion = LlamaConfig(
        vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32
    )
    body = meta_body(seven_billion, family_of("llama", "LLaMA-7B"), EXACT).module
    method = AdaptationPrompt(tokens=10, blocks=30)
    assert method.count(body, anatomy_of(body)) == 1_228_830
    blocks = {int(name.split(".")[3]) for name in method.shapes(body, anatomy_of(body))}
    assert blocks == set(range(2, 32))
    assert AdaptationPrompt(tokens=10, depth=0.9375).shapes(body, anatomy_of(body)) == method.shapes(
        body, anatomy_of(body)
    )


def test_a_fraction_of_the_blocks_stands_for_a_number_on_a_base_of_any_depth(llama: LocalBackbone) -> None:
    body = opened(llama, AdaptationPrompt()).module
    places = len(anatomy_of(body).attention)
    for depth, count in ((1.0, places), (0.5, places // 2), (0.01, 1)):
        shapes = AdaptationPrompt(tokens=3, depth=depth).shapes(body, anatomy_of(body))
        assert len(shapes) == 2 * count
        assert {int(name.split(".")[3]) for name in shapes} == set(range(places - count, places))
    assert AdaptationPrompt(depth=0.5).title() == "adaptation prompt n=10 in 0.5 of the blocks"


def test_a_number_and_a_fraction_of_blocks_are_not_asked_together() -> None:
    with pytest.raises(ConfigError, match="leave one of them out"):
        AdaptationPrompt.parse({"kind": "adaptation-prompt", "blocks": 3, "depth": 0.5})


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_texts_read_the_prompt_and_not_each_other(llama: LocalBackbone, attention: str) -> None:
    module = opened(llama, AdaptationPrompt(tokens=3), attention).module
    together = states(module, IDS, position_ids=torch.tensor([[0, 1, 2, 3, 0, 1, 2]]))
    assert torch.allclose(together[:, :4], states(module, IDS[:, :4]), atol=1e-5)
    assert torch.allclose(together[:, 4:], states(module, IDS[:, 4:]), atol=1e-5)


def test_the_two_ways_of_attention_agree(llama: LocalBackbone) -> None:
    one, two = (opened(llama, AdaptationPrompt(tokens=3), attention).module for attention in ("eager", "sdpa"))
    assert torch.allclose(states(one, IDS), states(two, IDS), atol=1e-5)


def test_the_gate_scales_what_is_read(llama: LocalBackbone) -> None:
    method = AdaptationPrompt(tokens=3, blocks=1)
    closed = load_body(llama, EXACT).module
    attached = opened(llama, method)
    for gate, equal in ((0.0, True), (0.5, False)):
        moved = {n: torch.full_like(t, gate) if n.endswith("gate") else t for n, t in attached.tensors(0).items()}
        method.restore(attached.module, "layer0", moved)
        assert torch.allclose(states(attached.module, IDS), states(closed, IDS), atol=1e-6) == equal


@pytest.mark.parametrize("model_type", ["llama", "mistral"])
def test_what_stock_peft_trained_is_a_layer(twins: Path, tmp_path: Path, model_type: str) -> None:
    base = twin(twins, model_type)
    config = AdaptionPromptConfig(task_type="CAUSAL_LM", adapter_len=3, adapter_layers=1)
    stock = get_peft_model(AutoModelForCausalLM.from_pretrained(base.folder), config)
    with torch.no_grad():
        for name, parameter in stock.named_parameters():
            if name.endswith("adaption_gate"):
                parameter.fill_(0.7)
    must_be_a_layer(stock, base, tmp_path, AdaptationPrompt(tokens=3, blocks=1))


def test_it_reads_by_the_matrices_as_the_layers_below_have_made_them(llama: LocalBackbone) -> None:
    body = load_body(llama, EXACT).module
    layers = (Fresh(method=LoRA(rank=2, targets="all-linear")), Fresh(method=AdaptationPrompt(tokens=3)))
    attached = attach(Stack(layers=layers), body, [None, None], seed=1)
    for index in (1, 0):
        moved = {name: tensor + 0.3 for name, tensor in attached.tensors(index).items()}
        attached.methods[index].restore(body, f"layer{index}", moved)
    attention = body.get_submodule("layers.0.self_attn")
    prompt = attention.get_submodule("prefixes.layer1")
    keys = next(prompt.sides(attention, torch.float32))  # type: ignore[operator]
    plain = nn.functional.linear(prompt.prompt, body.get_submodule("layers.0.self_attn.k_proj").base_layer.weight)  # type: ignore[union-attr, arg-type]
    assert not torch.allclose(keys.transpose(1, 2).flatten(2), plain, atol=1e-3)


@pytest.mark.parametrize("model_type", ["gpt2", "phi3", "deberta-v2", "longformer", "mobilebert"])
def test_bodies_without_a_matrix_each_for_keys_and_values_are_refused(twins: Path, model_type: str) -> None:
    body = load_body(twin(twins, model_type), EXACT).module
    with pytest.raises(AdapterError, match=model_type):
        attach(Stack(layers=(Fresh(method=AdaptationPrompt()),)), body, [None], seed=1)


def test_more_blocks_than_there_are_are_refused(llama: LocalBackbone) -> None:
    with pytest.raises(AdapterError, match="as many blocks as there are"):
        opened(llama, AdaptationPrompt(blocks=99))


def test_a_file_without_its_gates_is_refused(llama: LocalBackbone, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    config = AdaptionPromptConfig(task_type="CAUSAL_LM", adapter_len=3, adapter_layers=1)
    get_peft_model(AutoModelForCausalLM.from_pretrained(llama.folder), config).save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(file).items() if not name.endswith("gate")}, file)
    with pytest.raises(AdapterError, match="adaption_gate"):
        read_adapter(tmp_path)
