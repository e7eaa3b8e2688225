"""How a trained adapter comes into a stack: merged below everything, or beside the weights."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from chartune.adapters.adapter import Adapter, read_adapter
from chartune.adapters.fusion import merging
from chartune.adapters.ia3 import IA3
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.p_tuning import PTuning
from chartune.adapters.prefix import Prefix
from chartune.adapters.prompt import Prompt
from chartune.adapters.shuffled import shuffled, weights_of
from chartune.adapters.stack import Attached, Fresh, Frozen, Merged, Stack, attach
from chartune.config import Config
from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.testing.adapted import hidden, kept, one_step, optimizer_of, shaken
from chartune.testing.twins import EXACT, twin

CLINICAL = LoRA(rank=4, alpha=6, targets="all-linear")
ABOVE = (LoRA(rank=2), LoRA(rank=2, decomposed=True), IA3(), Prefix(tokens=2), Prompt(tokens=2), PTuning(tokens=2))


@pytest.fixture(params=["llama", "bert"])
def base(request: pytest.FixtureRequest, twins: Path) -> LocalBackbone:
    return twin(twins, request.param)


@pytest.fixture
def clinical(base: LocalBackbone, tmp_path: Path) -> Adapter:
    kept(tmp_path / "clinical", base, CLINICAL)
    return read_adapter(tmp_path / "clinical")


def merged_below(base: LocalBackbone, clinical: Adapter, *above: Fresh, numerics: Resolved = EXACT) -> Attached:
    stack = Stack(layers=(Merged(adapter=str(clinical.folder)), *above))
    adapters = [clinical, *[None] * len(above)]
    body = load_body(base, numerics, trains_all=stack.trains_all(), change=merging(stack, adapters))
    return attach(stack, body.module, adapters, seed=3)


def test_a_merged_layer_reads_as_a_frozen_one_and_is_rounded_once(base: LocalBackbone, clinical: Adapter) -> None:
    frozen = Stack(layers=(Frozen(adapter=str(clinical.folder)),))
    expected = hidden(attach(frozen, load_body(base, EXACT).module, [clinical], seed=0).module)
    exact = merged_below(base, clinical)
    assert torch.allclose(hidden(exact.module), expected, atol=1e-5)
    assert not torch.allclose(hidden(load_body(base, EXACT).module), expected, atol=1e-3)
    assert (exact.states, exact.trainable(), exact.counts()[0][1:]) == (("merged",), {}, (0, 0))
    rounded = merged_below(base, clinical, numerics=replace(EXACT, precision="bf16")).module
    whole, changed = dict(exact.module.named_parameters()), 0
    for name, parameter in rounded.named_parameters():
        assert torch.equal(parameter, whole[name].to(parameter.dtype)), name
        changed += parameter.dtype == torch.bfloat16
    assert changed >= len(clinical.tensors()) // 2


@pytest.mark.parametrize("method", ABOVE, ids=lambda method: method.title().replace(" ", "-"))
def test_any_method_stands_on_a_merged_layer_and_learns_alone(
    base: LocalBackbone, clinical: Adapter, method: Method
) -> None:
    alone = hidden(merged_below(base, clinical).module)
    attached = merged_below(base, clinical, Fresh(method=method))
    assert torch.allclose(hidden(attached.module), alone, atol=1e-5) == method.starts_as_identity
    shaken(attached)
    before = {name: parameter.detach().clone() for name, parameter in attached.module.named_parameters()}
    one_step(attached, optimizer_of(attached))
    attached.must_hold()
    learnt = set(attached.trainable())
    assert learnt
    for name, parameter in attached.module.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in learnt), name


def test_what_cannot_be_below_is_said_by_the_config() -> None:
    merged, fresh = {"kind": "merged", "adapter": "x"}, {"kind": "fresh"}
    full = {"kind": "fresh", "method": {"kind": "full"}}
    assert Stack.parse({"layers": [merged, merged, full]}).trains_all()
    for layers, why in (([fresh, merged], "lowest of a stack"), ([merged, fresh, full], "only layer of a stack")):
        with pytest.raises(ConfigError, match=why):
            Stack.parse({"layers": layers})


def test_a_merged_layer_alone_leaves_the_head_to_learn() -> None:
    stack = Stack(layers=(Merged(adapter="x"),))
    assert (stack.trains_body(), stack.title()) == (False, "merged clinical")
    assert issubclass(Merged, Config)


def test_a_shuffled_layer_has_the_numbers_of_other_blocks_and_none_of_its_own_place(
    base: LocalBackbone, clinical: Adapter, tmp_path: Path
) -> None:
    plain = clinical.tensors()
    for seed in range(4):
        layer = Frozen(adapter="x", shuffled=seed)
        attached = attach(Stack(layers=(layer,)), load_body(base, EXACT).module, [clinical], seed=0)
        moved = attached.tensors(0)
        assert moved.keys() == plain.keys()
        assert not any(torch.equal(moved[name], plain[name]) for name in plain)
        for name in (name for name in plain if "lora_A" in name):  # A and B of a matrix go together
            (source,) = [other for other in plain if torch.equal(plain[other], moved[name])]
            assert name != source
            assert re.sub(r"\d+", "", name) == re.sub(r"\d+", "", source)
            pair = name.replace("lora_A", "lora_B"), source.replace("lora_A", "lora_B")
            assert torch.equal(moved[pair[0]], plain[pair[1]])
        again = weights_of(layer, clinical)
        assert all(torch.equal(moved[name], again[name]) for name in plain)
    assert layer.hashable()["shuffled"] == 3
    assert Frozen(adapter="x").hashable() == {"kind": "frozen"}
    assert Stack(layers=(layer,)).title() == "frozen clinical shuffled"


def test_blocks_move_in_one_cycle_and_what_has_no_equal_stays() -> None:
    weights = {f"m.layers.{block}.q.lora_A.weight": torch.full((2,), float(block)) for block in range(12)}
    weights |= {"m.layers.12.q.lora_A.weight": torch.full((3,), 12.0), "m.pooler.lora_A.weight": torch.zeros(2)}
    orders = set()
    for seed in range(6):
        moved = shuffled(weights, seed, "x")
        order = [int(moved[f"m.layers.{block}.q.lora_A.weight"][0]) for block in range(13)]
        assert sorted(order) == list(range(13))
        assert all((place == block) == (block == 12) for block, place in enumerate(order))
        orders.add(tuple(order))
    assert len(orders) > 3
    with pytest.raises(AdapterError, match="two or more blocks of equal shapes"):
        shuffled({"prompt_embeddings": torch.zeros(3, 4)}, 0, "a prompt")
