"""How texts are read where nothing learns, by the rule of `stages.resolving`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from chartune.models.backbone import LocalBackbone
from chartune.stages.facts import environment
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain
from chartune.stages.resolving import resolved_of
from chartune.testing.twins import make_twin, twin

LORA = {"kind": "fresh", "method": {"kind": "lora"}}
PREFIX = {"kind": "fresh", "method": {"kind": "prefix"}}
FULL = {"kind": "fresh", "method": {"kind": "full"}}
CLINICAL = {"kind": "frozen", "adapter": "of some method"}


def resolved(base: LocalBackbone | None, *layers: dict[str, Any], **numerics: str) -> Any:
    stage = {
        "data": {"source": {"kind": "mimic3", "folder": "."}}, "backbone": {"name": "a twin"}, "numerics": numerics,
        "stack": {"layers": layers},
    }  # fmt: skip
    return resolved_of(Finetune.parse(stage), base)


def pretraining(base: LocalBackbone, method: str, **numerics: str) -> Any:
    stage = {
        "data": {"source": {"kind": "mimic3", "folder": "."}}, "backbone": {"name": "a twin"}, "numerics": numerics,
        "method": {"kind": method},
    }  # fmt: skip
    return resolved_of(Pretrain.parse(stage), base)


@pytest.mark.parametrize(("family", "layers", "way"), [
    ("bert", [LORA], "fused"), ("bert", [], "fused"), ("bert", [FULL], "fused"), ("bert", [CLINICAL, LORA], "fused"),
    ("bert", [PREFIX], "as-trained"), ("bert", [PREFIX, LORA], "merged"),
    ("distilbert", [LORA], "merged"), ("distilbert", [], "as-trained"),
    ("llama", [LORA], "merged"), ("llama", [CLINICAL], "merged"), ("llama", [], "as-trained"),
    ("llama", [FULL], "as-trained"), ("llama", [PREFIX], "as-trained"),
])  # fmt: skip
def test_what_can_be_merged_is_and_encoders_of_berts_kind_are_fused(
    twins: Path, family: str, layers: list[dict[str, Any]], way: str
) -> None:
    assert resolved(twin(twins, family), *layers).reading == way


def test_the_choice_is_recorded_and_makes_another_run_only_where_it_changes_something(twins: Path) -> None:
    bert, llama = twin(twins, "bert"), twin(twins, "llama")
    fused, merged = resolved(bert, LORA), resolved(bert, LORA, reading="merged")
    stock = resolved(bert, LORA, reading="as-trained")
    assert [each.reading for each in (fused, merged, stock)] == ["fused", "merged", "as-trained"]
    assert "; read fused" in fused.reason
    assert fused.hashable() == {**stock.hashable(), "reading": "fused"} != merged.hashable()
    assert resolved(llama, PREFIX).hashable() == resolved(llama, PREFIX, reading="as-trained").hashable()
    assert resolved(None, LORA).reading == "merged"


def test_wide_matrices_are_not_held_twice(twins: Path) -> None:
    make_twin("bert", twins / "wide", hidden_size=1056, blocks=1)
    assert resolved(twin(twins, "wide"), LORA).reading == "as-trained"


def test_masked_pretraining_is_read_merged(twins: Path) -> None:
    assert pretraining(twin(twins, "bert"), "lora").reading == "merged"


@pytest.mark.parametrize(("family", "method", "why"), [
    ("llama", "lora", "a training of less than"), ("llama", "c3a", r"not tried with C3A b=128"),
    ("llama", "full", "not tried with"), ("mistral", "lora", "tried on llama alone"),
    ("bert", "lora", "the base reads both ways"),
])  # fmt: skip
def test_what_was_not_tried_is_not_compiled_by_rule(twins: Path, family: str, method: str, why: str) -> None:
    assert re.search(f"; not compiled: {why}", pretraining(twin(twins, family), method).reason)


def test_switches_that_are_off_are_recorded_as_off(twins: Path) -> None:
    off = environment(pretraining(twin(twins, "llama"), "lora", compile="off", reading="as-trained"), {})
    assert (off["compiled"], off["reading"]) == (False, "as-trained")
    assert off["precision_reason"].endswith("; read as-trained; not compiled: chosen in the config")


@pytest.fixture
def two_threads() -> Iterator[None]:
    count = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(count)


@pytest.mark.usefixtures("two_threads")
def test_two_threads_take_half_of_a_micro_batch_each_where_they_gain(twins: Path) -> None:
    bert = twin(twins, "bert")
    both = resolved(bert, LORA)
    assert both.data_parallel
    assert "halves of a micro-batch by two threads, unless dropout is drawn" in both.reason
    assert both.hashable() == resolved(bert, LORA, data_parallel="off").hashable()  # as the number of threads is
    others = [resolved(bert, *layers) for layers in ((), (CLINICAL,), (FULL,))]
    others += [resolved(bert, LORA, data_parallel="off"), pretraining(twin(twins, "llama"), "lora", compile="on")]
    assert not any(other.data_parallel for other in others)
    torch.set_num_threads(1)
    assert not resolved(bert, LORA).data_parallel
