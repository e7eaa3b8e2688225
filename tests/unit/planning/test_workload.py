"""Tokens that a stage reads without gradients, counted by hand."""

from pathlib import Path

import pytest

from chartune.planning.workload import _read, _read_blocks, _Texts
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain

DATA = {"source": {"kind": "tabular", "file": "notes.csv"}, "held_out_copies": "kept"}
TEXTS = {"train": _Texts(100, 10.0, 0), "validation": _Texts(20, 10.0, 0), "test": _Texts(30, 10.0, 0)}
LORA = {"layers": [{"kind": "fresh", "method": {"kind": "lora"}}]}
HEAD: dict[str, object] = {"layers": []}


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize(
    ("stack", "start", "tokens"),
    [
        (LORA, "prior", 4 * 200 + 200),
        (LORA, "probe", 4 * 200 + 200 + 1200),
        (HEAD, "prior", 1200),
        (HEAD, "probe", 1200),
    ],
)
def test_a_body_that_learns_reads_again_and_one_that_does_not_reads_once(
    stack: dict[str, object], start: str, tokens: int, final: bool
) -> None:
    stage = Finetune.parse({
        "data": DATA, "backbone": {"name": "small-llama"}, "stack": stack, "head": {"start": start},
        "scores_test": final,
    })  # fmt: skip
    assert _read(stage, TEXTS, evaluations=4) == tokens + 300 * final


@pytest.mark.parametrize(("final", "held_out"), [(True, 2 * 12 + 10), (False, 2 * 10)])
def test_blocks_are_read_before_and_after_and_on_the_way(final: bool, held_out: int) -> None:
    stage = Pretrain.parse({
        "data": DATA, "backbone": {"name": "small-llama"}, "validation_blocks": 5, "held_out_blocks": 12,
        "scores_test": final, "train_blocks": 7,
    })  # fmt: skip
    blocks = {"train": 90, "validation": 10, "test": 20}
    assert _read_blocks(stage, blocks, evaluations=3) == held_out + 7 + 3 * 5
    general = stage.model_copy(update={"general_text": Path("english.txt"), "general_blocks": 6})
    assert _read_blocks(general, blocks, evaluations=3) == held_out + 7 + 2 * 6 + 3 * 5
