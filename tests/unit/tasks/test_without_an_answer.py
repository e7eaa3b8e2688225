"""Whoever has no known answer yet is read as in training: the same filters but those that need it, the same texts."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.sources.source import Records
from chartune.sources.splits import HashSplit
from chartune.tasks.chart_task import ChartTask
from chartune.tasks.diagnoses import Diagnoses
from chartune.tasks.late_mortality import LateMortality
from chartune.tasks.making import make_tasks, readable, staged_notes, with_asked
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation
from chartune.tasks.prolonged_ventilation import ProlongedVentilation
from chartune.tasks.staging import Staged
from chartune.tasks.task import Task
from chartune.testing.small_charts import BEGIN, at, icu_stay, note, read_by, records_of, stay, ventilated

TASKS: list[dict[str, Any]] = [
    {"kind": "mortality"},
    {"kind": "mortality", "hospice": "died", "reads": {"kind": "bedside-notes"}},
    {"kind": "late-mortality"},
    {"kind": "late-mortality", "anchor": "first-ventilation"},
    {"kind": "length-of-stay"},
    {"kind": "length-of-stay", "deaths": "class"},
    {"kind": "diagnoses"},
    {"kind": "procedures"},
    {"kind": "triage"},
    {"kind": "prolonged-ventilation"},
    {"kind": "prolonged-ventilation", "competing": "left-out"},
    {"kind": "prolonged-ventilation", "competing": "negative", "cohort": "in-hindsight"},
]


@dataclass(frozen=True)
class Charts:
    """A made-up hospital, read."""

    folder: Path
    records: Records
    admissions: pl.DataFrame
    staged: Staged


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    aside = tmp_path_factory.mktemp("charts")
    make_hospital(aside / "raw", subjects=90, seed=3, events=True)
    preparation = parsed(aside / "raw", *TASKS)
    records = preparation.source.load(events=True)
    assert records.ventilation is not None
    episodes = records.ventilation("fixed")
    records = replace(records, ventilation=lambda oxygen_join="fixed": episodes)
    admissions = HashSplit().assign(records.subjects).placed(records.admissions, "admittime")
    return Charts(aside / "raw", records, admissions, staged_notes(records, preparation.categories(), None, aside))


def parsed(folder: Path, *tasks: dict[str, Any], **more: Any) -> Preparation:
    names = [Preparation.parse({"source": {"kind": "mimic3", "folder": folder}, "tasks": [task]}) for task in tasks]
    every = tuple({task.name: task for one in names for task in one.tasks}.values())
    return Preparation.parse({"source": {"kind": "mimic3", "folder": folder}, "tasks": every, "corpus": None, **more})


def whole(task: Task, charts: Charts) -> pl.DataFrame:
    asked = with_asked(task, charts.records, charts.admissions)
    return pl.concat(readable(task, asked, charts.staged)).sort("hadm_id")


@pytest.mark.parametrize("plain", TASKS, ids=lambda task: "-".join(str(value) for value in task.values())[:60])
@pytest.mark.parametrize("copies", ["among-eligible", "among-all-notes"])
def test_texts_of_the_labelled_are_those_of_training_and_of_others_those_they_would_be(
    charts: Charts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: dict[str, Any], copies: str
) -> None:
    if plain.get("reads", {}).get("kind") != "bedside-notes":
        reads = {"kind": "whole-summary" if plain["kind"] == "triage" else "admission-note", "copies": copies}
        plain = {**plain, "reads": reads}
    (task,) = parsed(charts.folder, plain).tasks
    known = whole(task, charts)
    asked = type(task).asked

    def unknown(self: ChartTask, records: Records) -> pl.DataFrame:
        """As asked, but of every third admission nobody knows."""
        answer = pl.when(pl.col("hadm_id") % 3 != 0).then("asked")
        return asked(self, records).with_columns(asked=answer)

    monkeypatch.setattr(type(task), "asked", unknown)
    both = whole(task, charts)
    make_tasks([task], charts.records, charts.admissions, charts.staged, tmp_path, copies=True)
    learnt = pl.read_parquet(tmp_path / f"{task.name}.parquet").drop("label")
    labelled = both.drop_nulls("asked")
    assert learnt.height > 0
    # A label that no training example has is left out later.
    assert labelled.join(learnt, on="hadm_id", how="semi").drop("asked").equals(learnt)
    assert labelled.filter(pl.col("hadm_id") % 3 == 0).is_empty()
    others = both.filter(pl.col("asked").is_null())
    assert others.filter(pl.col("hadm_id") % 3 == 0).height > 0
    same = others.join(known, on="hadm_id", suffix="_known")
    assert same.height > 0
    for column in ("text", "split", "prediction_time", "text_time"):
        assert same[column].equals(same[f"{column}_known"], check_names=False)


def test_a_stay_that_goes_on_is_read_and_one_that_ended_before_is_not() -> None:
    (task,) = parsed(Path("raw"), {"kind": "mortality", "reads": {"kind": "bedside-notes"}}).tasks
    goes_on, left = stay(1, days=None, died=None), stay(2, days=0.1, died=None)
    notes = [note(n, f"Note of {n}", charted=1, category="Nursing") for n in (1, 2)]
    assert read_by(task, [goes_on, left], notes)[0].is_empty()
    read, _ = read_by(task, [goes_on, left], notes, labelled=False)
    assert read.select("text", "asked", "prediction_time").rows() == [("Note of 1", None, at(24))]


STORY = "Chief Complaint: cough\n\nHistory of Present Illness:\nCoughing for a week.\n"


def read_of(task: ChartTask, records: Records, rows: list[Any], *, labelled: bool) -> list[int]:
    """The admissions of which a summary is read."""
    notes = [note(row["hadm_id"], f"{STORY}It is day {row['hadm_id']}.\n") for row in rows]
    read, _ = read_by(task, rows, notes, records, labelled=labelled)
    return read["hadm_id"].to_list()


def test_a_labelled_text_stays_where_somebody_without_an_answer_has_the_same_later() -> None:
    rows = [stay(1), stay(2, died=None)]
    notes = [note(n, STORY, chartdate=at(24 * n).date()) for n in (1, 2)]
    read, _ = read_by(Mortality(), rows, notes, labelled=False)
    assert read.select("hadm_id", "asked").rows() == [(1, ["survived"]), (2, None)]


def test_who_is_in_no_cohort_of_ventilation_is_not_read_and_who_left_on_the_machine_only_without_an_answer() -> None:
    rows = [stay(1, days=60), stay(2, days=3, discharge_location="HOME"), stay(3, days=60)]
    episodes = [ventilated(1, 0, 100), ventilated(2, 0, 72), ventilated(3, 0, 10)]
    icu = [icu_stay(n) for n in (1, 2, 3)]
    records = records_of(*rows, icu=icu, episodes=episodes)
    task = ProlongedVentilation()
    assert [read_of(task, records, rows, labelled=known) for known in (True, False)] == [[1], [1, 2]]
    hindsight = ProlongedVentilation(cohort="in-hindsight")
    assert [read_of(hindsight, records, rows, labelled=known) for known in (True, False)] == [[1], [1, 2]]
    days = {1: BEGIN.date() + timedelta(days=40), 2: BEGIN.date() - timedelta(days=1)}
    dead = records_of(*rows, icu=icu, episodes=episodes, dod=days)
    late = LateMortality(anchor="first-ventilation")
    assert [read_of(late, dead, rows, labelled=known) for known in (True, False)] == [[1], [1, 2]]


def test_an_admission_coded_in_two_versions_has_no_answer_and_is_read_without() -> None:
    rows = [stay(1), stay(2), stay(3)]
    records = records_of(*rows, diagnoses=[(1, "4280", 9), (2, "4280", 9), (2, "I50", 10)])
    assert [read_of(Diagnoses(), records, rows, labelled=known) for known in (True, False)] == [[1], [1, 2, 3]]
