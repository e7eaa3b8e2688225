"""Finding the file of a table in a folder."""

from pathlib import Path

import pytest

from chartune.errors import SchemaError
from chartune.sources.tables import Table, find, locate

NOTES, CODES = Table("NOTEEVENTS", ()), Table("DIAGNOSES_ICD", (), required=False)


@pytest.mark.parametrize(
    "name",
    ["NOTEEVENTS.csv", "NOTEEVENTS.csv.gz", "noteevents.csv.gz", "physionet.org/files/mimiciii/1.4/NOTEEVENTS.csv.gz"],
)
def test_a_table_is_found_in_any_case_packed_or_nested(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert find(tmp_path, "NOTEEVENTS") == file


def test_tables_of_other_folders_and_other_names_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "derived").mkdir()
    (tmp_path / "derived" / "NOTEEVENTS.csv").touch()
    (tmp_path / "NOTEEVENTS_DATA_TABLE.csv").touch()
    assert find(tmp_path, "NOTEEVENTS") is None


def test_two_candidates_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "NOTEEVENTS.csv").touch()
    (tmp_path / "noteevents.csv.gz").touch()
    with pytest.raises(SchemaError, match=r"has 2: NOTEEVENTS\.csv, noteevents\.csv\.gz; move all but one away"):
        find(tmp_path, "NOTEEVENTS")


def test_a_missing_table_is_named_beside_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "admissions.csv").touch()
    with pytest.raises(SchemaError, match=r"must hold NOTEEVENTS\.csv\.gz \(or \.csv\), but has admissions\.csv;"):
        locate(tmp_path, (NOTES, CODES))


def test_an_optional_table_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "NOTEEVENTS.csv").touch()
    assert list(locate(tmp_path, (NOTES, CODES))) == ["NOTEEVENTS"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="must be a folder of tables"):
        find(tmp_path / "nowhere", "NOTEEVENTS")


def test_a_table_of_an_inner_folder_is_found_there_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").touch()
    assert find(tmp_path, "patients", "hosp") is None
    (tmp_path / "hosp").mkdir()
    (tmp_path / "hosp" / "patients.csv").touch()
    assert find(tmp_path, "patients", "hosp") == tmp_path / "hosp" / "patients.csv"
    assert find(tmp_path, "patients") == tmp_path / "patients.csv"
