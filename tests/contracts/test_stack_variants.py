"""Every variant of a stack on a decoder and on an encoder: each layer counts, and exactly the right weights learn.

The yardstick is a plain body whose matrices were merged by hand, W + Σ (α/r)·BA, without peft.
"""

import copy
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from chartune.adapters.adapter import read_adapter, write_adapter
from chartune.adapters.full import Full
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import AnyLayer, Attached, Fresh, Frozen, Stack, Trainable, attach
from chartune.models.backbone import LocalBackbone
from chartune.models.heads import Head, pool
from chartune.models.load import load_body
from chartune.models.readers import Classifier
from chartune.testing.twins import EXACT, twin
from chartune.train.optimizer import Optimisation, make_optimizer

IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301], [9, 9, 17, 60, 2, 2, 2]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]])
LABELS, WEIGHTS = torch.tensor([0, 1]), torch.tensor([1.0, 2.0])
CLINICAL: Final = LoRA(rank=4, alpha=6, targets="all-linear")
DOWNSTREAM: Final = LoRA(rank=2, alpha=5)
PART = "base_model.model."

VARIANTS: dict[str, tuple[AnyLayer, ...]] = {
    "head only": (),
    "LoRA": (Fresh(method=DOWNSTREAM),),
    "clinical frozen": (Frozen(adapter="clinical"),),
    "clinical trainable": (Trainable(adapter="clinical"),),
    "clinical frozen + LoRA": (Frozen(adapter="clinical"), Fresh(method=DOWNSTREAM)),
    "clinical trainable + LoRA": (Trainable(adapter="clinical"), Fresh(method=DOWNSTREAM)),
    "full": (Fresh(method=Full()),),
}
STACKED = [name for name, layers in VARIANTS.items() if layers and name != "full"]


@pytest.fixture(params=["llama", "bert"])
def base(request: pytest.FixtureRequest, twins: Path) -> LocalBackbone:
    return twin(twins, request.param)


@pytest.fixture
def clinical(base: LocalBackbone, tmp_path: Path) -> Path:
    """A trained clinical adapter on disk; its B is not zero."""
    return written(tmp_path / "clinical", base, CLINICAL, seed=1)


def written(folder: Path, base: LocalBackbone, method: LoRA, seed: int, scale: float = 0.3) -> Path:
    made = attach(Stack(layers=(Fresh(method=method),)), body_of(base), [None], seed)
    shake(made, seed, scale)
    write_adapter(folder, made.tensors(0), method, base, {"run": None, "state": "fresh"})
    return folder


def shake(attached: Attached, seed: int, scale: float = 0.3) -> None:
    """Move B of what learns; a fresh one starts at zero."""
    with torch.no_grad():
        for name, parameter in attached.trainable().items():
            if "lora_B" in name:
                parameter.normal_(std=scale, generator=torch.Generator().manual_seed(seed)) if scale else None


def body_of(base: LocalBackbone) -> nn.Module:
    return load_body(base, EXACT).module


def stacked(base: LocalBackbone, layers: tuple[AnyLayer, ...], *folders: Path) -> Attached:
    """A stack whose trained layers are read from `folders`, in order."""
    stack, left = Stack(layers=layers), list(folders)
    adapters = [None if isinstance(layer, Fresh) else read_adapter(left.pop(0)) for layer in layers]
    body = load_body(base, EXACT, trains_all=stack.trains_all()).module
    return attach(stack, body, adapters, seed=3)


def model_of(base: LocalBackbone, attached: Attached) -> Classifier:
    head = Head().build(32, np.zeros(2, dtype=np.float32), seed=5)
    return Classifier(attached.module, head, Head().pooling_for(base.family))


def built(base: LocalBackbone, variant: str, clinical: Path) -> tuple[Attached, Classifier]:
    attached = stacked(base, VARIANTS[variant], *[clinical] * ("clinical" in variant))
    shake(attached, seed=9)
    return attached, model_of(base, attached)


def logits(model: Classifier) -> Tensor:
    model.eval()
    with torch.no_grad():
        told: Tensor = model.head(model.pooled(IDS, MASK))
    return told


def loss(model: Classifier) -> Tensor:
    told: Tensor = model(input_ids=IDS, attention_mask=MASK, labels=LABELS, weights=WEIGHTS)
    return told


