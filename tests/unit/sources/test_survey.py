"""A survey says what a folder holds and refuses nothing."""

from pathlib import Path

import pytest

from chartune.errors import DataError, SchemaError
from chartune.sources.survey import survey, without_chart
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
    with pytest.raises(SchemaError, match="a folder of tables or one file"):
        survey(tmp_path / "nowhere")


def test_a_small_chart_is_counted_whole_and_looked_at_where_it_tells_of_breathing(tmp_path: Path) -> None:
    times = ("2130-05-01 08:00:00", "yesterday")
    rows = [(1, 2, 3, item, time, "5") for item in (211, 720) for time in times]
    columns = ("SUBJECT_ID", "HADM_ID", "ICUSTAY_ID", "ITEMID", "CHARTTIME", "VALUE")
    write_table(tmp_path / "CHARTEVENTS.csv.gz", columns, list(rows[:3]))
    (row,) = [row for row in survey(tmp_path, kind="mimic3") if row["table"] == "CHARTEVENTS"]
    assert (row["rows"], row["required"], row["problem"], row["missing"]) == (3, False, None, [])
    write_table(tmp_path / "CHARTEVENTS.csv.gz", columns, list(rows))
    (row,) = [row for row in survey(tmp_path, kind="mimic3") if row["table"] == "CHARTEVENTS"]
    assert "CHARTTIME must be a time" in row["problem"]


def test_of_tables_that_are_large_together_the_first_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = RawHospital()
    for subject_id in range(1, 20_001):
        raw.stay(subject_id)
    raw.patients[-1] = (*raw.patients[-1][:3], "yesterday", None, 0)
    raw.write(tmp_path)
    monkeypatch.setattr("chartune.sources.survey.CHEAP_BYTES", (tmp_path / "ADMISSIONS.csv.gz").stat().st_size)
    rows = {row["table"]: row for row in survey(tmp_path)}
    assert (rows["ADMISSIONS"]["read"], rows["ADMISSIONS"]["rows"]) == ("first rows", None)
    assert "DOB must be a time" in rows["PATIENTS"]["problem"]  # the smallest is read to its end
    assert rows["DIAGNOSES_ICD"]["read"] is None
    raw.admissions[0] = (*raw.admissions[0][:3], "yesterday", *raw.admissions[0][4:])
    raw.notes[-1] = ("nothing", *raw.notes[-1][1:])
    raw.write(tmp_path)
    monkeypatch.setattr("chartune.sources.survey.CHEAP_BYTES", 0)
    rows = {row["table"]: row for row in survey(tmp_path)}
    assert [rows[name]["problem"] for name in ("PATIENTS", "NOTEEVENTS")] == [None, None]  # nobody looks at their ends
    assert "ADMITTIME must be a time" in rows["ADMISSIONS"]["problem"]


def test_what_keeps_a_chart_from_being_read_is_told_with_the_way_out(tmp_path: Path) -> None:
    three, four = RawHospital().write(tmp_path / "three"), RawHospital().write_mimic4(tmp_path / "four")
    expected = f"{three} lacks CHARTEVENTS.csv.gz and ICUSTAYS.csv.gz (or .csv); add them and prepare again."
    assert without_chart(three, "mimic3") == expected
    (four / "icu").mkdir()
    (four / "icu" / "icustays.csv").touch()
    expected = f"{four} lacks icu/chartevents.csv.gz (or .csv); add it and prepare again."
    assert without_chart(four, "mimic4") == expected
    for ending in ("csv", "csv.gz"):
        (four / "icu" / f"chartevents.{ending}").touch()
    assert "one file must hold chartevents" in str(without_chart(four, "mimic4"))
    (four / "icu" / "chartevents.csv").unlink()
    assert without_chart(four, "mimic4") is without_chart(tmp_path, "tabular") is None


def test_the_open_demo_has_all_the_rows_of_its_release() -> None:
    rows = survey(open_data("mimic-iii-demo-1.4"))
    assert all(row["rows"] == row["expected_rows"] and row["problem"] is None for row in rows)


def test_mangled_dates_show_in_a_survey() -> None:
    rows = {row["table"]: row for row in survey(open_data("mimic-iii-demo-1.4-excel-mangled"))}
    assert "spreadsheet" in rows["ADMISSIONS"]["problem"]
    assert rows["DIAGNOSES_ICD"]["rows"] == 1761


def test_mimic_iv_is_surveyed_with_its_inner_folders() -> None:
    rows = {row["table"]: row for row in survey(open_data("mimic-iv-demo-2.2"))}
    assert all(row["rows"] == row["expected_rows"] and row["problem"] is None for row in rows.values())
    assert (rows["admissions"]["rows"], rows["discharge"]["file"]) == (275, None)
    assert "marital_status" in rows["admissions"]["extra"]


def test_notes_of_another_folder_are_surveyed_and_a_damaged_one_is_a_problem(tmp_path: Path) -> None:
    raw = RawHospital()
    raw.stay(1)
    raw.write_mimic4(tmp_path / "raw")
    (tmp_path / "raw" / "note").rename(tmp_path / "note")
    rows = {row["table"]: row for row in survey(tmp_path / "raw", notes=tmp_path)}
    assert (rows["discharge"]["rows"], rows["radiology"]["rows"]) == (1, 0)
    (tmp_path / "note" / "discharge.csv").touch()
    rows = {row["table"]: row for row in survey(tmp_path / "raw", notes=tmp_path)}
    assert "one file must hold discharge" in rows["discharge"]["problem"]


def test_one_file_is_surveyed_as_a_table_of_ones_own(tmp_path: Path) -> None:
    write_table(tmp_path / "n.csv", ("text", "subject_id", "ward"), [("a", 1, "x")])
    (row,) = survey(tmp_path / "n.csv")
    assert (row["table"], row["missing"], row["extra"], row["rows"]) == ("notes", ["label"], ["ward"], None)
    write_table(tmp_path / "n.csv", ("text", "subject_id", "label"), [("a", 1, "x")])
    assert survey(tmp_path / "n.csv")[0]["rows"] == 1


def test_what_no_reader_reads_is_refused(tmp_path: Path) -> None:
    for table in ("patients", "encounters", "observations"):
        write_table(tmp_path / f"{table}.csv", ("Id",), [])
    with pytest.raises(DataError, match="Synthea"):
        survey(tmp_path)
