"""`--fusion`: each name is a stack, and what contradicts it is refused."""

from pathlib import Path
from typing import Any

import pytest

from chartune.adapters.lora import LoRA
from chartune.adapters.prefix import Prefix
from chartune.adapters.stack import Stack
from chartune.cli.fusions import FUSIONS, fused
from chartune.cli.stage_flags import FinetuneFlags
from chartune.errors import ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.stages.finetune import Finetune
from chartune.testing.adapted import kept

STACKS = {
    "sum": "frozen clinical + LoRA r=16",
    "merge-then-fresh": "merged clinical + LoRA r=16",
    "continue": "trainable clinical",
    "head-only": "frozen clinical",
    "equal-rank": "LoRA r=20",
    "shuffled": "frozen clinical shuffled + LoRA r=16",
    "paper-code": "frozen clinical + inactive LoRA r=16",
}


def stage(clinical: Path, folder: Path, **flags: Any) -> Finetune:
    notes = folder / "notes.csv"
    notes.write_text("subject_id,text,label\n1,fever,yes\n2,pain,no\n")
    made = FinetuneFlags(folder=notes, base="b", clinical=str(clinical), store=folder / "store", **flags).stage()
    assert isinstance(made, Finetune)
    return made


@pytest.mark.parametrize("name", FUSIONS)
def test_a_fusion_is_a_stack(name: str, llama: LocalBackbone, tmp_path: Path) -> None:
    kept(tmp_path / "clinical", llama, LoRA(rank=4))
    stack = stage(tmp_path / "clinical", tmp_path, fusion=name).stack
    assert stack.title() == STACKS[name]
    if name == "equal-rank":
        own = stage(tmp_path / "clinical", tmp_path, fusion=name, rank=3).stack.layers[0]
        assert own.model_dump()["method"]["rank"] == 7
        assert own.model_dump()["method"]["alpha"] == 14
        kept(tmp_path / "prefix", llama, Prefix(tokens=2))
        with pytest.raises(ConfigError, match="a LoRA below and above"):
            stage(tmp_path / "prefix", tmp_path, fusion=name)


def test_nothing_said_is_a_sum_and_a_head_alone_needs_no_adapter(tmp_path: Path) -> None:
    assert stage(tmp_path, tmp_path).stack == stage(tmp_path, tmp_path, fusion="sum").stack
    learning = stage(tmp_path, tmp_path, fusion="sum", clinical_state="trainable").stack
    assert learning.title() == "trainable clinical + LoRA r=16"
    assert fused("head-only", None, None, None, lambda _: []) == []
    assert set(STACKS) == set(FUSIONS)
    assert Stack.parse({"layers": fused("continue", "x", None, None, lambda _: [])}).trains_body()


@pytest.mark.parametrize(
    ("fusion", "clinical", "state", "method", "why"),
    [
        ("continue", None, None, None, "--clinical is missing"),
        ("merge-then-fresh", "x", "trainable", None, "leave out --clinical-state"),
        ("continue", "x", None, "lora", "must not contradict"),
        ("sum", "x", None, "head-only", "must not contradict"),
    ],
)
def test_what_contradicts_a_fusion_is_refused(
    fusion: str, clinical: str | None, state: str | None, method: str | None, why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        fused(fusion, clinical, state, method, lambda _: [])
