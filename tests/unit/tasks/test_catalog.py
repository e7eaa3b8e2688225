"""The catalog: what is asked of each source, what each preset switches, and how tasks are named on the command line."""

from pathlib import Path
from typing import Any, get_args

import pytest

from chartune.errors import ConfigError
from chartune.published import dataset_of
from chartune.sources.mimic3 import Mimic3
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.catalog import AnyTask, Preset, chosen_tasks, further_tasks, left_out, usual_corpus, usual_tasks
from chartune.tasks.decontamination import Quoting
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation
from chartune.tasks.procedures import Procedures
from chartune.tasks.stays import Stays
from chartune.tasks.switches import switches
from chartune.testing.command_line import chartune
from chartune.testing.plain import typed
from chartune.testing.raw_tables import RawHospital

PRESETS = get_args(Preset)
STAYS = ("mortality", "length_of_stay")
NINE, TEN = (("diagnoses_icd9", "procedures_icd9"), ("diagnoses_icd10", "procedures_icd10"))
VENTILATION = "prolonged_ventilation"
PUBLISHED = {
    "mimic3": f"{VENTILATION}_in_hindsight_negative",
    "mimic4": f"{VENTILATION}_in_hindsight_negative_cannula_left_out_oxygen_as_mimic_code",
}
"""The same, switched as published."""


def named(tasks: tuple[AnyTask, ...]) -> dict[str, Any]:
    """Name → the task; no name stands for two."""
    assert len({task.name for task in tasks}) == len(tasks)
    return {task.name: task for task in tasks}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("kind", "events", "names"),
    [
        ("mimic3", True, (*STAYS, *NINE, VENTILATION)), ("mimic3", False, (*STAYS, *NINE)),
        ("mimic4", True, (*STAYS, *NINE, *TEN, VENTILATION)), ("mimic4", False, (*STAYS, *NINE, *TEN)),
        ("tabular", False, ("labels",)), ("tabular", True, ("labels",)),
    ],
)  # fmt: skip
def test_every_source_is_asked_what_it_can_answer(
    kind: str, events: bool, names: tuple[str, ...], preset: Preset
) -> None:
    tasks = named(usual_tasks(kind, preset, events=events))
    if preset != "sound":
        names = tuple(PUBLISHED[kind] if name == VENTILATION else name for name in names)
    assert tuple(tasks) == names
    further = named((*usual_tasks(kind, preset, events=events), *further_tasks(kind, preset)))
    by_name_only = set() if kind == "tabular" else {"mortality_90d", "icd9_triage"}
    assert set(further) - set(names) == by_name_only
    assert not any(task.needs_events for name, task in further.items() if not name.startswith(VENTILATION))


SECTIONS = ("chartune", "chartune", "core-stripped")
SWITCHES: dict[str, dict[str, tuple[Any, Any, Any]]] = {
    "mortality": {
        "stays.min_age": (18, None, None), "stays.times": ("checked", "as-given", "as-given"),
        "stays.newborns": ("left-out",) * 3, "reads.sections": SECTIONS,
        "reads.withdrawn": ("left-out", "kept", "kept"), "hospice": ("survived",) * 3,
        "held_out_copies": ("left-out", "kept", "kept"),
    },
    "length_of_stay": {
        "stays.min_age": (18, None, None), "reads.sections": SECTIONS,
        "days": ("exact", "exact", "tenths"), "deaths": ("removed",) * 3,
    },
    "diagnoses_icd9": {
        "labels": ("frequent", "whole-table", "whole-table"), "least_cases": (10,) * 3,
        "reads.withdrawn": ("left-out", "kept", "kept"),
    },
    "procedures_icd9": {
        "labels": ("frequent", "whole-table", "whole-table"), "codes": ("text", "text", "numbers"),
        "reads.sections": SECTIONS,
    },
    "procedures_icd10": {"labels": ("frequent", "whole-table", "whole-table"), "codes": ("text",) * 3},
    "prolonged_ventilation": {
        "competing": ("classes", "negative", "negative"), "cohort": ("at-landmark", "in-hindsight", "in-hindsight"),
        "stays.min_age": (18,) * 3, "stays.times": ("checked", "as-given", "as-given"),
        "exclusions": ("published",) * 3, "measure": ("span",) * 3, "reads.sections": SECTIONS,
        "oxygen_join": ("fixed", "mimic-code", "mimic-code"), "cannula": ("counted", "left-out", "left-out"),
    },
    "mortality_90d": {"stays.min_age": (18, None, None), "reads.sections": SECTIONS},
    "icd9_triage": {
        "codes": ("fixed", "fixed", "published"), "reads": ("whole-summary",) * 3,
        "reads.withdrawn": ("left-out", "kept", "kept"), "stays.newborns": ("kept",) * 3,
        "stays.times": ("checked", "as-given", "as-given"), "stays.min_age": (None,) * 3, "with_procedure": (True,) * 3,
    },
}  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_every_switch_of_the_table(preset: Preset, tmp_path: Path) -> None:
    tasks = named((*usual_tasks("mimic4", preset, events=True), *further_tasks("mimic4", preset)))
    place = PRESETS.index(preset)
    prepared = {
        "config": {"preset": preset, "held_out_copies": "left-out" if preset == "sound" else "kept"},
        "tasks": {name: {"config": task.model_dump(mode="json")} for name, task in tasks.items()},
    }
    for usual, expected in SWITCHES.items():
        name = PUBLISHED["mimic4"] if usual == VENTILATION and preset != "sound" else usual
        chosen = switches(typed(prepared), name)
        assert {switch: chosen.get(switch) for switch in expected} == {s: v[place] for s, v in expected.items()}, name
    assert (usual_corpus("mimic3", preset).split == "patient") == (preset == "sound")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["mimic3", "mimic4"])
