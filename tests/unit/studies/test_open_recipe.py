"""The study of methods on open data: every method on every task, swept at equal budgets, capped as it says."""

from functools import cache
from pathlib import Path

from chartune.config import read_yaml
from chartune.studies.cell import Cell
from chartune.studies.study import Study

RECIPE = Path(__file__).parents[3] / "recipes" / "taylor2024" / "open.yaml"
TASKS = ("ncbi", "bc5cdr", "sections", "specialties", "rqe", "pubmedqa", "codes")


@cache
def cells() -> tuple[Cell, ...]:
    return tuple(Study.parse(read_yaml(RECIPE)).cells())


def test_every_method_is_asked_on_every_task() -> None:
    stages = {cell.stage for cell in cells()}
    methods = ("full", "lora", "ia3", "prefix", "head", "smol_lora", "smol_prefix", "smol_head")
    assert {f"{method}_{task}" for method in methods for task in TASKS} <= stages
    assert {stage for stage in stages if "prompted" in stage} == {
        "smol_prompted_sections", "smol_prompted_rqe", "smol_prompted_pubmedqa",
    }  # fmt: skip
    assert {cell.name for cell in cells() if cell.stage.startswith("lora_")} == {"MiniLM, LoRA"}
    assert all(cell.final for cell in cells())


def test_seeds_are_three_and_one_and_every_rate_is_searched_or_borrowed() -> None:
    trained = [cell for cell in cells() if cell.asked["kind"] == "finetune"]
    for stage in {cell.stage for cell in trained}:
        seeds = [cell.axes["seed"] for cell in trained if cell.stage == stage]
        assert seeds == ([0] if stage.startswith("smol") else [0, 1, 2]), stage
    assert all(cell.space is not None or cell.borrows for cell in trained)
    assert {cell.trials for cell in trained if cell.space and not cell.stage.startswith("smol")} == {5}
    assert {cell.trials for cell in trained if cell.space and cell.stage.startswith("smol")} == {3}


def test_no_training_sees_more_than_the_cap() -> None:
    for cell in cells():
        if cell.asked["kind"] == "finetune":
            recipe = cell.asked["optimisation"]
            assert recipe["duration"]["unit"] == "steps"
            seen = recipe["duration"]["value"] * recipe["batch_size"]
            assert seen == (480 if cell.stage.startswith("smol") else 2000), cell.stage
