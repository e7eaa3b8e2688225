"""CORe's steps in pandas, on a few notes whose outcome is known from the description of its code."""

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("pandas", reason="CORe's steps are written in pandas: pip install 'pandas>=2.2,<4'")

from preparing.pandas_core import TASKS

NOTES = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CATEGORY", "DESCRIPTION", "TEXT")
ADMISSIONS = ("HADM_ID", "ADMITTIME", "DISCHTIME", "ADMISSION_TYPE", "HOSPITAL_EXPIRE_FLAG")
SUMMARY = "Discharge summary"


def _write(folder: Path, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with gzip.open(folder / f"{table}.csv.gz", "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def _note(hadm_id: int | str, text: str, day: int = 1, description: str = "Report") -> list[object]:
    return [hadm_id, 1, hadm_id, f"2150-01-{day:02}", SUMMARY, description, text]


def _found(
    folder: Path, task: str, notes: Sequence[Sequence[object]], stays: Sequence[Sequence[object]] = ()
) -> dict[int, tuple[str, object]]:
    """hadm_id → text, label."""
    every = {int(str(note[2])) for note in notes if note[2] != ""} - {int(str(stay[0])) for stay in stays}
    usual = [[hadm_id, "2150-01-01 00:00:00", "2150-01-06 00:00:00", "EMERGENCY", 0] for hadm_id in sorted(every)]
    _write(folder, "NOTEEVENTS", NOTES, notes)
    _write(folder, "ADMISSIONS", ADMISSIONS, [*usual, *stays])
    return {row.id: (row.text, row.label) for row in TASKS[task](folder).itertuples()}


def test_sections_stand_in_their_order_and_empty_ones_keep_their_heading(tmp_path: Path) -> None:
    text = "Social History:\nalone\n\nChief Complaint:\n a\nfall\n\nFamily History:\nnone"
    (found, label) = _found(tmp_path, "mortality", [_note(1, text)])[1]
    assert label == 0
    assert found == (
        "CHIEF COMPLAINT: a fall\n\nPRESENT ILLNESS: \n\nMEDICAL HISTORY: \n\nMEDICATION ON ADMISSION: \n\nALLERGIES: "
        "\n\nPHYSICAL EXAM: \n\nFAMILY HISTORY: \n\nSOCIAL HISTORY: alone"
    )


def test_of_identical_texts_the_latest_counts_and_an_addendum_alone_does_not(tmp_path: Path) -> None:
    same = "Chief Complaint: fall\n\nEnd:"
    notes = [_note(1, same, 2), _note(2, same, 1), _note(3, same + "\n", 1, "Addendum"), _note("", same + " ")]
    assert set(_found(tmp_path, "mortality", notes)) == {1}


def test_report_and_addendum_are_joined_by_date(tmp_path: Path) -> None:
    notes = [_note(1, "Chief Complaint: late\n\nEnd:", 3, "Addendum"), _note(1, "Chief Complaint: early\n\nEnd:", 2)]
    assert _found(tmp_path, "mortality", notes)[1][0].startswith("CHIEF COMPLAINT: early\n")


def test_newborns_and_notes_without_a_reason_to_come_are_left_out(tmp_path: Path) -> None:
    complaint = "Chief Complaint: fall {}\n\nEnd:"
    notes = [_note(1, complaint.format(1)), _note(2, "Allergies: nuts\n\nEnd:"), _note(3, complaint.format(3))]
    stays = [[1, "2150-01-01 00:00:00", "2150-01-02 00:00:00", "NEWBORN", 0]]
    assert set(_found(tmp_path, "mortality", notes, stays)) == {3}


def test_a_told_death_is_cut_from_the_examination_and_else_takes_the_note_along(tmp_path: Path) -> None:
    text = "Chief Complaint: {}\n\nPhysical Exam: cold, patient has expired\n\nEnd:"
    notes = [_note(1, text.format("fall")), _note(2, text.format("pt died"))]
    mortality = _found(tmp_path, "mortality", notes)
    assert set(mortality) == {1}
    assert "PHYSICAL EXAM: cold, \n" in mortality[1][0]
    assert "has expired" in _found(tmp_path, "length_of_stay", notes)[2][0]


def test_length_of_stay_is_of_survivors_and_rounded_to_a_tenth(tmp_path: Path) -> None:
    ends = ["2150-01-04 01:11:00", "2150-01-04 01:13:00", "2150-01-08 00:00:00", "2150-02-01 00:00:00"]
    stays = [[number, "2150-01-01 00:00:00", end, "URGENT", 0] for number, end in enumerate(ends)]
    stays.append([9, "2150-01-01 00:00:00", ends[0], "URGENT", 1])
    notes = [_note(int(str(stay[0])), f"Chief Complaint: fall {stay[0]}\n\nEnd:") for stay in stays]
    labels = {hadm_id: label for hadm_id, (_, label) in _found(tmp_path, "length_of_stay", notes, stays).items()}
    assert labels == {0: 0, 1: 1, 2: 1, 3: 3}


def test_codes_are_cut_and_those_of_procedures_lose_their_zeros(tmp_path: Path) -> None:
    codes = [[1, "4280"], [1, ""], [1, "V4581"], [1, "E8809"], [1, "42821"], [1, "0389"]]
    _write(tmp_path, "DIAGNOSES_ICD", ("HADM_ID", "ICD9_CODE"), codes)
    _write(tmp_path, "PROCEDURES_ICD", ("HADM_ID", "ICD9_CODE"), [[1, "0066"], [1, "0331"], [1, "9671"], [1, "66"]])
    notes = [_note(1, "Chief Complaint: fall\n\nEnd:")]
    assert _found(tmp_path, "diagnoses_icd9", notes)[1][1] == "428,V458,E880,038"
    assert _found(tmp_path, "procedures_icd9", notes)[1][1] == "66,331,967"
