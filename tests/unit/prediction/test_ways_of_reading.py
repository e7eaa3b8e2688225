"""Reading between the steps of a training: the same scores, and everything as it was, bit for bit."""

from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from chartune.adapters.lora import LoRA
from chartune.adapters.prefix import Prefix
from chartune.adapters.stack import Attached, Fresh, Stack, attach
from chartune.models.fused_encoder import FusedEncoder
from chartune.models.heads import Head
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier
from chartune.prediction.reading import reading
from chartune.testing.adapted import IDS, MASK, one_step, optimizer_of, shaken
from chartune.testing.twins import EXACT, twin

Way = Literal["as-trained", "merged", "fused"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)
DORA: Final = Fresh(method=LoRA(rank=4, alpha=4, targets="all-linear", decomposed=True))
LORA: Final = Fresh(method=LoRA(rank=4, alpha=4, targets="all-linear"))


def numerics(way: Way, precision: Literal["fp32", "bf16"] = "fp32") -> Resolved:
    return Resolved("cpu", precision, "eager", "a test", way)


def made(twins: Path, *layers: Fresh, family: str = "bert") -> tuple[Classifier, Attached]:
    body = load_body(twin(twins, family), EXACT)
    attached = attach(Stack(layers=layers), body.module, [None] * len(layers), seed=0)
    shaken(attached)
    head = Head().build(body.hidden_size, np.zeros(2, dtype=np.float32), 0)
    return Classifier(attached.module, head, "mean"), attached


def vectors(model: Classifier, way: Way, precision: Literal["fp32", "bf16"] = "fp32") -> NDArray[np.float32]:
    with reading(model, numerics(way, precision)) as body:
        return np.asarray(model.pooled(IDS, MASK, body))


def weights(model: Classifier) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("family", ["llama", "bert"])
@pytest.mark.parametrize("layers", [(), (LORA,), (DORA, LORA)], ids=["none", "LoRA", "DoRA and LoRA"])
def test_every_way_of_reading_gives_the_same_states(twins: Path, family: str, layers: tuple[Fresh, ...]) -> None:
    model, _ = made(twins, *layers, family=family)
    stock, merged, *fused = (vectors(model, way) for way in (WAYS if family == "bert" else WAYS[:2]))
    for other in (merged, *fused):
        np.testing.assert_allclose(other, stock, atol=1e-6 * float(np.abs(stock).max()), rtol=0)


def test_a_training_goes_on_as_if_nobody_had_read_in_between(twins: Path) -> None:
    (left_alone, first), (read, second) = made(twins, DORA), made(twins, DORA)
    of_first, of_second = optimizer_of(first), optimizer_of(second)
    for _ in range(2):
        one_step(first, of_first)
        one_step(second, of_second)
        before = weights(read)
        vectors(read, "fused")
        assert all(torch.equal(weight, before[name]) for name, weight in weights(read).items())
        assert read.training
        second.must_hold()
    own = weights(read)
    assert all(torch.equal(weight, own[name]) for name, weight in weights(left_alone).items())


def test_reading_that_fails_leaves_everything_as_it_was(twins: Path) -> None:
    model, attached = made(twins, LORA)
    before = weights(model.train())
    with pytest.raises(KeyboardInterrupt), reading(model, numerics("fused")):
        raise KeyboardInterrupt
    attached.must_hold()
    assert model.training
    assert all(torch.equal(weight, before[name]) for name, weight in weights(model).items())


def test_what_stands_beside_the_weights_keeps_transformers_way(twins: Path) -> None:
    model, _ = made(twins, LORA, Fresh(method=Prefix(tokens=3)))
    with reading(model, numerics("fused")) as body:
        assert not isinstance(body, FusedEncoder)
    np.testing.assert_allclose(vectors(model, "fused"), vectors(model, "as-trained"), atol=1e-5)
    bare, _ = made(twins, LORA)
    with reading(bare, numerics("fused")) as body:
        assert isinstance(body, FusedEncoder)


def test_in_bf16_a_merged_matrix_is_rounded_once(twins: Path) -> None:
    model, _ = made(twins, LORA, LORA)
    layer: Any = model.body.get_submodule("encoder.layer.0.attention.self.query")
    base = layer.base_layer
    base.weight.data = base.weight.data.to(torch.bfloat16)
    kept = base.weight.data.clone()
    change = sum(layer.get_delta_weight(f"layer{n}").detach() for n in range(2))
    with reading(model, numerics("merged", "bf16")):
        assert torch.equal(base.weight, (kept.float() + change).to(torch.bfloat16))
    assert torch.equal(base.weight, kept)