def merged(plain: nn.Module, layers: list[tuple[LoRA, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Matrices of a plain body by name, with the layers added by hand: W + Σ (α/r)·BA."""
    weights: dict[str, Tensor] = {name: tensor.detach() for name, tensor in plain.named_parameters()}
    for method, tensors in layers:
        for name in (n for n in tensors if n.endswith("lora_A.weight")):
            matrix = name.removeprefix(PART).replace("lora_A.weight", "weight")
            update = tensors[name.replace("lora_A", "lora_B")] @ tensors[name]
            weights[matrix] = weights[matrix] + (method.alpha / method.rank) * update
    return weights


def by_hand(base: LocalBackbone, model: Classifier, layers: list[tuple[LoRA, dict[str, Tensor]]]) -> Tensor:
    """Logits of the plain body with merged matrices and the model's own head."""
    plain = body_of(base)
    states = functional_call(plain, merged(plain, layers), (), {"input_ids": IDS, "attention_mask": MASK})
    told: Tensor = model.head(pool(states.last_hidden_state, MASK, model.pooling))
    return told


def layers_of(attached: Attached) -> list[tuple[LoRA, dict[str, Tensor]]]:
    methods = [method for method in attached.methods if isinstance(method, LoRA)]
    return [(method, attached.tensors(index)) for index, method in enumerate(methods)]


@pytest.mark.parametrize("variant", STACKED)
def test_the_output_is_the_sum_formula_s_with_all_layers_and_without_any_one(
    base: LocalBackbone, clinical: Path, variant: str
) -> None:
    attached, model = built(base, variant, clinical)
    layers, whole = layers_of(attached), logits(model)
    assert torch.allclose(whole, by_hand(base, model, layers), atol=1e-5)
    for index in range(len(layers)):
        without = copy.deepcopy(model)
        with torch.no_grad():
            for name, parameter in without.named_parameters():
                if f"lora_B.layer{index}." in name:
                    parameter.zero_()
        expected = by_hand(base, model, layers[:index] + layers[index + 1 :])
        assert torch.allclose(logits(without), expected, atol=1e-5)
        assert not torch.allclose(whole, expected, atol=1e-3)


@pytest.mark.parametrize("variant", STACKED)
def test_every_single_matrix_of_every_layer_is_in_the_forward_pass(
    base: LocalBackbone, clinical: Path, variant: str
) -> None:
    attached, model = built(base, variant, clinical)
    whole, seen = logits(model), 0
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            kept = parameter.detach().clone()
            with torch.no_grad():
                parameter.add_(0.1)
                assert not torch.equal(logits(model), whole), name
                parameter.copy_(kept)
            seen += 1
    assert seen == sum(len(attached.tensors(index)) for index in range(len(attached.methods)))
    assert torch.equal(logits(model), whole)


def learns(variant: str, name: str) -> bool:
    """Which parameters of a variant must learn, written down apart from the code under test."""
    if name.startswith("head.") or variant == "full":
        return True
    if "lora_" not in name:
        return False
    if ".layer0." in name:
        return variant in ("LoRA", "clinical trainable", "clinical trainable + LoRA")
    return variant in ("clinical frozen + LoRA", "clinical trainable + LoRA")


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_moves_what_must_learn_and_leaves_every_other_bit(
    base: LocalBackbone, clinical: Path, variant: str
) -> None:
    attached, model = built(base, variant, clinical)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model, Optimisation(learning_rate=1e-2, head_learning_rate=1e-2))
    loss(model.train()).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    attached.must_hold()
    assert any(learns(variant, name) for name in before)
    for name, parameter in model.named_parameters():
        if learns(variant, name):
            assert parameter.grad is not None, name
            # Softmax forgets what is added to all keys alike, so their bias gets rounding noise at most.
            assert not torch.equal(parameter, before[name]) or name.endswith("key.bias"), name
        else:
            assert parameter.grad is None, name
            assert torch.equal(parameter, before[name]), name


@pytest.mark.parametrize("variant", [name for name in STACKED if name != "clinical frozen"])
def test_gradients_are_those_of_the_hand_merged_body(base: LocalBackbone, clinical: Path, variant: str) -> None:
    attached, model = built(base, variant, clinical)
    loss(model).backward()  # type: ignore[no-untyped-call]
    leaves = [(m, {n: t.detach().clone().requires_grad_() for n, t in ts.items()}) for m, ts in layers_of(attached)]
    each = nn.functional.cross_entropy(by_hand(base, model, leaves), LABELS, reduction="none")
    (each * WEIGHTS).sum().backward()  # type: ignore[no-untyped-call]
    learning = {name: parameter.grad for name, parameter in attached.trainable().items()}
    compared = 0
    for index, (_, tensors) in enumerate(leaves):
        for name, leaf in tensors.items():
            here = learning.get(name.removeprefix(PART).replace(".weight", f".layer{index}.weight"))
            if here is not None:
                assert leaf.grad is not None
                assert torch.allclose(here, leaf.grad, atol=1e-5, rtol=1e-4), name
                assert leaf.grad.abs().sum() > 0, name
                compared += 1
    assert compared == len(learning)


@pytest.mark.parametrize("state", [Frozen, Trainable])
def test_dropout_is_off_in_frozen_layers_and_on_in_trainable_ones(
    base: LocalBackbone, tmp_path: Path, state: type[Frozen | Trainable]
) -> None:
    folder = written(tmp_path / "dropped", base, CLINICAL.model_copy(update={"dropout": 0.5}), seed=1)
    model = model_of(base, stacked(base, (state(adapter="x"), Fresh(method=DOWNSTREAM)), folder))
    quiet, (one, two) = logits(model), (noisy(model, seed) for seed in (1, 2))
    assert torch.equal(one, two) == (state is Frozen)
    assert torch.equal(one, quiet) == (state is Frozen)


def noisy(model: Classifier, seed: int) -> Tensor:
    model.train()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        told: Tensor = model.head(model.pooled(IDS, MASK))
    return told


def test_dropout_of_the_downstream_layer_is_on_above_a_frozen_one(base: LocalBackbone, clinical: Path) -> None:
    above = Fresh(method=DOWNSTREAM.model_copy(update={"dropout": 0.5}))
    attached = stacked(base, (Frozen(adapter="x"), above), clinical)
    shake(attached, seed=9)
    model = model_of(base, attached)
    assert not torch.equal(noisy(model, 1), noisy(model, 2))


def test_the_order_of_layers_does_not_change_logits(base: LocalBackbone, clinical: Path, tmp_path: Path) -> None:
    task = written(tmp_path / "task", base, DOWNSTREAM, seed=2)
    pair = (Frozen(adapter="a"), Frozen(adapter="b"))
    one = logits(model_of(base, stacked(base, pair, clinical, task)))
    two = logits(model_of(base, stacked(base, pair, task, clinical)))
    assert torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("variant", STACKED)
def test_a_stack_that_is_written_and_read_again_gives_the_same_logits(
    base: LocalBackbone, clinical: Path, tmp_path: Path, variant: str
) -> None:
    attached, model = built(base, variant, clinical)
    loss(model.train()).backward()  # type: ignore[no-untyped-call]
    make_optimizer(model, Optimisation(learning_rate=1e-2)).step()
    folders = [tmp_path / f"layer{index}" for index in range(len(attached.methods))]
    for index, folder in enumerate(folders):
        lineage = {"run": None, "state": attached.states[index]}
        write_adapter(folder, attached.tensors(index), attached.methods[index], base, lineage)
    again = stacked(base, tuple(Frozen(adapter=str(folder)) for folder in folders), *folders)
    reread = Classifier(again.module, model.head, model.pooling)
    assert torch.equal(logits(reread), logits(model))


def test_a_placebo_is_no_clinical_layer_at_all(base: LocalBackbone, tmp_path: Path) -> None:
    placebo = written(tmp_path / "placebo", base, CLINICAL, seed=1, scale=0)
    with_placebo = stacked(base, (Frozen(adapter="placebo"), Fresh(method=DOWNSTREAM)), placebo)
    without = stacked(base, (Fresh(method=DOWNSTREAM),))
    for attached in (with_placebo, without):
        shake(attached, seed=9)
    assert all(
        torch.equal(one, two)
        for one, two in zip(with_placebo.tensors(1).values(), without.tensors(0).values(), strict=True)
    )
    assert torch.equal(logits(model_of(base, with_placebo)), logits(model_of(base, without)))


def test_two_fresh_layers_of_one_shape_do_not_start_alike(base: LocalBackbone) -> None:
    attached = stacked(base, (Fresh(method=DOWNSTREAM), Fresh(method=DOWNSTREAM)))
    one, two = attached.tensors(0), attached.tensors(1)
    drawn = [name for name in one if "lora_A" in name]
    assert drawn
    assert not any(torch.equal(one[name], two[name]) for name in drawn)
