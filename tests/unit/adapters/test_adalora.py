"""AdaLoRA learns what stock peft's learns, penalty and budget included, and ends within its budget."""

import copy
from typing import Any

import pytest
import torch
from peft import AdaLoraConfig, get_peft_model
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import AutoModelForCausalLM

from chartune.adapters.adalora import AdaLoRA, Budget
from chartune.adapters.regime import Regimes
from chartune.adapters.stack import Attached, Fresh, Stack, attach
from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import Body, load_body
from chartune.testing.adapted import IDS, body_of
from chartune.testing.twins import EXACT

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft's old name
METHOD = AdaLoRA(
    target_rank=1, initial_rank=3, targets=("q_proj", "v_proj"), interval=2, initial_fraction=0.1, final_fraction=0.3,
    orthogonality=0.5,
)  # fmt: skip
STEPS, MATRICES = 10, 4


def fresh(base: LocalBackbone) -> tuple[Body, Attached]:
    body = load_body(base, EXACT, language_model=True)
    return body, attach(Stack(layers=(Fresh(method=METHOD),)), body.module, [None], seed=1)


def stock(base: LocalBackbone, own: Attached) -> Any:
    """Stock peft's on the same language model, from the same weights."""
    config = AdaLoraConfig(
        init_r=3, target_r=1, lora_alpha=32, target_modules=["q_proj", "v_proj"], total_step=STEPS, tinit=1, tfinal=3,
        deltaT=2, orth_reg_weight=0.5, task_type="CAUSAL_LM",
    )  # fmt: skip
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base.folder, attn_implementation="eager"), config)
    with torch.no_grad():
        for name, tensor in weights(model, "default").items():
            tensor.copy_(weights(own.module, "layer0")[name])
    return model


def weights(module: nn.Module, layer: str) -> dict[str, Tensor]:
    """What learns, by the name below a block."""
    named = {n: p for n, p in module.named_parameters() if f".{layer}" in n and "lora_" in n}
    return {name.rpartition("layers.")[2].replace(f".{layer}", ""): tensor for name, tensor in named.items()}


def adamw(module: nn.Module) -> AdamW:
    return AdamW([p for p in module.parameters() if p.requires_grad], lr=0.02)


def step(body: Body, optimizer: AdamW, regimes: Regimes, number: int) -> None:
    """As the loop makes it: the mean loss, the penalty, and word of the step."""
    states = body.module(input_ids=IDS).last_hidden_state
    assert body.lm_head is not None
    loss = nn.functional.cross_entropy(body.lm_head(states)[:, :-1].flatten(0, 1), IDS[:, 1:].flatten())
    penalty = regimes.penalty()
    assert penalty is not None
    (loss + penalty).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    regimes.stepped(number)
    optimizer.zero_grad()


def test_it_learns_what_stock_peft_learns_and_ends_within_its_budget(llama: LocalBackbone) -> None:
    body, own = fresh(llama)
    other, regimes = stock(llama, own), own.regimes(STEPS)
    optimizer, of_stock = adamw(own.module), adamw(other)
    for number in range(STEPS):
        step(body, optimizer, regimes, number)
        other(input_ids=IDS, labels=IDS).loss.backward()
        of_stock.step()
        other.base_model.update_and_allocate(number)
        of_stock.zero_grad()
        expected = weights(other, "default")
        for name, tensor in weights(own.module, "layer0").items():
            assert torch.allclose(tensor, expected[name], atol=1e-5), (number, name)
            assert torch.equal(tensor == 0, expected[name] == 0), (number, name)
        assert regimes.may_be_best(number + 1) == (number >= STEPS - 3)
    values = [tensor for name, tensor in own.tensors(0).items() if name.endswith("lora_E")]
    assert len(values) == MATRICES
    assert sum(int((tensor != 0).sum()) for tensor in values) == METHOD.target_rank * MATRICES


@pytest.mark.parametrize("killed", [4, 8])
def test_one_that_was_killed_drops_the_same_singular_values(llama: LocalBackbone, killed: int) -> None:
    body, own = fresh(llama)
    optimizer, regimes = adamw(own.module), own.regimes(STEPS)
    for number in range(STEPS):
        if number == killed:
            weights_then, moments = own.tensors(0), copy.deepcopy(optimizer.state_dict())
            memory = {name: tensor.clone() for name, tensor in regimes.memory().items()}
            again, regained = fresh(llama)
            regained.methods[0].restore(regained.module, "layer0", weights_then)
            second, resumed = adamw(regained.module), regained.regimes(STEPS)
            second.load_state_dict(moments)
            resumed.recall(memory)
        step(body, optimizer, regimes, number)
        if number >= killed:
            step(again, second, resumed, number)
            memory, others = regimes.memory(), resumed.memory()
            assert all(torch.equal(memory.pop(name), tensor) for name, tensor in others.items())
            assert not memory
    assert all(torch.equal(tensor, regained.tensors(0)[name]) for name, tensor in own.tensors(0).items())


def test_its_parameters_are_counted_by_hand(llama: LocalBackbone) -> None:
    _, own = fresh(llama)
    assert sum(p.numel() for p in own.trainable().values()) == 2 * (3 * (32 + 32 + 1) + 3 * (32 + 16 + 1))


def test_a_training_too_short_for_a_budget_is_refused(llama: LocalBackbone) -> None:
    attached = attach(Stack(layers=(Fresh(method=AdaLoRA()),)), body_of(llama), [None], seed=1)
    with pytest.raises(AdapterError, match="of 1 in all the first 0 come before that and the last 1 after it"):
        attached.regimes(1)
    assert isinstance(attached.regimes(2).layers["layer0"], Budget)


@pytest.mark.parametrize(("numbers", "why"), [
    ({"target_rank": 12}, r"`target_rank` must be below `initial_rank`, but is 12 of 12"),
    ({"initial_fraction": 0.5, "final_fraction": 0.5}, r"must leave steps"),
])  # fmt: skip
def test_a_budget_that_cannot_fall_is_refused(numbers: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        AdaLoRA.parse(numbers)
