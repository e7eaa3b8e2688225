"""Every number can say which switches were set: flat names, the preset first, of a task or of the corpus."""

from chartune.tasks.corpus import Corpus
from chartune.tasks.mortality import Mortality
from chartune.tasks.stays import Stays
from chartune.tasks.switches import switches
from chartune.testing.plain import typed


def test_the_fields_of_a_task_become_flat_switches() -> None:
    task = Mortality(stays=Stays(min_age=None), hospice="died")
    dataset = {
        "config": {"preset": "paper-code", "held_out_copies": "kept"},
        "tasks": {"mortality": {"config": task.model_dump(mode="json")}},
    }
    told = switches(typed(dataset), "mortality")
    assert next(iter(told)) == "preset"
    assert told["preset"] == "paper-code"
    assert told["held_out_copies"] == "kept"
    assert told["stays.min_age"] is None
    assert told["hospice"] == "died"
    assert told["reads"] == "admission-note"
    assert told["reads.sections"] == "chartune"
    assert "kind" not in told


def test_without_a_task_the_corpus_tells_its_own() -> None:
    dataset = {"config": {"corpus": Corpus(split="note").model_dump(mode="json")}, "tasks": {}}
    told = switches(typed(dataset), None)
    assert (told["preset"], told["split"]) == ("sound", "note")
    assert told["categories"] == "Discharge summary, Radiology"


def test_data_of_an_older_version_have_no_switches_but_the_usual() -> None:
    assert switches(typed({"tasks": {"mortality": {}}}), "mortality") == {
        "preset": "sound",
        "held_out_copies": "left-out",
        "held_out_near_copies": "kept",
        "line_breaks": "as-written",
    }
