"""Whose test split a study scores: of the cells that it names as final and of those below them; else of none or all."""

from typing import Any

import pytest

from chartune.errors import ConfigError
from chartune.studies.study import Study

BASE = {"backbone": {"name": "small-llama"}}
CLINICAL = {"kind": "pretrain", **BASE, "grid": {"seed": [0, 1]}}
RANKS = "stack.layers.1.method.rank"
STACKED = {
    "kind": "finetune", **BASE, "grid": {"seed": [0, 1], RANKS: [2, 16]},
    "stack": {"layers": [{"kind": "frozen", "adapter": {"from": "clinical"}},
                         {"kind": "fresh", "method": {"kind": "lora"}}]},
}  # fmt: skip
WORDS = {"kind": "tfidf"}


def study(stages: dict[str, Any], **further: Any) -> Study:
    data = {"source": {"kind": "mimic3", "folder": "raw"}}
    return Study.parse({"title": "t", "data": data, "stages": stages, **further})


def final(asked: Study) -> list[str]:
    cells = asked.cells()
    for cell in cells:
        made = dict.fromkeys(cell.needs(), "0" * 16)
        assert asked.stage(cell, made).scores_test == cell.final
    return [cell.title() for cell in cells if cell.final]


EVERY = {"clinical": CLINICAL, "words": WORDS, "stacked": STACKED}


def test_where_there_is_nothing_to_choose_every_cell_is_final() -> None:
    plain = {**STACKED, "grid": {"seed": [0, 1], "task": ["mortality"]}}
    asked = study({"clinical": CLINICAL, "stacked": plain})
    assert len(final(asked)) == len(asked.cells()) == 4


def test_where_there_is_a_choice_and_nothing_is_named_no_cell_is_final() -> None:
    assert final(study(EVERY)) == []


def test_a_study_may_score_the_test_split_of_all() -> None:
    assert len(final(study(EVERY, test="all"))) == 7


def test_what_is_named_is_final_with_all_that_it_is_built_on() -> None:
    assert final(study(EVERY, final=["words"])) == ["words"]
    assert final(study(EVERY, final=["stacked"])) == [
        cell.title() for cell in study(EVERY).cells() if cell.stage != "words"
    ]


@pytest.mark.parametrize("axis", ["rank", RANKS])
def test_cells_of_a_stage_are_named_by_axes_of_its_grid(axis: str) -> None:
    assert final(study(EVERY, final=[{"stage": "stacked", axis: 16, "seed": 1}])) == [
        "clinical (seed=1)", f"stacked (seed=1, {RANKS}=16)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (["nosuch"], "`final` must name stages of the study .clinical, words, stacked., but names 'nosuch'"),
        ([{"rank": 2}], "but names 'None'"),
        ([{"stage": "stacked", "rank": 3}], f"by axes of its grid .seed, {RANKS}., but none has rank=3"),
        ([{"stage": "words", "seed": 0}], "axes of its grid .none."),
    ],
)
def test_what_is_named_must_be_there(named: list[Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        study(EVERY, final=named)


def test_a_stage_does_not_say_it_by_itself() -> None:
    with pytest.raises(ConfigError, match="a study says by `test` and `final`"):
        study({"words": {**WORDS, "scores_test": False}})
