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
    chosen = switches(typed(dataset), "mortality")
    assert next(iter(chosen)) == "preset"
    assert chosen["preset"] == "paper-code"
    assert chosen["held_out_copies"] == "kept"
    assert chosen["stays.min_age"] is None
    assert chosen["hospice"] == "died"
    assert chosen["reads"] == "admission-note"
    assert chosen["reads.sections"] == "chartune"
    assert "kind" not in chosen


def test_without_a_task_the_corpus_tells_its_own() -> None:
    dataset = {"config": {"corpus": Corpus(split="note").model_dump(mode="json")}, "tasks": {}}
    chosen = switches(typed(dataset), None)
    assert (chosen["preset"], chosen["split"]) == ("sound", "note")
    assert chosen["categories"] == "Discharge summary, Radiology"


def test_data_of_an_older_version_have_no_switches_but_the_usual() -> None:
    assert switches(typed({"tasks": {"mortality": {}}}), "mortality") == {
        "preset": "sound",
        "held_out_copies": "left-out",
        "held_out_near_copies": "kept",
        "line_breaks": "as-written",
    }
