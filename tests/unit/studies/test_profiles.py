"""Profiles of a study, what its stages share, and claims that are asked task by task."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chartune.errors import ConfigError
from chartune.runs.locks import hash_of
from chartune.studies.claims import locked_content, one_by_one
from chartune.studies.profiles import profiled
from chartune.studies.study import Study
from chartune.tasks.charts import Preparation
from chartune.testing.command_line import chartune

TASKS = ["mortality", "length_of_stay"]
STUDY: dict[str, Any] = {
    "title": "Plain",
    "data": {"source": {"kind": "mimic3", "folder": "raw"}},
    "shared": {"tfidf": {"grid": {"task": TASKS}, "longest_ngram": 1}},
    "stages": {"words": {"kind": "tfidf", "name": "words"},
               "pairs": {"kind": "tfidf", "name": "pairs", "longest_ngram": 2, "space": {"least_documents": [1, 2]}}},
    "claims": {"help": {"says": "Pairs help", "ours": "pairs", "against": ["words"], "budget": "any"}},
    "profiles": {
        "coded": {"title": "Coded", "data": {"preset": "paper-code"}, "stages": {"pairs": {"space": None}},
                  "claims": {"help": {"budget": "equal", "per": "task"}}},
    },
}  # fmt: skip


def test_a_profile_is_written_over_the_file_and_is_then_gone() -> None:
    plain, coded = (Study.parse(profiled(STUDY, name)) for name in (None, "coded"))
    assert (plain.title, coded.title) == ("Plain", "Coded")
    assert [cell.trials for cell in plain.cells()] == [1, 1, 2, 2]
    assert [cell.trials for cell in coded.cells()] == [1, 1, 1, 1]  # null takes the space away
    assert {cell.asked["longest_ngram"] for cell in coded.cells()} == {1, 2}
    assert (set(plain.profiles), coded.profiles) == ({"coded"}, {})
    assert isinstance(coded.data, Preparation)
    assert coded.data.preset == "paper-code"


@pytest.mark.parametrize(
    ("profiles", "known"), [({"coded": {}, "text": {}}, "coded, text"), ({}, "none"), ({"wrong": 3}, "wrong")]
)
def test_a_profile_that_is_none_is_refused_with_those_there_are(profiles: dict[str, Any], known: str) -> None:
    with pytest.raises(ConfigError, match=f"must be one that the study has \\({known}\\)"):
        profiled({**STUDY, "profiles": profiles}, "wrong")


def test_every_verb_takes_a_profile(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(STUDY))
    said = chartune("study", "status", file, "--profile", "coded", "--store", tmp_path / "s")
    assert said.code == 0, said.err
    assert "4 cells: 4 missing" in said.out
    refused = chartune("study", "status", file, "--profile", "code", "--store", tmp_path / "s")
    assert (refused.code, "(coded)" in refused.err) == (2, True)


def test_stages_of_a_kind_share_a_grid_too() -> None:
    cells = Study.parse(STUDY).cells()
    assert [(cell.stage, cell.axes["task"]) for cell in cells] == [
        (stage, task) for stage in ("words", "pairs") for task in TASKS
    ]
    own = {
        **STUDY,
        "stages": {"words": {"kind": "tfidf", "grid": {"task": ["mortality"]}}},
        "claims": {},
        "profiles": {},
    }
    assert [cell.axes["task"] for cell in Study.parse(own).cells()] == ["mortality"]


def test_a_claim_of_each_task_is_as_many_claims_and_old_hashes_stay() -> None:
    together, each = (Study.parse(profiled(STUDY, name)) for name in (None, "coded"))
    numbered = dict(enumerate(each.cells()))
    assert [claim.tasks for claim in one_by_one(each.claims.values(), numbered)] == [(task,) for task in TASKS]
    assert one_by_one(together.claims.values(), dict(enumerate(together.cells()))) == list(together.claims.values())
    content = locked_content(together.claims, together.claims_error, together)
    dumped = together.claims["help"].model_dump(mode="json")
    del dumped["per"]  # claims that were locked before it came keep their hash
    assert content["claims"] == {"help": dumped}
    assert hash_of(content) != hash_of(locked_content(each.claims, each.claims_error, each))


def test_both_sides_of_a_claim_on_equal_budgets_must_have_as_many_trials() -> None:
    unequal = {**STUDY, "claims": {"help": {**STUDY["claims"]["help"], "budget": "equal"}}}
    with pytest.raises(ConfigError, match="`pairs` 2, `words` 1"):
        Study.parse(unequal)
    fewer = {**unequal, "stages": {**STUDY["stages"], "pairs": {**STUDY["stages"]["pairs"], "trials": 1}}}
    assert Study.parse(fewer).claims["help"].budget == "equal"