def test_every_usual_task_of_a_preset_finds_what_was_published_of_it(kind: str, preset: Preset) -> None:
    assert all(dataset_of(task.name) for task in usual_tasks(kind, preset, events=True))


@pytest.mark.parametrize(
    ("names", "kind", "chosen"),
    [
        (["mortality"], "mimic3", ["mortality"]),
        (["mort"], "mimic3", ["mortality"]),
        (["mort", "mortality_9"], "mimic3", ["mortality", "mortality_90d"]),
        (["proc"], "mimic4", ["procedures_icd9", "procedures_icd10"]),
        (["mortality_90d", "length"], "mimic3", ["length_of_stay", "mortality_90d"]),
        (["diagnoses"], "mimic4", ["diagnoses_icd9", "diagnoses_icd10"]),
        (["diagnoses_icd1", " procedures_icd9 "], "mimic4", ["procedures_icd9", "diagnoses_icd10"]),
        (["prolonged", "icd9"], "mimic3", ["prolonged_ventilation", "icd9_triage"]),
        (["mortality", "mortality"], "mimic3", ["mortality"]),
        (["labels"], "tabular", ["labels"]),
    ],
)  # fmt: skip
def test_a_beginning_stands_for_one_question_and_the_shortest_name_wins(
    names: list[str], kind: str, chosen: list[str]
) -> None:
    assert [task.name for task in chosen_tasks(names, kind, "sound")] == chosen


@pytest.mark.parametrize("names", [["sepsis"], ["mortality", "sepsis"], [""], ["mortality", ""], ["diagnoses_icd10"]])
def test_a_name_that_no_task_has_is_told_with_those_that_there_are(names: list[str]) -> None:
    with pytest.raises(ConfigError, match="must be one of mortality, length_of_stay, diagnoses_icd9") as error:
        chosen_tasks(names, "mimic3", "sound")
    assert "icd9_triage" in str(error.value)


def test_a_beginning_of_several_questions_is_refused_with_their_names() -> None:
    expected = "'pro' may be procedures_icd9 or procedures_icd10 or prolonged_ventilation; write more of its name"
    with pytest.raises(ConfigError, match=expected):
        chosen_tasks(["pro"], "mimic4", "sound")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mortalty", "mortality or mortality_90d"), ("ventilation", "prolonged_ventilation"),
        ("triage", "icd9_triage"), ("diagnosis", "diagnoses_icd9"), ("length-of-stay", "length_of_stay"),
    ],
)  # fmt: skip
def test_a_name_that_nobody_has_is_told_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"got '{name}'\. Did you mean {meant}\?$"):
        chosen_tasks([name], "mimic3", "sound")
    with pytest.raises(ConfigError, match=r"got 'zzz'\.$"):
        chosen_tasks(["zzz"], "mimic3", "sound")


def test_what_lacks_for_want_of_a_chart_is_named_and_nothing_where_others_were_chosen() -> None:
    for kind in ("mimic3", "mimic4"):
        assert left_out(usual_tasks(kind, "sound", events=False), kind, "sound") == (VENTILATION,)
        assert left_out(usual_tasks(kind, "sound", events=True), kind, "sound") == ()
    assert left_out((Mortality(),), "mimic3", "sound") == ()
    assert left_out(usual_tasks("tabular", "sound", events=False), "tabular", "sound") == ()


def test_a_table_of_ones_own_is_asked_nothing_of_a_chart() -> None:
    with pytest.raises(ConfigError, match="one of labels "):
        chosen_tasks(["mortality"], "tabular", "sound")


