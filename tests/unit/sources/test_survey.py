"""A survey says what a folder holds and refuses nothing."""

from pathlib import Path

import pytest

from chartune.errors import SchemaError
from chartune.sources.survey import survey
from chartune.testing.open_data import open_data
from chartune.testing.raw_tables import RawHospital, write_table


def test_present_missing_and_optional_tables_are_told_apart(tmp_path: Path) -> None:
    raw = RawHospital()
    raw.stay(1)
    raw.write(tmp_path)
    (tmp_path / "NOTEEVENTS.csv.gz").unlink()
    rows = {row["table"]: row for row in survey(tmp_path)}
    assert (rows["PATIENTS"]["rows"], rows["PATIENTS"]["problem"]) == (1, None)
    assert rows["NOTEEVENTS"]["problem"] == "missing"
    assert rows["DIAGNOSES_ICD"]["file"] is rows["DIAGNOSES_ICD"]["problem"] is None


def test_columns_that_are_lacking_or_not_read_are_named(tmp_path: Path) -> None:
    write_table(tmp_path / "patients.csv", ("SUBJECT_ID", "GENDER", "SHOE_SIZE"), [(1, "F", 38)])
    row = survey(tmp_path)[0]
    assert (row["missing"], row["extra"], row["problem"]) == (["DOB"], ["SHOE_SIZE"], "lacks DOB")


def test_a_file_without_its_header_line_shows_nobodys_cells(tmp_path: Path) -> None:
    write_table(tmp_path / "patients.csv", ("10006", "CANARY", "2100-01-01"), [])
    assert "CANARY" not in str(survey(tmp_path))


def test_a_damaged_table_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "NOTEEVENTS.csv.gz").write_bytes(b"")
    assert "zero bytes" in survey(tmp_path)[2]["problem"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="needs a folder"):
        survey(tmp_path / "nowhere")


def test_the_open_demo_has_all_the_rows_of_its_release() -> None:
    rows = survey(open_data("mimic-iii-demo-1.4"))
    assert all(row["rows"] == row["expected_rows"] and row["problem"] is None for row in rows)


def test_mangled_dates_show_in_a_survey() -> None:
    rows = {row["table"]: row for row in survey(open_data("mimic-iii-demo-1.4-excel-mangled"))}
    assert "spreadsheet" in rows["ADMISSIONS"]["problem"]
    assert rows["DIAGNOSES_ICD"]["rows"] == 1761
