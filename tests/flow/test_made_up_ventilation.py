"""A made-up hospital with its bedside chart: every usual task is asked, and ventilation is told as its truth tells it.

The hospital writes its true spells on a ventilator beside the tables. What follows from them is restated here in plain
Python, from the raw tables as the csv module reads them, and must equal what the tasks say.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.sources.source import Records
from chartune.sources.ventilation.episodes import OXYGEN_JOINS
from chartune.store import Artefact, Store
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.catalog import usual_tasks
from chartune.tasks.late_mortality import LateMortality
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation, prepare, read_task
from chartune.tasks.prolonged_ventilation import ProlongedVentilation
from chartune.tasks.triage import Triage
from chartune.tasks.ventilation_time import Measure
from chartune.testing.made_up_tables import rows
from chartune.testing.plain import plain_dataset
from chartune.testing.small_charts import answers

Kind = Literal["mimic3", "mimic4"]
Spell = tuple[datetime, datetime]
TABLES = {
    "mimic3": ("ADMISSIONS", "ICUSTAYS", "DIAGNOSES_ICD", "icustay_id"),
    "mimic4": ("hosp/admissions", "icu/icustays", "hosp/diagnoses_icd", "stay_id"),
}
EXCLUDING = {"9": "14|3589|3590|3591|35801|941|948[3-9]", "10": "C0|C1[0-4]|G7001|G709|G710|G712|T20|T31[3-9]|Z52"}


@dataclass(frozen=True)
class Hospital:
    """A hospital as its tables and its truth tell it, and what was prepared of it."""

    kind: Kind
    folder: Path
    manifest: dict[str, Any]
    records: Records
    data: Artefact

    def table(self, place: int) -> list[dict[str, str]]:
        return rows(self.folder, TABLES[self.kind][place])

    def spells(self) -> dict[int, list[Spell]]:
        """ICU stay → its true spells with a tube."""
        truth = pl.read_parquet(self.folder / "made-up" / "ventilation.parquet", memory_map=False)
        found: dict[int, list[Spell]] = {}
        for stay, start, end in truth.filter("invasive").select("icu_stay_id", "start", "end").sort("start").rows():
            found.setdefault(stay, []).append((start, end))
        return found


def hospital_of(place: Path, kind: Kind) -> Hospital:
    manifest = make_hospital(place / "raw", layout=kind, subjects=120, seed=17)
    extra = (LateMortality(), Triage(), Mortality(hospice="died", reads=BedsideNotes(hours=12)))
    tasks = (*usual_tasks(kind, "sound", events=True), *extra)
    preparation = Preparation.parse({"source": {"kind": kind, "folder": place / "raw"}, "tasks": tasks})
    data = prepare(preparation, Store(place / "store").open())
    return Hospital(kind, place / "raw", manifest, preparation.source.load(events=True), data)


@pytest.fixture(scope="module", params=["mimic3", "mimic4"])
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return hospital_of(tmp_path_factory.mktemp(request.param), request.param)


def test_a_hospital_with_a_chart_is_asked_all_usual_tasks_and_none_is_empty(hospital: Hospital) -> None:
    usual = Preparation.parse({"source": {"kind": hospital.kind, "folder": hospital.folder}})
    assert usual.tasks == usual_tasks(hospital.kind, "sound", events=True)
    dataset = plain_dataset(hospital.data)
    for name, entry in dataset["tasks"].items():
        told = sum(count["admissions"] for count in entry["counts"].values())
        assert told == read_task(hospital.data, name).height > 0, name
    told = hospital.manifest["counts"]
    assert (
        dataset["tasks"]["prolonged_ventilation"]["counts"]["train"]["admissions"]
        <= (told["icu_stays_with_invasive_ventilation"])
    )
    chart = "CHARTEVENTS" if hospital.kind == "mimic3" else "chartevents"
    (rows_of_chart,) = [t["rows"] for name, t in hospital.manifest["tables"].items() if name.endswith(chart)]
    assert dataset["source"]["tables"][chart]["rows"] == rows_of_chart


def episodes(records: Records) -> dict[int, list[Spell]]:
    """ICU stay → the spells that were derived from its chart; with a cannula those on a machine, as the tasks do."""
    assert records.ventilation is not None
    found: dict[int, list[Spell]] = {}
    told = records.ventilation()
    cut = told.filter(status="on-machine")["stay_id"].unique().implode()
    invasive = told.filter(
        pl.when(pl.col("stay_id").is_in(cut)).then(pl.col("status") == "on-machine")
        .otherwise(pl.col("status").is_in(["ventilated", "invasive"]))
    )  # fmt: skip
    for stay, start, end in invasive.select("stay_id", "starttime", "endtime").iter_rows():
        found.setdefault(stay, []).append((start, end))
    return found


def test_the_spells_that_are_derived_are_those_that_happened(hospital: Hospital) -> None:
    """The rules for MIMIC-IV end a spell at a charted status, of which a ventilator has one every second reading."""
    derived, true = episodes(hospital.records), hospital.spells()
    assert {stay: [start for start, _ in spells] for stay, spells in derived.items()} == {
        stay: [start for start, _ in spells] for stay, spells in true.items()
    }
    off = [abs(d - t) for stay in true for (_, d), (_, t) in zip(derived[stay], true[stay], strict=True)]
    assert max(off) <= (timedelta() if hospital.kind == "mimic3" else timedelta(hours=8))
    assert len(hospital.spells()) == hospital.manifest["counts"]["icu_stays_with_invasive_ventilation"]


def moment(cell: str) -> datetime | None:
    return datetime.fromisoformat(cell) if cell else None


def excluded(hospital: Hospital) -> set[int]:
    """Admissions whose diagnoses leave them out, titles apart: no code of the made-up bill is that of a donor."""
    out = set()
    for row in hospital.table(2):
        version = row.get("icd_version", "9")
        code = row.get("icd9_code", row.get("icd_code", "")).strip()
        if re.match(EXCLUDING[version], code):
            out.add(int(row["hadm_id"]))
    return out


def span(spells: list[Spell]) -> timedelta:
    return spells[-1][1] - spells[0][0] + timedelta(hours=6)


def begun(landmark: timedelta, spells: list[Spell]) -> list[Spell]:
    """The spells that begin by the landmark."""
    return [spell for spell in spells if spell[0] <= spells[0][0] + landmark]


def cut_short(row: dict[str, str], anchor: datetime) -> str | None:
    """What ended an admission of the cohort before day seven."""
    week = anchor + timedelta(days=7)
    left, died = moment(row["dischtime"]), moment(row["deathtime"])
    place = row["discharge_location"].upper() if left is not None and left < week else ""
    if died < week if died else row["hospital_expire_flag"] == "1" and left is not None and left < week:
        return "died or hospice"
    if "HOSPICE" in place:
        return "died or hospice"
    return "transferred" if re.search("HOSPITAL|ACUTE|DISC-TRAN", place) else None


def landmark_answer(row: dict[str, str], stay: list[Spell], stays: list[list[Spell]]) -> str | None:
    """By what became of the stay that makes the cohort, in real days; nobody knows of who left on the machine."""
    ended = cut_short(row, stay[0][0])
    whole = span(begun(timedelta(days=7), stay)) - timedelta(hours=6) >= timedelta(days=7)
    left = moment(row["dischtime"])
    last = max(end for spells in stays for _, end in spells)
    gone = left is not None and left < stay[0][0] + timedelta(days=7) and left - last <= timedelta(hours=6)
    return ended or ("prolonged" if whole else None if gone else "weaned")


def published_answer(row: dict[str, str], stay: list[Spell], stays: list[list[Spell]]) -> str:
    """By the longest of all stays, six hours given."""
    return "prolonged" if max(map(span, stays)) >= timedelta(days=7) else "not prolonged"


def restated(
    hospital: Hospital,
    in_cohort: Callable[[list[Spell]], bool],
    answer: Callable[[dict[str, str], list[Spell], list[list[Spell]]], str | None],
) -> dict[int, str]:
    """hadm_id → answer, from the true spells and the raw tables."""
    spells, key = hospital.spells(), TABLES[hospital.kind][3]
    stays: dict[int, list[tuple[str, int]]] = {}
    for row in hospital.table(1):
        if int(row[key]) in spells:
            stays.setdefault(int(row["hadm_id"]), []).append((row["intime"], int(row[key])))
    told = {}
    out = excluded(hospital)
    for row in hospital.table(0):
        hadm_id = int(row["hadm_id"])
        base = [stay for _, stay in sorted(stays.get(hadm_id, [])) if in_cohort(spells[stay])]
        if base and hadm_id not in out:
            told[hadm_id] = answer(row, spells[base[0]], [spells[stay] for _, stay in stays[hadm_id]])
    return {hadm_id: known for hadm_id, known in told.items() if known is not None}


def test_prolonged_ventilation_is_what_follows_from_the_truth(hospital: Hospital) -> None:
    two = timedelta(days=2)
    known = restated(hospital, lambda spells: span(begun(two, spells)) >= two, landmark_answer)
    later = restated(hospital, lambda spells: span(spells) >= two, published_answer)
    sound, published = ProlongedVentilation(), ProlongedVentilation(cohort="in-hindsight", competing="negative")
    assert {n: asked for n, (asked,) in answers(sound, hospital.records).items()} == known
    assert {n: asked for n, (asked,) in answers(published, hospital.records).items()} == later
    assert set(known) <= set(later)
    assert {"prolonged", "weaned", "died or hospice", "transferred"} <= set(known.values())


def test_hospices_other_hospitals_and_cannulas_change_answers(hospital: Hospital) -> None:
    """Those of the made-up patients who went there before day seven, and who were long on a machine through one."""
    homely = hospital.records.admissions.with_columns(discharge_location=pl.lit("HOME"))
    sound, left_out = ProlongedVentilation(), ProlongedVentilation(cannula="left-out")
    told = answers(sound, hospital.records)
    at_home = answers(sound, replace(hospital.records, admissions=homely))
    changed = {(told[n][0], at_home[n][0]) for n in set(told) & set(at_home) if told[n] != at_home[n]}
    assert {("died or hospice", "weaned"), ("transferred", "weaned")} <= changed
    published = answers(left_out, hospital.records)
    cut = {(told[n][0], published[n][0]) for n in set(told) & set(published) if told[n] != published[n]}
    assert cut == ({("prolonged", "weaned")} if hospital.kind == "mimic4" else set())


@pytest.mark.parametrize("preset", ["sound", "paper-text"])
def test_the_measures_ask_about_the_same_admissions(hospital: Hospital, preset: Literal["sound", "paper-text"]) -> None:
    usual = next(task for task in usual_tasks(hospital.kind, preset, events=True) if task.needs_events)
    found = [answers(usual.model_copy(update={"measure": one}), hospital.records) for one in get_args(Measure)]
    assert len({frozenset(answer) for answer in found}) == 1
    assert len(found[0]) > 10


def test_the_prepared_answers_are_a_part_of_those(hospital: Hospital) -> None:
    entry = plain_dataset(hospital.data)["tasks"]["prolonged_ventilation"]
    told = answers(ProlongedVentilation(), hospital.records)
    examples = read_task(hospital.data, "prolonged_ventilation")
    assert [entry["labels"][n] for n in examples["label"]] == [told[n][0] for n in examples["hadm_id"]]
    (step,) = [row for row in entry["attrition"] if row["step"] == "ventilated long enough"]
    adults = hospital.records.admissions.filter(pl.col("dischtime") >= pl.col("admittime"), pl.col("age") >= 18)
    anchors = ProlongedVentilation().asked(hospital.records).drop_nulls("asked").select("hadm_id", "anchor")
    landmark = pl.col("anchor") + timedelta(days=2)
    there = (pl.col("dischtime") > landmark) & (pl.col("deathtime") > landmark).fill_null(True)
    assert step["admissions"] == adults.join(anchors, on="hadm_id").filter(there).height > 0
    assert set(anchors["hadm_id"]) == set(told)


def test_at_the_landmark_who_is_gone_is_not_asked_about_and_nobody_sooner(hospital: Hospital) -> None:
    entry = plain_dataset(hospital.data)["tasks"]["prolonged_ventilation"]
    steps = [row["step"] for row in entry["attrition"]]
    last = steps.index("ventilated long enough")
    assert steps[last - 2 : last] == ["still there at the landmark", "did not leave on the machine"]
    assert entry["when"] == "48 hours after the first ventilation"
    anchors = ProlongedVentilation().asked(hospital.records).select("hadm_id", "anchor")
    examples = read_task(hospital.data, "prolonged_ventilation").join(anchors, on="hadm_id")
    assert (examples["prediction_time"] - examples["anchor"]).unique().to_list() == [timedelta(days=2)]
    there = examples.join(hospital.records.admissions, on="hadm_id")
    assert there.filter(pl.col("dischtime") <= pl.col("prediction_time")).is_empty()
    assert there.filter(pl.col("deathtime") <= pl.col("prediction_time")).is_empty()


def test_no_ward_note_is_read_that_was_stored_after_the_prediction(hospital: Hospital) -> None:
    examples = read_task(hospital.data, "mortality_or_hospice")
    notes = pl.concat(list(hospital.records.notes()))
    assert plain_dataset(hospital.data)["tasks"]["mortality_or_hospice"]["kind"] == "prospective"
    late = notes.join(examples, on="hadm_id", suffix="_read").filter(
        (pl.max_horizontal("charttime", "storetime") > pl.col("prediction_time")) | pl.col("charttime").is_null()
    )
    assert late.height > 0
    said = late.with_columns(pl.col("text").str.strip_chars()).filter(pl.col("text").str.len_chars() > 60)
    leaked = [read for text, read in said.select("text", "text_read").iter_rows() if text in read]
    assert leaked == []


def test_the_episodes_are_kept_and_the_chart_is_read_once(hospital: Hospital) -> None:
    store = hospital.data.path.parents[1]
    (shelf,) = [folder for folder in (store / "events").iterdir() if folder.is_dir()]
    manifest = json.loads((shelf / "manifest.json").read_text())
    assert manifest["sensitivity"] == "restricted"
    assert hospital.records.ventilation is not None
    for join in OXYGEN_JOINS:
        assert pl.read_parquet(shelf / f"ventilation-{join}.parquet").equals(hospital.records.ventilation(join))
