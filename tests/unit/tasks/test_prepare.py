"""Preparation: what each filter removes, what the artefact holds, and that the same question finds the same answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError, DataError, SchemaError
from chartune.sources.mimic3 import Mimic3
from chartune.sources.source import About, Records
from chartune.sources.splits import HashSplit, ImportedSplit
from chartune.store import Artefact, Store
from chartune.tasks.corpus import DOCUMENTS, Corpus
from chartune.tasks.inputs import EXAMPLES
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation, prepare, read_corpus, read_task
from chartune.tasks.stays import Stays
from chartune.tasks.subgroups import read_subgroups, subgroups
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import NOTEEVENTS, SUMMARY, RawHospital, Row, write_table

Prepared = Callable[..., Artefact]


@pytest.fixture
def split_lists(tmp_path: Path) -> ImportedSplit:
    """Subjects below 100 train, 100s validate, 200s test, 300s calibrate, 400s are text for adaptation only."""
    folder = tmp_path / "lists"
    folder.mkdir()
    names = {"train": 0, "validation": 100, "test": 200, "calibration": 300, "background": 400}
    for name, start in names.items():
        (folder / f"{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in range(start, start + 20)))
    return ImportedSplit(folder=folder)


@pytest.fixture
def prepared(tmp_path: Path, split_lists: ImportedSplit, store: Store) -> Prepared:
    def run(raw: RawHospital, *, corpus: Corpus | None = None, task: Mortality | None = None) -> Artefact:
        source = Mimic3(folder=raw.write(tmp_path / "raw"))
        tasks = (task or Mortality(),)
        return prepare(Preparation(source=source, splits=split_lists, tasks=tasks, corpus=corpus or Corpus()), store)

    return run


def steps(rows: list[dict[str, Any]]) -> dict[str, tuple[int | None, int]]:
    """Step → what it removed of (admissions, notes), where it removed anything."""
    removed = {row["step"]: (row["removed_admissions"], row["removed_notes"]) for row in rows}
    return {step: counts for step, counts in removed.items() if any(counts)}


def quirky() -> RawHospital:
    """One good stay of every split, and one for each reason to leave a stay or a note out."""
    raw = RawHospital()
    for subject_id in (1, 101, 201, 301, 401):
        raw.stay(subject_id, died=int(subject_id == 1))
    raw.stay(999)  # in no list
    raw.patient(2)
    raw.admission(2, 1002, ends="2100-06-30 10:00:00")
    raw.note(2, 1002, SUMMARY.format(2))
    raw.patient(3)
    raw.admission(3, 1003, ends=None)
    raw.note(3, 1003, SUMMARY.format(3))
    raw.patient(4, born="2100-07-01 00:00:00")
    raw.admission(4, 1004, kind="NEWBORN")
    raw.note(4, 1004, SUMMARY.format(4))
    raw.patient(5, born="2082-07-02 00:00:00")
    raw.admission(5, 1005)
    raw.note(5, 1005, SUMMARY.format(5))
    raw.patient(6)
    raw.admission(6, 1006, died=None)
    raw.note(6, 1006, SUMMARY.format(6))
    raw.patient(7)
    raw.admission(7, 1007)
    raw.note(7, 1007, "CT normal", category="Radiology")
    raw.patient(8)
    raw.admission(8, 1008)
    raw.note(8, 1008, SUMMARY.format(8), error="1")
    raw.patient(9)
    raw.admission(9, 1009)
    raw.note(9, 1009, None)
    raw.patient(10)
    raw.admission(10, 1010)
    raw.note(10, 1010, SUMMARY.format(10), description="Addendum")
    raw.stay(11, "Allergies:\nnone\n")
    raw.stay(12, "Chief Complaint:\nThe patient expired at home.\n")
    raw.note(1, None, "clinic letter", category="Nursing/other")
    return raw


def test_every_filter_of_mortality_counts_what_it_removes(prepared: Prepared) -> None:
    artefact = prepared(quirky())
    task = plain_dataset(artefact)["tasks"]["mortality"]
    assert steps(task["attrition"]) == {
        "note of an admission": (0, 1),
        "patient in a split": (2, 2),
        "ends after it begins": (2, 2),
        "not a newborn": (1, 1),
        "of age": (1, 1),
        "outcome known": (1, 1),
        "discharge summary": (1, 1),
        "not withdrawn": (1, 1),
        "has text": (1, 1),
        "has a report": (1, 1),
        "states why the patient came": (1, 1),
        "does not state the death": (1, 1),
    }
    assert read_task(artefact, "mortality").select("subject_id", "split", "label").rows() == [
        (1, "train", 1), (101, "validation", 0), (201, "test", 0), (301, "calibration", 0),
    ]  # fmt: skip
    assert task["counts"]["train"] == {"subjects": 1, "admissions": 1, "positives": 1}


def test_attrition_starts_at_the_raw_rows_and_ends_at_the_examples(prepared: Prepared) -> None:
    raw = quirky()
    artefact = prepared(raw)
    rows = plain_dataset(artefact)["tasks"]["mortality"]["attrition"]
    assert (rows[0]["admissions"], rows[0]["notes"]) == (len(raw.admissions), len(raw.notes))
    examples = read_task(artefact, "mortality")
    assert (rows[-1]["subjects"], rows[-1]["admissions"]) == (examples["subject_id"].n_unique(), examples.height)
    assert rows[0]["notes"] - sum(row["removed_notes"] for row in rows) == rows[-1]["notes"]


def test_examples_have_their_columns_and_the_time_of_admission(prepared: Prepared) -> None:
    examples = read_task(prepared(quirky()), "mortality")
    assert examples.columns == [name if name != "asked" else "label" for name in EXAMPLES]
    assert examples.schema["label"] == pl.Int64
    assert examples["hadm_id"].is_sorted()
    assert examples["text"][0] == "CHIEF COMPLAINT: Fever 1"
    assert examples["prediction_time"].dt.to_string().to_list() == ["2100-07-01 10:00:00.000000"] * 4


def test_the_youngest_age_is_a_choice(prepared: Prepared) -> None:
    examples = read_task(prepared(quirky(), task=Mortality(stays=Stays(min_age=17))), "mortality")
    assert 5 in examples["subject_id"].to_list()


def test_reports_and_addenda_are_read_by_date_and_order_of_writing(prepared: Prepared) -> None:
    raw = RawHospital()
    raw.patient(1)
    raw.admission(1, 1001)
    raw.note(1, 1001, "Allergies:\nlatex\n\nAn addendum without a heading: he did badly.", description="Addendum")
    raw.note(1, 1001, "Chief Complaint:\nFall\n\nAllergies:\nnone", date="2100-07-04")
    assert read_task(prepared(raw), "mortality")["text"].to_list() == ["CHIEF COMPLAINT: Fall\n\nALLERGIES: none"]


def test_the_last_section_of_a_report_does_not_run_on_into_its_addendum(prepared: Prepared) -> None:
    raw = RawHospital()
    raw.stay(1, "Chief Complaint:\nFall\n\nMedications on Admission:\naspirin")
    raw.note(1, 1001, "She went home happy.", description="Addendum", date="2100-07-09")
    assert "happy" not in read_task(prepared(raw), "mortality")["text"][0]


def test_of_identical_summaries_the_latest_counts(prepared: Prepared) -> None:
    raw = RawHospital()
    for subject_id, date in ((1, "2100-07-05"), (2, "2100-07-09"), (3, "2100-07-05")):
        raw.patient(subject_id)
        raw.admission(subject_id, 1000 + subject_id)
        raw.note(subject_id, 1000 + subject_id, SUMMARY.format("again"), date=date)
    artefact = prepared(raw)
    assert read_task(artefact, "mortality")["subject_id"].to_list() == [2]
    assert steps(plain_dataset(artefact)["tasks"]["mortality"]["attrition"]) == {"no duplicate": (2, 2)}


@pytest.mark.parametrize("held_out", [101, 201, 301], ids=["validation", "test", "calibration"])
def test_a_training_text_that_a_held_out_chart_repeats_is_dropped(prepared: Prepared, held_out: int) -> None:
    raw = RawHospital()
    raw.stay(1, SUMMARY.format("since [**2100-1-1**]"))
    raw.stay(2)
    raw.stay(held_out, SUMMARY.format("SINCE [**2144-9-9**]").replace("Treated", "Cured"))
    artefact = prepared(raw)
    assert read_task(artefact, "mortality")["subject_id"].to_list() == [2, held_out]
    assert steps(plain_dataset(artefact)["tasks"]["mortality"]["attrition"]) == {"not in a held-out chart": (1, 1)}


def radiology() -> RawHospital:
    raw = RawHospital()
    raw.patient(1)
    raw.admission(1, 1001)
    raw.note(1, None, "Chest clear", category="Radiology")
    raw.note(1, None, "CT of [**Name 5**]:  normal.", category="Radiology")
    raw.note(1, None, "withdrawn", category="Radiology", error="1")
    raw.note(1, None, " \n", category="Radiology")
    raw.note(1, None, "turned in bed", category="Nursing")
    for subject_id in (101, 201, 301, 401, 999):
        raw.patient(subject_id)
    raw.note(101, None, "Knee", category="Radiology")
    raw.note(101, None, "knee ", category="Radiology")
    raw.note(201, None, "Ct of [**Other 77**] normal", category="Radiology")
    raw.note(301, None, "Hip", category="Radiology")
    raw.note(401, None, "HIP!", category="Radiology")
    raw.note(401, None, "Skull", category="Radiology")
    raw.note(999, None, "Foot", category="Radiology")
    return raw


def test_the_corpus_keeps_held_out_charts_out_of_training(prepared: Prepared) -> None:
    artefact = prepared(radiology())
    documents = read_corpus(artefact)
    assert documents.schema == pl.Schema(DOCUMENTS)
    assert sorted(documents.select("subject_id", "split", "text").rows()) == [
        (1, "train", "Chest clear"),
        (101, "validation", "knee"),
        (201, "test", "Ct of Other 77 normal"),
        (401, "train", "Skull"),
    ]
    corpus = plain_dataset(artefact)["corpus"]
    assert steps(corpus["attrition"]) == {
        "wanted category": (None, 1),
        "not withdrawn": (None, 1),
        "has text": (None, 1),
        "patient in a split": (None, 1),
        "not in a held-out chart": (None, 2),
        "not set aside": (None, 1),
        "no duplicate": (None, 1),
    }
    assert corpus["counts"]["train"] == {"subjects": 2, "documents": 2, "words": 3}


def test_counts_of_words_are_those_of_the_documents(prepared: Prepared) -> None:
    artefact = prepared(quirky())
    words = dict.fromkeys(("train", "validation", "test"), 0)
    for split, text in read_corpus(artefact).select("split", "text").iter_rows():
        words[split] += len(text.split())
    assert {split: count["words"] for split, count in plain_dataset(artefact)["corpus"]["counts"].items()} == words


def test_a_hospital_without_notes_is_no_error(prepared: Prepared) -> None:
    raw = RawHospital()
    raw.patient(1)
    raw.admission(1, 1001)
    artefact = prepared(raw)
    assert read_task(artefact, "mortality").is_empty()
    assert read_corpus(artefact).is_empty()
    assert plain_dataset(artefact)["tasks"]["mortality"]["attrition"][-1]["admissions"] == 0


def test_the_same_question_finds_the_same_artefact_without_reading_again(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared(quirky())

    def load(_: Mimic3) -> None:
        raise AssertionError("the source was read again")

    raw = first.path.parents[2] / "raw"
    times = {file: file.stat().st_mtime_ns for file in raw.iterdir()}
    monkeypatch.setattr(Mimic3, "load", load)
    monkeypatch.setattr(RawHospital, "write", lambda *_: raw)
    assert prepared(quirky()).path == first.path
    assert {file: file.stat().st_mtime_ns for file in raw.iterdir()} == times


def test_another_byte_in_a_table_is_another_artefact(prepared: Prepared) -> None:
    raw = quirky()
    first = prepared(raw)
    raw.note(1, 1001, "one more", category="Nursing")
    assert prepared(raw).fingerprint != first.fingerprint


def test_another_patient_in_a_list_is_another_artefact(
    tmp_path: Path, split_lists: ImportedSplit, store: Store
) -> None:
    asked = Preparation(
        source=Mimic3(folder=quirky().write(tmp_path / "raw")), splits=split_lists, tasks=(Mortality(),)
    )
    first = prepare(asked, store)
    moved = split_lists.folder / "validation.csv"
    moved.write_text(moved.read_text().replace("\n101\n", "\n"))
    (split_lists.folder / "test.csv").write_text("subject_id\n101\n201\n")
    second = prepare(asked, store)
    assert second.fingerprint != first.fingerprint
    places = [dict(read_task(made, "mortality").select("subject_id", "split").iter_rows()) for made in (first, second)]
    assert [place[101] for place in places] == ["validation", "test"]


def test_prepared_twice_from_the_same_rows_every_file_is_equal(tmp_path: Path) -> None:
    source = Mimic3(folder=quirky().write(tmp_path / "raw"))
    one, two = (prepare(Preparation(source=source), Store(tmp_path / name).open()) for name in ("a", "b"))
    assert one.content_hash() == two.content_hash()


def test_order_and_layout_of_the_raw_columns_change_no_prepared_row(tmp_path: Path) -> None:
    raw = quirky()
    source = Mimic3(folder=raw.write(tmp_path / "raw"))
    turned: list[Row] = [tuple(reversed(row)) for row in reversed(raw.notes)]
    other = raw.write(tmp_path / "turned")
    (other / "NOTEEVENTS.csv.gz").unlink()
    write_table(other / "noteevents.csv", tuple(name.lower() for name in reversed(NOTEEVENTS)), turned)
    store = Store(tmp_path / "store").open()
    one, two = prepare(Preparation(source=source), store), prepare(Preparation(source=Mimic3(folder=other)), store)
    for file in ("mortality.parquet", "corpus.parquet", "splits.parquet"):
        assert (one.path / file).read_bytes() == (two.path / file).read_bytes()


def test_only_named_files_stay_and_all_are_private(prepared: Prepared) -> None:
    artefact = prepared(quirky())
    assert {file.name for file in artefact.path.rglob("*")} == {
        "README.md", "corpus.parquet", "dataset.json", "manifest.json", "mortality.parquet", "splits.parquet",
        "subgroups.parquet",
    }  # fmt: skip
    assert {file.stat().st_mode & 0o777 for file in artefact.path.iterdir()} == {0o600}
    assert artefact.path.stat().st_mode & 0o777 == 0o700


def test_no_patient_stands_in_two_splits(prepared: Prepared) -> None:
    artefact = prepared(quirky())
    splits = pl.read_parquet(artefact.path / "splits.parquet")
    assert splits["subject_id"].is_unique().all()
    assert set(splits["split"]) == {"train", "validation", "test", "calibration", "corpus"}


def test_two_notes_of_one_id_are_refused_and_nothing_is_left(tmp_path: Path, prepared: Prepared, store: Store) -> None:
    raw = quirky()
    raw.notes.append(raw.notes[0])
    with pytest.raises(SchemaError, match="every note must have an id of its own, but 2 share theirs"):
        prepared(raw)
    assert [file for file in (store.root / "data").rglob("*") if file.is_file()] == []


def test_bytes_that_were_replaced_are_told_in_the_data_card(prepared: Prepared) -> None:
    raw = RawHospital()
    raw.stay(1, "Chief Complaint:\nna\ufffdsea")
    raw.stay(2)
    assert plain_dataset(prepared(raw))["source"]["warnings"][0].startswith("NOTEEVENTS: 1 cells hold bytes")


def test_a_task_that_was_not_prepared_is_named(prepared: Prepared) -> None:
    with pytest.raises(DataError, match="among those prepared \\(mortality\\), but got 'triage'"):
        read_task(prepared(quirky()), "triage")


def test_data_can_be_prepared_without_a_corpus(tmp_path: Path, store: Store) -> None:
    source = Mimic3(folder=quirky().write(tmp_path / "raw"))
    artefact = prepare(Preparation(source=source, corpus=None), store)
    assert plain_dataset(artefact)["corpus"] is None
    with pytest.raises(DataError, match="these data have none"):
        read_corpus(artefact)


def test_a_task_may_occur_once_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="every task must occur once"):
        Preparation.parse({"source": {"kind": "mimic3", "folder": tmp_path}, "tasks": [{"kind": "mortality"}] * 2})


def test_a_preparation_survives_its_yaml(tmp_path: Path) -> None:
    preparation = Preparation(source=Mimic3(folder=tmp_path), splits=HashSplit(salt="x"), corpus=None)
    preparation.write(tmp_path / "p.yaml")
    assert Preparation.read(tmp_path / "p.yaml") == preparation


def test_groups_of_patients_are_kept_beside_the_tasks_and_what_is_not_known_is_null(prepared: Prepared) -> None:
    artefact = prepared(quirky())
    groups = read_subgroups(artefact)
    assert groups is not None
    assert groups["hadm_id"].is_unique().all()
    examples = read_task(artefact, "mortality")
    assert set(examples["hadm_id"]) <= set(groups["hadm_id"])
    assert set(groups["sex"]) <= {"female", "male", None}
    assert set(groups["age"]) <= {"under 18", "18 to 44", "45 to 64", "65 to 79", "80 and over", None}
    assert groups["years"].null_count() == groups.height  # MIMIC-III knows no group of years
    assert "sex" not in examples.columns
    edges = pl.DataFrame({"age": [17.9, 18.0, 44.9, 45.0, 80.0, 91.4]})
    about, nobody = About("x", "1", "x", "x"), pl.DataFrame({"subject_id": [1]})
    admissions = edges.with_columns(hadm_id=pl.int_range(6), subject_id=pl.lit(1))
    known = subgroups(Records(about, nobody, admissions, lambda: iter(())))
    assert known["age"].to_list() == ["under 18", "18 to 44", "18 to 44", "45 to 64", "80 and over", "80 and over"]
    assert known["sex"].null_count() == 6
