"""A new task of a chart is one file and one line: the worked example of docs/architecture.md, asked from end to end."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chartune.errors import ConfigError
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.catalog import TASKS, Preset, further_tasks
from chartune.tasks.chart_task import ChartTask
from chartune.tasks.prepare import Preparation
from chartune.testing.command_line import chartune
from chartune.testing.small_charts import answers, records_of, stay

KIND = "discharge-home"


@pytest.fixture
def listed(listed_as_on_the_page: Callable[[str, dict[str, str]], Any]) -> type[ChartTask]:
    """The task of the page, in the catalog."""
    return listed_as_on_the_page("A task of a chart", TASKS)  # type: ignore[no-any-return]


def test_it_asks_what_the_page_says(listed: type[ChartTask]) -> None:
    records = records_of(
        stay(1, discharge_location="HOME HEALTH CARE"), stay(2, discharge_location="SNF"),
        stay(3, discharge_location=None), stay(4, died=1, discharge_location="HOME"),
    )  # fmt: skip
    assert answers(listed.parse({}), records) == {1: ["home"], 2: ["elsewhere"]}


def test_the_command_line_prepares_finetunes_and_reports_it(
    listed: type[ChartTask], hospital: Path, tmp_path: Path
) -> None:
    store, report = ("--store", tmp_path / "store"), tmp_path / "report.html"
    said = chartune("prepare", hospital, "--tasks", "discharge_home", "--set", "corpus=null", *store, "--json")
    assert said.code == 0, said.err
    prepared: dict[str, Any] = json.loads(said.out)
    assert prepared["tasks"]["discharge_home"]["config"]["kind"] == KIND
    words = ("--method", "tfidf", "--set", f"data.tasks=[{{kind: {KIND}}}]", "--set", "data.corpus=null")
    run = chartune("finetune", hospital, *words, *store, "--json")
    assert run.code == 0, run.err
    assert json.loads((Path(json.loads(run.out)["folder"]) / "run.json").read_text())["labels"] == ["elsewhere", "home"]
    made = chartune("report", "--out", report, *store)
    assert made.code == 0, made.err
    assert "Discharge home" in report.read_text()


def test_a_config_that_names_it_survives_its_yaml(listed: type[ChartTask], hospital: Path, tmp_path: Path) -> None:
    asked = {"kind": KIND, "reads": {"kind": "bedside-notes", "hours": 6}}
    data = {"source": {"kind": "mimic3", "folder": hospital}, "tasks": [asked]}
    preparation = Preparation.parse(data)
    preparation.write(tmp_path / "p.yaml")
    again = Preparation.read(tmp_path / "p.yaml")
    assert again == preparation
    assert again.hashable() == preparation.hashable()
    assert (type(again.tasks[0]), again.tasks[0].reads) == (listed, BedsideNotes(hours=6))
    with pytest.raises(ConfigError, match=r"tasks\.0\.asks: not a field"):
        Preparation.parse({**data, "tasks": [{"kind": KIND, "asks": 1}]})


@pytest.mark.parametrize("preset", ["sound", "paper-code"])
def test_it_has_the_cohort_and_the_note_of_the_preset_and_keeps_its_own(
    listed: type[ChartTask], preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_kind = {task.kind: task for task in further_tasks("mimic4", preset)}
    late, new = by_kind["late-mortality"], by_kind[KIND]
    assert isinstance(new, listed)
    assert isinstance(late, ChartTask)
    assert (new.stays, new.reads) == (late.stays, late.reads)

    class Prospective(listed):  # type: ignore[misc, valid-type]
        reads: BedsideNotes = BedsideNotes(hours=12)

    monkeypatch.setitem(sys.modules, "prospective", ModuleType("prospective"))
    monkeypatch.setattr(sys.modules["prospective"], "Prospective", Prospective, raising=False)
    monkeypatch.setitem(TASKS, KIND, "prospective:Prospective")
    own = {task.kind: task for task in further_tasks("mimic4", preset)}[KIND]
    assert own.reads == BedsideNotes(hours=12)
    assert isinstance(own, ChartTask)
    assert own.stays == late.stays
