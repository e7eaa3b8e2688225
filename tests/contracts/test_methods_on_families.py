"""Every method of the catalog on every family: the rules that all keep; in pairs, and in full when slow."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModel

from chartune.adapters.ia3 import IA3
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.stack import Fresh
from chartune.errors import AdapterError, RunError
from chartune.testing.adapted import gap, hidden, kept, stacked
from chartune.testing.method_rules import (
    RULES,
    Rule,
    it_merges_into_the_weights_or_says_why_not,
    it_stacks_above_and_below_a_lora,
)
from chartune.testing.support import TRIED, called
from chartune.testing.twins import OWN, twin
from chartune.train.checkpoint import restore, trainable

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),  # stock peft asks by an old name
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable:FutureWarning"),
]
PAIRS = {(number % len(TRIED), model_type) for at, model_type in enumerate(OWN) for number in (at, at + 1)}
"""Two methods on each family, and so each method on two families or more."""
STACKED = (it_stacks_above_and_below_a_lora, it_merges_into_the_weights_or_says_why_not)
"""Rules of several layers, in the ordinary run on one family for each method."""


def cases() -> list[object]:
    """Stacks are dear: in the ordinary run one on each family."""
    return [
        pytest.param(rule, model_type, method, id=name, marks=() if ordinary else pytest.mark.slow)
        for at, model_type in enumerate(OWN)
        for number, method in enumerate(TRIED)
        for rule in RULES
        for first in [number == at % len(TRIED)]
        for ordinary in [first or ((number, model_type) in PAIRS and rule not in STACKED)]
        for name in [f"{model_type}-{called(method)}-{rule.__name__}".replace(" ", "-")]
    ]


@pytest.mark.parametrize(("rule", "model_type", "method"), cases())
def test_a_method_keeps_the_rule_on_a_family(twins: Path, model_type: str, method: Method, rule: Rule) -> None:
    base = twin(twins, model_type)
    if gap(base, method):
        with pytest.raises(AdapterError):
            stacked(base, Fresh(method=method))
        return
    rule(base, method)


def test_each_method_stands_on_two_families_and_each_family_has_two_methods() -> None:
    assert len(OWN) * 2 == len(PAIRS)
    for number in range(len(TRIED)):
        assert sum(number == one for one, _ in PAIRS) >= 2


@pytest.mark.parametrize("method", TRIED, ids=called)
def test_a_checkpoint_of_another_layer_is_refused(twins: Path, method: Method) -> None:
    attached = stacked(twin(twins, "llama"), Fresh(method=method))
    before = trainable(attached.module)
    other = stacked(twin(twins, "llama"), Fresh(method=LoRA(rank=5, targets="all-linear")))
    larger = {name: torch.cat([tensor, tensor]) for name, tensor in before.items()}
    single = {name: tensor[..., :1] for name, tensor in before.items()}  # torch would repeat it to fill the rest
    for tensors in (trainable(other.module), larger, single):
        with pytest.raises(RunError, match="exactly the weights that learn"):
            restore(attached.module, tensors, "a checkpoint")
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainable(attached.module).items())


@pytest.mark.parametrize("method", [LoRA(targets="all-linear"), IA3()], ids=called)
def test_stock_peft_reads_a_layer_beside_conv1d_exactly(twins: Path, tmp_path: Path, method: Method) -> None:
    base = twin(twins, "gpt2")
    expected = kept(tmp_path, base, method)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["fan_in_fan_out"] is True
    stock = PeftModel.from_pretrained(AutoModel.from_pretrained(base.folder, attn_implementation="eager"), tmp_path)
    assert torch.equal(hidden(stock), expected)
