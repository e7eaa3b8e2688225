"""IA3: its formula by hand, two of them are their product, weight decay leaves it alone, stock peft's is read."""

from pathlib import Path

import pytest
import torch
from peft import IA3Config, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from chartune.adapters.adapter import read_adapter
from chartune.adapters.ia3 import IA3
from chartune.adapters.stack import Attached, Fresh, Frozen, Stack, attach
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import LocalBackbone
from chartune.testing.adapted import body_of, hidden, shaken
from chartune.testing.twins import twin
from chartune.train.optimizer import Optimisation, make_optimizer

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft's old name


def with_ia3(base: LocalBackbone, *methods: IA3) -> Attached:
    layers = tuple(Fresh(method=method) for method in methods)
    return attach(Stack(layers=layers), body_of(base), [None] * len(methods), seed=1)


@pytest.mark.parametrize(
    ("model_type", "each"), [("llama", 16 + 16 + 64), ("bert", 32 + 32 + 64), ("gpt_neox", 96 + 64)]
)
def test_its_parameters_are_counted_by_hand(twins: Path, model_type: str, each: int) -> None:
    body = body_of(twin(twins, model_type))  # two blocks of 32 and 64; llama's keys have two heads of 8
    assert IA3().count(body, anatomy_of(body)) == 2 * each


def test_two_layers_are_their_product(bert: LocalBackbone) -> None:
    two, one = shaken(with_ia3(bert, IA3(), IA3())), with_ia3(bert, IA3())
    lower, upper = two.tensors(0), two.tensors(1)
    one.methods[0].restore(one.module, "layer0", {name: lower[name] * upper[name] for name in lower})
    assert torch.allclose(hidden(two.module), hidden(one.module), atol=1e-6)


def test_weight_decay_does_not_pull_it_to_zero(bert: LocalBackbone) -> None:
    attached = with_ia3(bert, IA3())
    choice = Optimisation(learning_rate=1e-2, weight_decay=0.5)
    for parameter in attached.trainable().values():
        parameter.grad = torch.zeros_like(parameter)
    make_optimizer(attached.module, choice, attached.undecayed()).step()
    assert all(bool((p == 1).all()) for p in attached.trainable().values())


@pytest.mark.parametrize("targets", [["k_proj", "v_proj", "down_proj"], ["q_proj", "up_proj", "down_proj"]])
def test_that_of_stock_peft_is_a_layer(llama: LocalBackbone, tmp_path: Path, targets: list[str]) -> None:
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(llama.folder),
        IA3Config(target_modules=targets, feedforward_modules=["down_proj"], task_type="CAUSAL_LM"),
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "ia3_" in name:
                parameter.normal_(1, 0.3, generator=torch.Generator().manual_seed(3))
    model.save_pretrained(tmp_path)
    expected = hidden(model.base_model.model.model)
    adapter = read_adapter(tmp_path)
    adapter.must_fit(llama)
    attached = attach(Stack(layers=(Frozen(adapter="x"),)), body_of(llama), [adapter], seed=0)
    assert torch.allclose(hidden(attached.module), expected, atol=1e-6)


def test_one_with_a_head_is_refused(llama: LocalBackbone, tmp_path: Path) -> None:
    config = IA3Config(target_modules=["k_proj"], feedforward_modules=[], task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(llama.folder), config).save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    save_file(load_file(file) | {"base_model.model.score.weight": torch.ones(2, 32)}, file)
    with pytest.raises(AdapterError, match=r"IA3 .*score"):
        read_adapter(tmp_path)


def test_one_that_changes_nothing_is_doubted(llama: LocalBackbone, tmp_path: Path) -> None:
    config = IA3Config(target_modules=["k_proj"], feedforward_modules=[], task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(llama.folder), config).save_pretrained(tmp_path)
    assert "every vector is 1" in (read_adapter(tmp_path).warning() or "")
