"""External labels asked of a chart: which admission each is about, what may be read, and whose splits count."""

import pickle
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError, DataError, LabelError, LeakageError
from chartune.sources.answers import ANSWERS
from chartune.sources.mimic3 import Mimic3
from chartune.sources.source import About, Records
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.external import External
from chartune.tasks.making import make_tasks, staged_notes
from chartune.tasks.matching import match
from chartune.testing.raw_tables import SUMMARY, RawHospital

BEGIN = datetime.fromisoformat("2100-07-01 10:00")
NOTE = dict[str, Any]


def at(hours: float) -> datetime:
    return BEGIN + timedelta(hours=hours)


def admissions(*stays: tuple[int, int, float, float], splits: Sequence[str | None] = ()) -> pl.DataFrame:
    """(subject_id, hadm_id, first hour, last hour) of each; splits by patient, train if nothing is said."""
    rows = [
        {"subject_id": s, "hadm_id": h, "admittime": at(a), "dischtime": at(z), "deathtime": None, "age": 50.0,
         "admission_type": "EMERGENCY", "split": (splits or ["train"] * len(stays))[n]}
        for n, (s, h, a, z) in enumerate(stays)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"deathtime": pl.Datetime("us"), "split": pl.String})


def answers(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(ANSWERS) | row for row in rows], schema=ANSWERS)


def notes(*rows: NOTE) -> pl.DataFrame:
    usual = {
        "chartdate": BEGIN.date(),
        "charttime": None,
        "storetime": None,
        "description": "Report",
        "is_error": False,
    }
    full = [
        {"note_id": str(n), "note_seq": n, "words": 5, "text_key": n, "copy_key": n, "notes": 1, **usual, **row}
        for n, row in enumerate(rows)
    ]
    times = {"charttime": pl.Datetime("us"), "storetime": pl.Datetime("us")}
    return pl.DataFrame(full, schema_overrides=times)


def records_of(stays: pl.DataFrame) -> Records:
    return Records(About("mimic3", "", "", ""), pl.DataFrame(), stays.drop("split"), lambda: iter(()))


def warned(task: External, stays: pl.DataFrame) -> tuple[str, ...]:
    return task.warnings(records_of(stays), stays.select("subject_id", "split").unique())


