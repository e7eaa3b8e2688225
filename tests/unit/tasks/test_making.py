"""Making: a text is read once for all tasks, and a preparation that is killed anywhere ends with the same bytes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from chartune.sources.mimic3 import Mimic3
from chartune.sources.splits import ImportedSplit
from chartune.store import Artefact, Store
from chartune.tasks import frames, making, making_corpus, staging
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.catalog import AnyTask
from chartune.tasks.length_of_stay import LengthOfStay
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation, prepare, read_corpus, read_task
from chartune.tasks.stays import Stays
from chartune.tasks.triage import Triage
from chartune.tasks.whole_summary import WholeSummary
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import SUMMARY, RawHospital, write_table

CODES = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "SEQ_NUM", "ICD9_CODE")
TRIAGE = Triage(with_procedure=False)


class Counted(AdmissionNote):
    """An input that remembers which notes it has read."""

    seen_notes: ClassVar[list[str]] = []

    def read_notes(self, notes: pl.DataFrame) -> pl.DataFrame:
        Counted.seen_notes += notes["note_id"].to_list()
        return super().read_notes(notes)


@pytest.fixture
def counted() -> Iterator[list[str]]:
    Counted.seen_notes.clear()
    yield Counted.seen_notes
    Counted.seen_notes.clear()


@pytest.fixture
def lists(tmp_path: Path) -> ImportedSplit:
    """Subjects 1 to 4 train, 5 and 6 validate, 7 and 8 are tested on."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, ids in {"train": range(1, 5), "validation": range(5, 7), "test": range(7, 9)}.items():
        (folder / f"{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
    return ImportedSplit(folder=folder)


@pytest.fixture
def raw(tmp_path: Path) -> Mimic3:
    """Eight stays, one of them of a minor, with primary diagnoses and some radiology."""
    hospital = RawHospital()
    for n in range(1, 9):
        hospital.patient(n, born="2090-06-15 00:00:00" if n == 8 else "2050-06-15 00:00:00")
        hospital.admission(n, 1000 + n, died=int(n in (2, 6)))
        hospital.note(n, 1000 + n, SUMMARY.format(n))
        hospital.note(n, 1000 + n, f"Chest clear {n}", category="Radiology")
    folder = hospital.write(tmp_path / "raw")
    write_table(folder / "DIAGNOSES_ICD.csv.gz", CODES, [(n, n, 1000 + n, 1, "486") for n in range(1, 9)])
    return Mimic3(folder=folder)


Make = Callable[..., Artefact]


@pytest.fixture
def make(raw: Mimic3, lists: ImportedSplit, tmp_path: Path) -> Make:
    def run(*tasks: AnyTask, store: str = "store") -> Artefact:
        return prepare(Preparation(source=raw, splits=lists, tasks=tasks), Store(tmp_path / store).open())

    return run


def test_a_text_is_read_once_for_all_tasks_that_read_alike(make: Make, counted: list[str]) -> None:
    reads = Counted()
    make(Mortality(reads=reads), LengthOfStay(reads=reads), LengthOfStay(deaths="class", reads=reads))
    assert sorted(counted) == sorted(str(n) for n in range(1, 14, 2))  # the minor's is nobody's
    counted.clear()
    make(Mortality(reads=reads), LengthOfStay(reads=Counted(withdrawn="kept")), store="two")
    assert len(counted) == 7 + 5  # another way of reading, and it is not read of those who died


def test_what_a_task_reads_does_not_depend_on_the_tasks_beside_it(tmp_path: Path, lists: ImportedSplit) -> None:
    """The minor's last summary is a copy of an adult's first: whether that counts depends on who is asked about."""
    hospital = RawHospital()
    for n, born in ((1, "2050-06-15 00:00:00"), (2, "2095-06-15 00:00:00"), (5, "2050-06-15 00:00:00")):
        hospital.patient(n, born=born)
        hospital.admission(n, 1000 + n)
    hospital.note(1, 1001, "Chief Complaint:\nfall\n\nAllergies:\nlatex\n", date="2100-07-03")
    hospital.note(1, 1001, "Chief Complaint:\nfever\n", date="2100-07-04")
    hospital.note(2, 1002, "Chief Complaint:\nfall\n\nAllergies:\nlatex\n", date="2100-07-05")
    hospital.note(5, 1005, SUMMARY.format(5))
    source, store = Mimic3(folder=hospital.write(tmp_path / "raw")), Store(tmp_path / "store").open()

    def texts(*tasks: AnyTask) -> dict[str, list[str]]:
        made = prepare(Preparation(source=source, splits=lists, tasks=tasks, corpus=None), store)
        return {task.name: read_task(made, task.name)["text"].to_list() for task in tasks}

    adults, everybody = Mortality(), LengthOfStay(stays=Stays(min_age=None))
    apart = texts(adults) | texts(everybody)
    assert apart["mortality"][0] == "CHIEF COMPLAINT: fall\n\nALLERGIES: latex"
    assert apart["length_of_stay"][0] == "CHIEF COMPLAINT: fever"
    assert texts(adults, everybody) == texts(everybody, adults) == apart


def test_how_many_patients_are_read_at_once_changes_no_byte(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (staging, making, making_corpus):
        monkeypatch.setattr(room, "SHARDS", 4)
    together = make(Mortality(), TRIAGE, store="together")
    monkeypatch.setattr(staging, "PORTION", 0)
    apart = make(Mortality(), TRIAGE, store="apart")
    assert apart.content_hash() == together.content_hash()
    assert read_corpus(apart)["subject_id"].unique(maintain_order=True).to_list() == [4, 8, 1, 5, 2, 6, 3, 7]


def test_inputs_that_count_from_an_anchor_are_read_for_each_task(make: Make) -> None:
    dataset = plain_dataset(make(Mortality(reads=BedsideNotes(types=("Radiology",))), LengthOfStay()))
    assert [task["kind"] for task in dataset["tasks"].values()] == ["prospective", "retrospective-text"]


def test_tasks_stand_in_the_order_in_which_they_were_asked(make: Make) -> None:
    tasks = (LengthOfStay(), TRIAGE, Mortality())
    assert list(plain_dataset(make(*tasks))["tasks"]) == ["length_of_stay", "icd9_triage", "mortality"]


def killed(*_: object) -> pl.DataFrame:
    raise KeyboardInterrupt


def refused(*_: object, **__: object) -> None:
    raise AssertionError("this had been done")


def test_killed_between_two_groups_of_tasks_it_goes_on_without_reading_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = make(Mortality(), TRIAGE, store="undisturbed")
    with monkeypatch.context() as interrupted:
        interrupted.setattr(WholeSummary, "read_notes", killed)
        with pytest.raises(KeyboardInterrupt):
            make(Mortality(), TRIAGE)
    monkeypatch.setattr(making, "stage", refused)
    monkeypatch.setattr(AdmissionNote, "read_notes", refused)
    assert make(Mortality(), TRIAGE).content_hash() == undisturbed.content_hash()


def test_an_error_leaves_nothing_behind(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(task: object, notes: pl.DataFrame) -> pl.DataFrame:
        raise ValueError("of a kind that comes again")

    with monkeypatch.context() as broken:
        broken.setattr(WholeSummary, "read_notes", failing)
        with pytest.raises(ValueError, match="comes again"):
            make(Mortality(), TRIAGE)
    assert list((tmp_path / "store" / "data").iterdir()) == []
    assert plain_dataset(make(Mortality(), TRIAGE))["tasks"]["mortality"]["counts"]["train"]["positives"] == 1


def writes(monkeypatch: pytest.MonkeyPatch, last: int | None) -> list[Path]:
    """Count files as they are written; the one after `last` others is left half-written and the process is killed."""
    seen: list[Path] = []
    step = frames._written

    def written(file: Path, write: Callable[[], object]) -> None:
        seen.append(file)
        if last is not None and len(seen) > last:
            file.write_bytes(b"PAR1 half of it")
            raise KeyboardInterrupt
        step(file, write)

    monkeypatch.setattr(frames, "_written", written)
    return seen


def test_killed_in_the_middle_of_any_file_it_ends_with_the_same_bytes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as watched:
        seen = writes(watched, None)
        undisturbed = make(Mortality(), TRIAGE, store="undisturbed")
    names = [file.name for file in seen]
    places = {names.index(name) for name in ("index.pile", "mortality.parquet", "icd9_triage.parquet",
                                             "corpus.parquet", "splits.parquet")}  # fmt: skip
    for last in sorted({0, 3, *places}):
        with monkeypatch.context() as interrupted:
            writes(interrupted, last)
            with pytest.raises(KeyboardInterrupt):
                make(Mortality(), TRIAGE, store=f"killed at {last}")
        assert make(Mortality(), TRIAGE, store=f"killed at {last}").content_hash() == undisturbed.content_hash()


def test_killed_before_the_last_signature_it_ends_with_the_same_bytes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = make(Mortality(), store="undisturbed")
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Store, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            make(Mortality())
    assert make(Mortality()).content_hash() == undisturbed.content_hash()
