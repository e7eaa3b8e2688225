"""Every method on every family: identity at the start, exact counts, only its own gradients, exact reload."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from peft.functional import set_adapter
from torch import nn
from transformers import AutoModel

from chartune.adapters.adapter import read_adapter, write_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Attached, Fresh, Frozen, Stack, Trainable, attach
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import LocalBackbone
from chartune.models.families import families
from chartune.models.load import Resolved, load_body
from chartune.testing.twins import twin

EXACT = Resolved("cpu", "fp32", "eager", "a test")
METHODS = [LoRA(rank=3, alpha=5), LoRA(rank=2, targets="all-linear", dropout=0.1)]
IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301]])


def hidden(module: nn.Module) -> torch.Tensor:
    module.eval()
    with torch.no_grad():
        states: torch.Tensor = module(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    return states


def shaken(attached: Attached) -> Attached:
    """B starts at zero; move it, so that the adapter does something."""
    with torch.no_grad():
        for name, parameter in attached.trainable().items():
            if "lora_B" in name:
                parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(7))
    return attached


def body_of(backbone: LocalBackbone) -> nn.Module:
    return load_body(backbone, EXACT).module


def fresh(backbone: LocalBackbone, method: LoRA) -> Attached:
    return attach(Stack(layers=(Fresh(method=method),)), body_of(backbone), [None], 1)


def saved(folder: Path, backbone: LocalBackbone, method: LoRA) -> torch.Tensor:
    """A shaken adapter on disk; returns the hidden states that it makes."""
    attached = shaken(fresh(backbone, method))
    write_adapter(folder, attached.tensors(0), method, backbone, {"run": None, "state": "fresh"})
    return hidden(attached.module)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.targets)
@pytest.mark.parametrize("model_type", families)
def test_a_fresh_method_is_the_identity_and_has_as_many_parameters_as_its_formula_says(
    twins: Path, model_type: str, method: LoRA
) -> None:
    backbone = twin(twins, model_type)
    body = body_of(backbone)
    expected, before = method.count(body, anatomy_of(body)), hidden(body)
    attached = attach(Stack(layers=(Fresh(method=method),)), body, [None], 1)
    assert expected > 0
    assert sum(p.numel() for p in attached.trainable().values()) == expected
    assert torch.equal(hidden(attached.module), before)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.targets)
@pytest.mark.parametrize("model_type", families)
def test_only_the_method_gets_gradients_and_all_of_it(twins: Path, model_type: str, method: LoRA) -> None:
    attached = shaken(fresh(twin(twins, model_type), method))
    attached.module.train()
    attached.module(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state.square().sum().backward()
    for name, parameter in attached.module.named_parameters():
        if "lora_" in name:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
        else:
            assert parameter.grad is None, name


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft asks by an old name
@pytest.mark.parametrize("model_type", families)
def test_a_saved_adapter_reloads_exactly_here_and_in_stock_peft(twins: Path, tmp_path: Path, model_type: str) -> None:
    backbone, method = twin(twins, model_type), LoRA(rank=3, alpha=5, targets="all-linear")
    expected = saved(tmp_path, backbone, method)
    frozen = attach(Stack(layers=(Frozen(adapter="x"),)), body_of(backbone), [read_adapter(tmp_path)], seed=99)
    assert torch.equal(hidden(frozen.module), expected)
    stock = PeftModel.from_pretrained(AutoModel.from_pretrained(backbone.folder, dtype=torch.float32), tmp_path)
    assert torch.allclose(hidden(stock), expected, atol=1e-5)


def test_both_layers_of_a_stack_are_in_the_forward_pass(llama: LocalBackbone, tmp_path: Path) -> None:
    one, two = LoRA(rank=4, targets="all-linear"), LoRA(rank=2)
    clinical = saved(tmp_path, llama, one)
    stack = Stack(layers=(Frozen(adapter="x"), Fresh(method=two)))
    attached = attach(stack, body_of(llama), [read_adapter(tmp_path), None], seed=3)
    assert torch.equal(hidden(attached.module), clinical)  # the fresh layer is the identity
    assert not torch.equal(hidden(shaken(attached).module), clinical)


def test_targets_can_be_named_and_a_name_that_is_none_is_refused(llama: LocalBackbone) -> None:
    named = LoRA(rank=2, targets=("layers.0.self_attn.q_proj", "up_proj"))
    attached = fresh(llama, named)
    body = body_of(llama)
    assert sum(p.numel() for p in attached.trainable().values()) == named.count(body, anatomy_of(body))
    assert {name.rpartition(".lora_")[0] for name in attached.tensors(0)} == {
        f"base_model.model.layers.{name}" for name in ("0.self_attn.q_proj", "0.mlp.up_proj", "1.mlp.up_proj")
    }
    with pytest.raises(AdapterError, match="a fresh layer targets q_porj and a llama has none"):
        fresh(llama, LoRA(targets=("v_proj", "q_porj")))


@pytest.mark.parametrize("state", ["frozen", "trainable"])
def test_the_clinical_layer_gets_gradients_only_when_it_is_trainable(
    llama: LocalBackbone, tmp_path: Path, state: str
) -> None:
    saved(tmp_path, llama, LoRA(rank=4))
    below = Frozen(adapter="x") if state == "frozen" else Trainable(adapter="x")
    attached = attach(
        Stack(layers=(below, Fresh(method=LoRA(rank=2)))),
        body_of(llama),
        [read_adapter(tmp_path), None],
        3,
    )
    shaken(attached).module.train()
    attached.module(input_ids=IDS).last_hidden_state.square().sum().backward()
    moved = {name for name, p in attached.module.named_parameters() if p.grad is not None}
    assert any(".layer1." in name for name in moved)
    assert any(".layer0." in name for name in moved) == (state == "trainable")


def test_a_frozen_layer_runs_without_dropout(llama: LocalBackbone, tmp_path: Path) -> None:
    expected = saved(tmp_path, llama, LoRA(rank=4, dropout=0.5))
    attached = attach(Stack(layers=(Frozen(adapter="x"),)), body_of(llama), [read_adapter(tmp_path)], 3)
    attached.module.train()
    with torch.no_grad():
        assert torch.equal(attached.module(input_ids=IDS).last_hidden_state, expected)


def test_a_switch_that_peft_turned_is_noticed(llama: LocalBackbone, tmp_path: Path) -> None:
    saved(tmp_path, llama, LoRA(rank=4))
    stack = Stack(layers=(Frozen(adapter="x"), Fresh(method=LoRA(rank=2))))
    attached = attach(stack, body_of(llama), [read_adapter(tmp_path), None], 3)
    # peft turns the frozen one on again
    set_adapter(attached.module, ["layer0", "layer1"])
    with pytest.raises(AdapterError, match="must have requires_grad=False"):
        attached.keep_promises()


def test_an_adapter_of_another_base_is_refused(llama: LocalBackbone, bert: LocalBackbone, tmp_path: Path) -> None:
    saved(tmp_path, llama, LoRA(rank=4))
    with pytest.raises(AdapterError, match="must be used on the base model that it was trained on"):
        read_adapter(tmp_path).must_fit(bert)


def test_a_pickled_adapter_is_refused_unopened(llama: LocalBackbone, tmp_path: Path) -> None:
    saved(tmp_path, llama, LoRA(rank=4))
    (tmp_path / "adapter_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(AdapterError, match="a pickle can run code"):
        read_adapter(tmp_path)
