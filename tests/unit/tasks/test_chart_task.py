"""Chart tasks: a text that tells the answer is refused, unless somebody wants it and the card says so."""

from typing import Any

import pytest

from chartune.errors import ConfigError
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.chart_task import ChartTask
from chartune.tasks.diagnoses import Diagnoses
from chartune.tasks.late_mortality import LateMortality
from chartune.tasks.length_of_stay import LengthOfStay
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation
from chartune.tasks.procedures import Procedures
from chartune.tasks.prolonged_ventilation import ProlongedVentilation
from chartune.tasks.triage import Triage

WHOLE = {"reads": {"kind": "whole-summary"}}
OUTCOMES: list[type[ChartTask]] = [Mortality, LateMortality, LengthOfStay, ProlongedVentilation]


@pytest.mark.parametrize("task", OUTCOMES)
def test_the_whole_summary_is_refused_where_it_tells_the_answer(task: type[ChartTask]) -> None:
    with pytest.raises(ConfigError, match=r"reads\.kind=whole-summary tells; read .* allow_retrospective=true"):
        task.parse(WHOLE)


@pytest.mark.parametrize("task", OUTCOMES)
def test_it_can_be_wanted_and_the_card_says_so(task: type[ChartTask]) -> None:
    card = task.parse({**WHOLE, "allow_retrospective": True}).card()
    assert card.answer_told
    assert card.to_json()["answer_told"] is True
    assert card.seen.endswith("the course and the outcome, which is asked (allow_retrospective)")


@pytest.mark.parametrize("task", [Diagnoses, Procedures, Triage])
def test_codes_are_given_after_discharge_so_that_the_summary_may_be_read(task: type[ChartTask]) -> None:
    card = task.parse(WHOLE).card()
    assert not card.answer_told
    assert card.seen.endswith("the course and the outcome")


@pytest.mark.parametrize("task", OUTCOMES)
def test_leave_to_read_changes_no_name_and_tells_nothing_of_other_texts(task: type[ChartTask]) -> None:
    usual, allowed = task(), task.parse({"allow_retrospective": True})
    assert usual.hashable() == allowed.hashable()
    assert usual.card() == allowed.card()
    assert not task(reads=BedsideNotes(hours=48)).card().answer_told


@pytest.mark.parametrize("preset", ["sound", "paper-text", "paper-code"])
def test_every_preset_refuses_it_too(preset: str) -> None:
    def parsed(**task: Any) -> Preparation:
        source = {"kind": "mimic4", "folder": "somewhere"}
        return Preparation.parse({"source": source, "preset": preset, "tasks": [{**WHOLE, **task}]})

    with pytest.raises(ConfigError, match="allow_retrospective=true"):
        parsed(kind="mortality")
    assert parsed(kind="mortality", allow_retrospective=True).tasks[0].card().answer_told
    assert parsed(kind="diagnoses", icd_version=10).tasks[0].name == "diagnoses_icd10"
