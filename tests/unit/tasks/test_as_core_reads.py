"""What CORe's code does to raw notes before it reads them, and chartune otherwise: copies, blanks, line breaks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.splits import ImportedSplit
from chartune.store import Artefact, Store
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.catalog import Preset
from chartune.tasks.dataset import read_dataset
from chartune.tasks.length_of_stay import LengthOfStay
from chartune.tasks.prepare import Preparation, prepare, read_corpus, read_task
from chartune.tasks.stays import Stays
from chartune.tasks.switches import switches
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import RawHospital
from chartune.testing.small_charts import Row, note, read_by, stay

TEXT = "Chief Complaint:\nFever {}\n\nAllergies:\nlatex\n\nBrief Course:\nlong\n"
BOTH: tuple[Preset, ...] = ("sound", "paper-code")


def preparation(folder: Path, preset: Preset, **asked: Any) -> Preparation:
    """Length of stay; subjects below 100 train, 100s validate, 200s test, all others stand in no split."""
    lists = folder / "lists"
    lists.mkdir(exist_ok=True)
    for name, start in {"train": 0, "validation": 100, "test": 200}.items():
        (lists / f"{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in range(start, start + 20)))
    source = Mimic4(folder=folder) if (folder / "hosp").is_dir() else Mimic3(folder=folder)
    tasks = [{"kind": "length-of-stay"}]
    usual = {"source": source, "splits": ImportedSplit(folder=lists), "tasks": tasks, "corpus": None, "preset": preset}
    return Preparation.parse({**usual, **asked})


def ids(artefact: Artefact) -> list[int]:
    return sorted(read_task(artefact, "length_of_stay")["subject_id"].to_list())


def steps(artefact: Artefact) -> Mapping[str, int]:
    """Step → notes that it removed, in the order of the steps."""
    rows = plain_dataset(artefact)["tasks"]["length_of_stay"]["attrition"]
    return {row["step"]: row["removed_notes"] for row in rows}


def test_as_core_copies_are_dropped_before_splits_and_exactly_one_row_of_a_hospital_like_mimic_iv_differs(
    tmp_path: Path,
) -> None:
    """One summary stands in the chart of a patient in no split, too, and there last."""
    raw = RawHospital()
    for subject_id in (1, 2, 101, 999):
        raw.patient(subject_id)
        raw.admission(subject_id, 1000 + subject_id)
        text, date = (TEXT.format(2), "2100-07-09") if subject_id == 999 else (TEXT.format(subject_id), "2100-07-05")
        raw.note(subject_id, 1000 + subject_id, text, date=date)
    folder, store = raw.write_mimic4(tmp_path / "raw"), Store(tmp_path / "store").open()
    sound, code = (prepare(preparation(folder, preset), store) for preset in BOTH)
    assert (ids(sound), ids(code)) == ([1, 2, 101], [1, 101])
    assert (steps(sound)["no duplicate"], steps(code)["no duplicate"]) == (0, 1)
    before = list(steps(code))[: list(steps(code)).index("no duplicate")]
    assert "not a newborn" in before
    assert "patient in a split" not in before
    assert "patient in a split" in list(steps(sound))[: list(steps(sound)).index("no duplicate")]
    assert switches(read_dataset(code), "length_of_stay")["reads.copies"] == "among-all-notes"


SAME = [note(1, TEXT, charted=0), note(2, TEXT, charted=48)]


@pytest.mark.parametrize(
    ("other", "copies", "left"),
    [
        (stay(2, split=None), "among-eligible", [1]), (stay(2, split=None), "among-all-notes", []),
        (stay(2, age=3.0), "among-all-notes", []), (stay(2, days=-1), "among-all-notes", []),
        (stay(2, admission_type="NEWBORN"), "among-all-notes", [1]), (stay(2), "among-eligible", [2]),
    ],
)  # fmt: skip
def test_among_all_notes_a_later_copy_counts_whoever_is_left_out_but_newborns(
    other: Row, copies: Literal["among-eligible", "among-all-notes"], left: list[int]
) -> None:
    task = LengthOfStay(stays=Stays(), reads=AdmissionNote(copies=copies))
    assert read_by(task, [stay(1), other], SAME)[0]["hadm_id"].to_list() == left


def test_the_order_of_copies_blanks_and_line_breaks_are_in_the_name_of_the_data(tmp_path: Path) -> None:
    folder = RawHospital().write(tmp_path)
    plain = {
        preset: preparation(folder, preset, tasks=[{"kind": "length-of-stay"}, {"kind": "triage"}]).hashable()
        for preset in ("sound", "paper-text", "paper-code")
    }
    chosen = {
        preset: [
            config["line_breaks"],
            *((task["reads"]["copies"], task["reads"]["blanks"]) for task in config["tasks"]),
        ]
        for preset, config in plain.items()
    }
    usual, core = ("among-eligible", "stripped"), ("among-all-notes", "as-written")
    assert chosen == {
        "sound": ["repaired", usual, usual], "paper-text": ["as-written", usual, usual],
        "paper-code": ["as-written", core, core],
    }  # fmt: skip


PADDED = [
    note(1, TEXT.format(1)), note(2, TEXT.format(2), category_padded=True),
    note(3, TEXT.format(3), description="Report "),
    note(4, TEXT.format(4), description="Addendum "), note(5, TEXT.format(5), description=None),
]  # fmt: skip


@pytest.mark.parametrize(("blanks", "left"), [("stripped", [1, 2, 3, 5]), ("as-written", [1])])
def test_a_category_with_a_blank_behind_it_is_none_to_core_and_a_report_is_called_so(
    blanks: Literal["stripped", "as-written"], left: list[int]
) -> None:
    task = LengthOfStay(reads=AdmissionNote(blanks=blanks))
    examples, found = read_by(task, [stay(n) for n in range(1, 6)], PADDED)
    assert examples["hadm_id"].to_list() == left
    assert "category as written" in found if blanks == "as-written" else "category as written" not in found
    assert found["has a report"]["removed_notes"] == 4 - len(left) + (blanks == "stripped")


def test_notes_say_whether_blanks_stood_around_their_category(tmp_path: Path) -> None:
    raw = RawHospital()
    raw.patient(1)
    raw.admission(1, 1)
    for category, description in (("Discharge summary", "Report"), ("Physician ", "Report "), (" ECG", "Report")):
        raw.note(1, 1, TEXT, category=category, description=description)
    notes = pl.concat(list(Mimic3(folder=raw.write(tmp_path)).load().notes()))
    assert notes.select("category", "category_padded", "description").rows() == [
        ("Discharge summary", False, "Report"), ("Physician", True, "Report "), ("ECG", True, "Report"),
    ]  # fmt: skip


def escaped(folder: Path) -> Path:
    """Four stays; the line breaks of one summary, of its copy and of one radiology report are written out."""
    raw = RawHospital()
    for subject_id, number, end in ((1, 1, "\n"), (2, 2, r"\n"), (3, 2, "\n"), (101, 101, "\n")):
        raw.stay(subject_id, TEXT.format(number).replace("\n", end))
    raw.note(2, 1002, r"Chest:\nclear\nas before", category="Radiology")
    return raw.write(folder)


def test_line_breaks_that_are_written_out_are_repaired_under_sound_before_copies_are_looked_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "store").open()
    sound = prepare(preparation(escaped(tmp_path / "raw"), "sound", corpus={}), store)
    read = dict(read_task(sound, "length_of_stay").select("subject_id", "text").iter_rows())
    assert sorted(read) == [1, 3, 101]
    assert read_corpus(sound)["text"].str.contains("Chest: clear as before").any()
    assert not read_corpus(sound)["text"].str.contains(r"\n", literal=True).any()
    source = read_dataset(sound).source
    said = r"notes: 2 texts held more written-out line breaks (\n) than line breaks; these were made line breaks."
    assert [line for line in source.notices if "written-out" in line] == [said]
    assert not any("written-out" in line for line in source.warnings)


def test_line_breaks_that_are_written_out_are_kept_as_core_reads_them_and_counted_after_a_cut_off_attempt_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    store, asked = Store(tmp_path / "store").open(), preparation(escaped(tmp_path / "raw"), "paper-code")
    with monkeypatch.context() as patched:
        patched.setattr("chartune.tasks.charts.make_tasks", cut_off)
        with pytest.raises(KeyboardInterrupt):
            prepare(asked, store)
    code = prepare(asked, store)
    assert ids(code) == [1, 3, 101]  # no section of the second is found
    assert steps(code)["states why the patient came"] == 1
    (said,) = (line for line in read_dataset(code).source.notices if "written-out" in line)
    assert said.startswith("notes: 1 texts held")
    assert "`line_breaks: repaired`" in said