def asked_of(task: External, stays: pl.DataFrame, written: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The examples of a task, and its attrition by step."""
    attrition = Attrition()
    asked = stays.join(task.asked(records_of(stays)), on=["subject_id", "hadm_id"], how="left")
    chosen = task.select(Cohort(asked, written.drop("text")), attrition)
    texts = written.join(chosen.notes.select("note_id"), on="note_id")
    examples = task.examples(chosen.admissions, task.reads.read_notes(texts), attrition)
    return examples, {row["step"]: row for row in attrition.to_json()}


def of_table(folder: Path, text: str, **fields: Any) -> External:
    (folder / "l.csv").write_text(text)
    return External.parse({"name": "x", "labels": {"kind": "table", "file": folder / "l.csv"}, **fields})


def of_times(folder: Path, *labels: tuple[int, datetime, bool], **fields: Any) -> External:
    frame = pl.DataFrame(labels, ("subject_id", "prediction_time", "boolean_value"), orient="row")
    frame.write_parquet(folder / "l.parquet")
    return External.parse({"name": "x", "labels": {"kind": "meds", "path": folder / "l.parquet"}, **fields})


STAYS = admissions((1, 11, 0, 48), (2, 21, 0, 48), (2, 22, 100, 148), (3, 31, 0, 48))
SUMMARIES = notes(
    *({"subject_id": h // 10, "hadm_id": h, "category": "Discharge summary", "text": SUMMARY.format(h)}
      for h in (11, 21, 22, 31))
)  # fmt: skip


def test_labels_of_admissions_are_asked_of_their_admission_notes(tmp_path: Path) -> None:
    task = of_table(tmp_path, "hadm_id,label\n22,1\n11,0\n31,\n999,1\n")
    examples, steps = asked_of(task, STAYS, SUMMARIES)
    assert examples.select("subject_id", "hadm_id", "text", "asked", "prediction_time").rows() == [
        (1, 11, "CHIEF COMPLAINT: Fever 11", ["0"], at(0)), (2, 22, "CHIEF COMPLAINT: Fever 22", ["1"], at(100)),
    ]  # fmt: skip
    assert warned(task, STAYS) == (
        "x: 1 of 4 rows of labels have no label.", "x: 1 of 4 rows of labels fit no admission.",
    )  # fmt: skip
    assert (steps["labelled"]["admissions"], steps["labelled"]["removed_admissions"]) == (2, 2)
    assert task.card().kind == "retrospective-text"
    more = pl.concat([examples, examples.with_columns(pl.col("subject_id") + 10)])
    assert task.label_space(more, None).labels == ("0", "1")  # type: ignore[arg-type]


def test_the_labels_of_beep_are_a_task_without_any_code(tmp_path: Path) -> None:
    (tmp_path / "pmv.pkl").write_bytes(pickle.dumps({11: (1, "x", "train"), 21: (0, "x", "test")}))
    labels = {"kind": "beep", "file": tmp_path / "pmv.pkl"}
    task = External.parse({"name": "pmv", "labels": labels, "split": "labels"})
    examples, _ = asked_of(task, STAYS, SUMMARIES)
    assert examples.select("hadm_id", "asked", "split").rows() == [(11, ["1"], "train"), (21, ["0"], "test")]


def test_a_text_that_tells_the_death_is_left_out_unless_it_is_wanted(tmp_path: Path) -> None:
    text = "Chief Complaint:\nThe patient expired at home.\n\nBrief Hospital Course:\nNone.\n"
    written = SUMMARIES.with_columns(
        pl.when(pl.col("hadm_id") == 11).then(pl.lit(text)).otherwise("text").alias("text")
    )
    for kept, left in (("left-out", [21]), ("kept", [11, 21])):
        task = of_table(tmp_path, "hadm_id,label\n11,1\n21,0\n", death_told=kept)
        assert asked_of(task, STAYS, written)[0]["hadm_id"].to_list() == left


def test_splits_of_the_label_file_count_only_where_that_is_said(tmp_path: Path) -> None:
    stays = admissions((1, 11, 0, 9), (2, 21, 0, 9), (3, 31, 0, 9), splits=("train", "train", "test"))
    text = "hadm_id,label,split\n11,1,train\n21,0,test\n31,0,valid\n"
    task = of_table(tmp_path, text)
    assert asked_of(task, stays, SUMMARIES)[0]["split"].to_list() == ["train", "train", "test"]
    assert warned(task, stays) == ()
    task = of_table(tmp_path, text, split="labels")
    assert asked_of(task, stays, SUMMARIES)[0]["split"].to_list() == ["train", "test", "validation"]
    assert warned(task, stays) == (
        "x: splits are those of its labels; 2 of 3 patients stand elsewhere in the source's.",
        "x: 1 held-out patients stand in the source's train or corpus part, so that a model adapted on this corpus has "
        "read their notes.",
    )


def test_a_column_of_splits_that_is_not_followed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "hadm_id,label,set\n11,1,train\n21,0,test\n"
    named = {"kind": "table", "file": tmp_path / "l.csv", "split": "set"}
    asked_of(of_table(tmp_path, text, labels=named), STAYS, SUMMARIES)
    assert capsys.readouterr().err == (
        "x: the column set of the labels is not read, because the splits are the source's; to follow it, say `split: "
        "labels` in this task\n"
    )
    asked_of(of_table(tmp_path, text, labels=named, split="labels"), STAYS, SUMMARIES)
    asked_of(of_table(tmp_path, text), STAYS, SUMMARIES)  # its column would be called split
    asked_of(of_times(tmp_path, (1, at(20), True)), STAYS, BEDSIDE)
    assert capsys.readouterr().err == ""


def test_a_patient_whom_the_labels_put_into_two_splits_is_a_leak(tmp_path: Path) -> None:
    text = "hadm_id,label,split\n11,1,train\n21,0,test\n22,0,train\n"
    with pytest.raises(LeakageError, match="the labels put 1 into two or more"):
        asked_of(of_table(tmp_path, text, split="labels"), STAYS, SUMMARIES)
    asked_of(of_table(tmp_path, text), STAYS, SUMMARIES)


BEDSIDE = notes(
    {"subject_id": 1, "hadm_id": 11, "category": "Nursing", "storetime": at(5), "charttime": at(4), "text": "slept"},
    {"subject_id": 1, "hadm_id": 11, "category": "Radiology", "charttime": at(10), "text": "chest clear"},
    {"subject_id": 1, "hadm_id": 11, "category": "Nursing", "storetime": at(21), "charttime": at(19), "text": "late"},
    {"subject_id": 1, "hadm_id": 11, "category": "Nursing", "text": "undated"},
    {"subject_id": 2, "hadm_id": 22, "category": "Nursing", "storetime": at(101), "text": "later stay"},
    {"subject_id": 1, "hadm_id": 11, "category": "Discharge summary", "text": SUMMARY.format("x")},
)


def test_labels_with_a_time_are_asked_of_notes_stored_until_then(tmp_path: Path) -> None:
    task = of_times(tmp_path, (1, at(20), True), (2, at(120), False))
    examples, steps = asked_of(task, STAYS, BEDSIDE)
    assert examples.select("hadm_id", "text", "asked", "prediction_time").rows() == [
        (11, "chest clear\n\nslept", ["true"], at(20)), (22, "later stay", ["false"], at(120)),
    ]  # fmt: skip
    assert task.card().kind == "prospective"
    assert task.card().when == "at the first time that the labels name of an admission"
    assert steps["stored in time"]["removed_notes"] == 1


def test_the_last_hours_before_a_time_can_be_asked_alone(tmp_path: Path) -> None:
    reads = {"kind": "bedside-notes", "since": "anchor", "hours": 12}
    task = of_times(tmp_path, (1, at(20), True), reads=reads)
    assert asked_of(task, STAYS, BEDSIDE)[0]["text"].to_list() == ["chest clear"]
    assert "from 12 hours before" in task.card().seen


@pytest.mark.parametrize(("which", "hour"), [("first", 8), ("last", 20)])
def test_of_several_times_of_an_admission_one_is_asked_about(tmp_path: Path, which: str, hour: int) -> None:
    task = of_times(tmp_path, (1, at(20), True), (1, at(8), False), (1, at(12), True), which=which)
    assert asked_of(task, STAYS, BEDSIDE)[0]["prediction_time"].to_list() == [at(hour)]
    assert warned(task, STAYS) == ("x: 2 of 3 rows of labels are further times of an admission.",)


def test_times_are_matched_to_the_admission_that_holds_them() -> None:
    stays = admissions((1, 11, 0, 24), (1, 12, 24, 48), (1, 13, 60, 70))
    rows = [{"subject_id": 1, "prediction_time": at(hour), "asked": ["x"]} for hour in (0, 24, 48, 50, 70.5)]
    matched = match(answers(*rows, {"subject_id": 1, "prediction_time": at(1)}), stays, "first")
    assert matched.frame.select("hadm_id", "labelled_at").rows() == [(11, at(0)), (12, at(48))]
    assert (matched.rows, matched.empty, matched.elsewhere, matched.ambiguous, matched.surplus) == (6, 1, 2, 1, 0)


def test_an_open_admission_holds_no_time() -> None:
    stays = admissions((1, 11, 0, 24)).with_columns(dischtime=pl.lit(None, pl.Datetime("us")))
    with pytest.raises(DataError, match="none of 1 does"):
        match(answers({"subject_id": 1, "prediction_time": at(1), "asked": ["x"]}), stays, "first")


def test_labels_of_another_source_are_refused() -> None:
    stays = admissions((1, 11, 0, 24))
    with pytest.raises(DataError, match="none of 1 does"):
        match(answers({"hadm_id": 99, "asked": ["x"]}), stays, "first")
    with pytest.raises(DataError, match="1 rows name another one than the source"):
        match(answers({"hadm_id": 11, "subject_id": 2, "asked": ["x"]}), stays, "first")


def test_discharge_summaries_are_not_read_for_a_time_unless_that_is_allowed(tmp_path: Path) -> None:
    note = {"kind": "admission-note"}
    with pytest.raises(ConfigError, match=r"admission-note was written after it.*allow_retrospective=true"):
        of_times(tmp_path, (1, at(20), True), reads=note)
    task = of_times(tmp_path, (1, at(20), True), reads=note, allow_retrospective=True)
    examples, _ = asked_of(task, STAYS, SUMMARIES)
    assert examples.select("hadm_id", "prediction_time").rows() == [(11, at(20))]
    assert task.card().kind == "retrospective-text"
    assert task.card().seen.endswith("(written after it)")
    assert task.card().answer_told  # so that the audit fails
    assert not of_times(tmp_path, (1, at(20), True)).card().answer_told


def test_where_no_note_has_a_time_nothing_can_be_read_until_then(tmp_path: Path) -> None:
    timeless = BEDSIDE.with_columns(pl.lit(None, pl.Datetime("us")).alias(name) for name in ("charttime", "storetime"))
    with pytest.raises(LeakageError, match=r"of 5 notes of these categories \(Nursing, .* none says when"):
        asked_of(of_times(tmp_path, (1, at(20), True)), STAYS, timeless)


def test_too_many_labels_to_be_classes_are_told(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n / 7}\n" for n in range(1, 200))
    task = of_table(tmp_path, "hadm_id,label\n" + rows)
    examples = pl.DataFrame({"subject_id": range(199), "split": "train", "asked": [[str(n)] for n in range(199)]})
    with pytest.raises(LabelError, match=r"199 distinct ones .* as numbers and free text do"):
        task.label_space(examples, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["corpus", "splits", "../x", "Ventilated", "a b", ""])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    labels = {"kind": "table", "file": tmp_path / "l.csv"}
    with pytest.raises(ConfigError, match="lower-case letters"):
        External.parse({"name": name, "labels": labels})


def test_a_task_survives_its_yaml_and_its_labels_are_in_its_fingerprint(tmp_path: Path) -> None:
    task = of_times(tmp_path, (1, at(20), True))
    task.write(tmp_path / "t.yaml")
    assert External.read(tmp_path / "t.yaml") == task
    before = task.hashable()
    assert of_times(tmp_path, (1, at(20), False)).hashable() != before


def test_from_raw_tables_and_a_csv_to_prepared_examples(tmp_path: Path) -> None:
    raw = RawHospital()
    for subject_id in range(1, 8):
        raw.stay(subject_id)
    text = "hadm_id,label,split\n" + "".join(
        f"{1000 + n},{n % 2},{split}\n" for n, split in enumerate(["train"] * 4 + ["val", "test"], start=1)
    )
    task = of_table(tmp_path, text, split="labels", title="Ours")
    records = Mimic3(folder=raw.write(tmp_path / "raw")).load()
    placed = records.admissions.with_columns(split=pl.lit("train"))
    staged = staged_notes(records, frozenset(task.reads.categories()), None, tmp_path)
    entry = make_tasks([task], records, placed, staged, tmp_path, copies=False)["x"]
    assert (entry["title"], entry["answer"], entry["labels"]) == ("Ours", "binary", ["0", "1"])
    assert {split: row["admissions"] for split, row in entry["counts"].items()} == {
        "train": 4, "validation": 1, "calibration": 0, "test": 1,
    }  # fmt: skip
    examples = pl.read_parquet(tmp_path / "x.parquet")
    assert examples.select("hadm_id", "split", "label").rows()[-1] == (1006, "test", 0)
