"""Flags of `chartune prepare` go together: some tasks, and single fields set beside them."""

import json
from pathlib import Path

from chartune.testing.command_line import chartune


def test_chosen_tasks_and_single_fields_go_together(hospital: Path, tmp_path: Path) -> None:
    words = ["prepare", hospital, "--tasks", "mortality,length", "--set", "corpus=null", "--set", "splits.salt=other"]
    said = chartune(*words, "--set", "tasks.0.hospice=died", "--store", tmp_path, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert set(told["tasks"]) == {"mortality_or_hospice", "length_of_stay"}
    assert (told["corpus"], told["splits"]["rule"]["salt"]) == (None, "other")


def test_a_task_that_nobody_knows_is_refused_with_those_that_are(hospital: Path, tmp_path: Path) -> None:
    said = chartune("prepare", hospital, "--tasks", "mortalty", "--store", tmp_path)
    assert said.code == 2
    assert "length_of_stay" in said.err