def test_chosen_tasks_have_the_switches_of_the_preset() -> None:
    (task,) = chosen_tasks(["procedures"], "mimic3", "paper-code")
    assert task in usual_tasks("mimic3", "paper-code", events=False)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preparation_survives_its_yaml_with_each_preset(preset: str, tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    preparation = Preparation.parse({"source": {"kind": "mimic3", "folder": folder}, "preset": preset})
    assert tuple(preparation.tasks) == usual_tasks("mimic3", preset, events=False)  # type: ignore[arg-type]
    preparation.write(tmp_path / "p.yaml")
    again = Preparation.read(tmp_path / "p.yaml")
    assert again == preparation
    assert again.hashable() == preparation.hashable()


def test_presets_differ_in_what_is_hashed_and_the_word_itself_is_not(tmp_path: Path) -> None:
    source = Mimic3(folder=RawHospital().write(tmp_path / "raw"))
    prepared = {p: Preparation.parse({"source": source, "preset": p}) for p in PRESETS}
    hashed = [prepared[preset].hashable() for preset in PRESETS]
    assert len({str(parts) for parts in hashed}) == 3
    assert all("preset" not in parts for parts in hashed)
    sound = prepared["sound"]
    named_otherwise = Preparation.parse({**sound.model_dump(), "preset": "paper-code"})
    assert named_otherwise.hashable() == sound.hashable()


def test_a_switch_of_a_paper_s_corpus_moves_alone(tmp_path: Path) -> None:
    folder, chosen = RawHospital().write(tmp_path / "raw"), {"repeats": "left-out", "split": "patient"}
    alone = prepared(folder, preset="paper-code", corpus=chosen).corpus
    both = prepared(folder, preset="paper-code", corpus={**chosen, "near_copies": {}}).corpus
    assert alone is not None
    assert both is not None
    assert (alone.compares_copies, alone.near_copies) == (True, None)
    assert both.near_copies == Quoting()


def test_an_unknown_preset_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    with pytest.raises(ConfigError, match=r"preset.*'sound', 'paper-text' or 'paper-code'"):
        Preparation.parse({"source": {"kind": "mimic3", "folder": folder}, "preset": "papercode"})


def prepared(folder: Path, **more: Any) -> Preparation:
    source = {"kind": "mimic4" if (folder / "hosp").is_dir() else "mimic3", "folder": folder}
    return Preparation.parse({"source": source, **more})


def test_a_task_that_is_named_has_the_switches_of_the_preset_where_nothing_is_said(tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    asked = [{"kind": "mortality", "reads": {"withdrawn": "left-out"}}, {"kind": "procedures", "labels": "frequent"}]
    mortality, procedures = prepared(folder, preset="paper-code", tasks=asked).tasks
    assert mortality.reads == AdmissionNote(
        sections="core", withdrawn="left-out", copies="among-all-notes", blanks="as-written", headings="core",
        told_deaths="core-wordings",
    )  # fmt: skip
    assert mortality == Mortality(stays=Stays(min_age=None, times="as-given"), reads=mortality.reads)
    assert isinstance(procedures, Procedures)
    assert (procedures.codes, procedures.labels) == ("numbers", "frequent")
    assert prepared(folder, tasks=asked).tasks[1] == Procedures()


def test_another_kind_of_input_begins_anew(tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    asked = [{"kind": "mortality", "reads": {"kind": "bedside-notes", "hours": 6}}]
    (task,) = prepared(folder, preset="paper-code", tasks=asked).tasks
    assert task.reads == BedsideNotes(hours=6)


def test_the_version_of_codes_tells_which_task_is_meant(tmp_path: Path) -> None:
    folder = RawHospital().write_mimic4(tmp_path / "raw")
    asked = [{"kind": "procedures"}, {"kind": "procedures", "icd_version": 10}]
    nine, ten = prepared(folder, preset="paper-code", tasks=asked).tasks
    assert isinstance(nine, Procedures)
    assert isinstance(ten, Procedures)
    assert (nine.icd_version, nine.codes, ten.icd_version, ten.codes) == (9, "numbers", 10, "text")


def test_a_task_that_is_given_whole_stays_as_it_is(tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    assert prepared(folder, preset="paper-code", tasks=(Mortality(),)).tasks == (Mortality(),)


def test_a_corpus_has_the_switches_of_the_preset_where_nothing_is_said(tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    corpus = prepared(folder, preset="paper-code", corpus={"categories": ["Radiology"]}).corpus
    assert corpus is not None
    assert (corpus.categories, corpus.split) == (("Radiology",), "note")
    assert prepared(folder, preset="paper-code", corpus=None).corpus is None


def test_a_preset_is_no_single_switch(tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    said = chartune("prepare", folder, "--store", tmp_path / "store", "--set", "preset=paper-code")
    assert said.code == 2
    assert "chosen with --preset" in said.err


@pytest.mark.parametrize(
    ("preset", "how"), [("sound", "by-context"), ("paper-text", "core-wordings"), ("paper-code", "core-wordings")]
)
def test_each_preset_knows_told_deaths_in_its_own_way(preset: str, how: str, tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path / "raw")
    (mortality,) = prepared(folder, preset=preset, tasks=[{"kind": "mortality"}]).tasks
    assert isinstance(mortality, Mortality)
    assert isinstance(mortality.reads, AdmissionNote)
    assert mortality.reads.told_deaths == how
