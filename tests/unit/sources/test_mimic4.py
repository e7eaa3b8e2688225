"""MIMIC-IV as canonical frames: where its files are, ages, codes of two versions, notes of a module of their own."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.notes.note import SCHEMA
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4, age_at
from chartune.testing.open_data import open_data
from chartune.testing.raw_tables import DIAGNOSES_4, ICUSTAYS_4, NOTE_4, PATIENTS_4, RawHospital, made, write_table


def hospital() -> RawHospital:
    raw = RawHospital()
    raw.stay(7)
    raw.note(7, 1007, "clarified", description="Addendum")
    raw.note(7, None, "chest film", category="Radiology", date="2100-07-02")
    return raw


@pytest.mark.parametrize(
    ("anchor_age", "anchor_year", "year", "years"),
    [(50, 2150, 2150, 50.0), (50, 2150, 2147, 47.0), (85, 2150, 2154, 89.0), (85, 2150, 2155, 91.4),
     (91, 2150, 2150, 91.4), (91, 2150, 2148, 91.4), (0, 2150, 2149, None), (None, 2150, 2150, None)],
)  # fmt: skip
def test_ages_are_counted_from_the_anchor_and_hidden_above_89(
    anchor_age: int | None, anchor_year: int, year: int, years: float | None
) -> None:
    row = {"age": [anchor_age], "year": [anchor_year], "at": [datetime.fromisoformat(f"{year}-07-01")]}
    frame = pl.DataFrame(row, schema_overrides={"age": pl.Int64})
    assert frame.select(age_at(pl.col("age"), pl.col("year"), pl.col("at"))).item() == years


def test_the_same_patients_are_the_same_records_as_in_mimic_iii(tmp_path: Path) -> None:
    one = Mimic3(folder=hospital().write(tmp_path / "three")).load()
    two = Mimic4(folder=hospital().write_mimic4(tmp_path / "four")).load()
    assert two.admissions.select(one.admissions.columns).equals(one.admissions)
    kept = ["subject_id", "hadm_id", "chartdate", "category", "description", "is_error", "text"]
    assert pl.concat(two.notes()).select(kept).equals(pl.concat(one.notes()).select(kept))
    assert two.subjects["anchor_year_group"].to_list() == ["2014 - 2016"]


def test_notes_come_under_canonical_names_and_can_be_read_again(tmp_path: Path) -> None:
    records = Mimic4(folder=hospital().write_mimic4(tmp_path)).load()
    notes = pl.concat(records.notes())
    assert notes.schema == pl.Schema(SCHEMA)
    assert notes.select("note_id", "hadm_id", "category", "description", "chartdate").rows() == [
        ("7-DS-1", 1007, "Discharge summary", "Report", date(2100, 7, 5)),
        ("7-AD-2", 1007, "Discharge summary", "Addendum", date(2100, 7, 5)),
        ("7-RR-3", None, "Radiology", "Report", date(2100, 7, 2)),
    ]
    assert sum(part.height for part in records.notes()) == 3
    assert (records.tallies["discharge"].rows, records.tallies["radiology"].rows) == (2, 1)


@pytest.mark.parametrize("release", [Mimic3, Mimic4])
def test_notes_are_read_within_the_bounds_of_the_source(tmp_path: Path, release: type[Mimic3 | Mimic4]) -> None:
    raw = hospital()
    raw.note(7, 1007, "word " * 200)
    folder = raw.write(tmp_path) if release is Mimic3 else raw.write_mimic4(tmp_path)
    records = release.parse({"folder": folder, "longest_cell": 900}).load()  # no other table has so long a cell
    with pytest.raises(SchemaError, match=r"a cell must have at most 900 bytes"):
        list(records.notes())


def test_the_number_of_a_note_is_unique_within_the_patient_whatever_its_kind(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    rows = [
        (f"7-{kind}-{n}", 7, 1007, kind, n, "2100-07-05 00:00:00", None, "x") for kind in ("DS", "AD") for n in (1, 2)
    ]
    write_table(folder / "note" / "discharge.csv.gz", NOTE_4, list(rows))
    write_table(
        folder / "note" / "radiology.csv.gz",
        NOTE_4,
        [(f"7-RR-{n}", *rows[0][1:3], "RR", n, None, None, "y") for n in (1, 2)],
    )
    notes = pl.concat(Mimic4(folder=folder).load().notes())
    assert notes["note_seq"].n_unique() == notes.height == 6
    of_one_kind = notes.filter(pl.col("note_id").str.contains("DS"))
    assert of_one_kind["note_seq"].is_sorted()


def test_a_code_is_known_by_its_version_and_loses_no_zero_but_its_padding(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    codes = [("0331   ", 9), ("331", 9), ("I10", 10), ("042", 9), (None, 9)]
    write_table(folder / "hosp" / "diagnoses_icd.csv.gz", DIAGNOSES_4,
                [(7, 1007, n, code, version) for n, (code, version) in enumerate(codes)])  # fmt: skip
    write_table(folder / "hosp" / "d_icd_diagnoses.csv.gz", ("icd_code", "icd_version", "long_title"),
                [("I10", 10, "Hypertension"), ("I10", 9, "Something else")])  # fmt: skip
    records = Mimic4(folder=folder).load()
    assert records.diagnoses is not None
    assert records.diagnoses.select("icd_code", "icd_version").rows() == [
        ("0331", 9), ("331", 9), ("I10", 10), ("042", 9), (None, 9),
    ]  # fmt: skip
    assert records.diagnosis_titles is not None
    titled = records.diagnoses.join(records.diagnosis_titles, on=["icd_code", "icd_version"])
    assert titled["long_title"].to_list() == ["Hypertension"]


@pytest.mark.parametrize("layout", ["beside", "download", "note folder", "above the note folder", "nested"])
def test_notes_are_found_beside_hosp_and_in_a_download_of_their_own(tmp_path: Path, layout: str) -> None:
    raw = hospital().write_mimic4(tmp_path / "raw")
    folder, notes = raw, None
    if layout == "download":  # both modules below one physionet.org, as wget leaves them
        files = tmp_path / "all" / "physionet.org" / "files"
        (files / "mimiciv").mkdir(parents=True)
        (files / "mimic-iv-note" / "2.2").mkdir(parents=True)
        (raw / "note").rename(files / "mimic-iv-note" / "2.2" / "note")
        raw.rename(files / "mimiciv" / "2.2")
        folder = tmp_path / "all"
    elif layout == "nested":
        inside = tmp_path / "apart" / "physionet.org" / "files" / "mimic-iv-note" / "2.2"
        inside.mkdir(parents=True)
        (raw / "note").rename(inside / "note")
        notes = tmp_path / "apart"
    elif layout != "beside":
        (tmp_path / "apart").mkdir()
        (raw / "note").rename(tmp_path / "apart" / "note")
        notes = tmp_path / "apart" / "note" if layout == "note folder" else tmp_path / "apart"
    records = Mimic4(folder=folder, notes=notes).load()
    assert sum(part.height for part in records.notes()) == 3
    assert records.warnings == ()


def test_without_notes_there_are_none_and_a_warning_says_so(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    for file in (folder / "note").iterdir():
        file.unlink()
    records = Mimic4(folder=folder).load()
    assert list(records.notes()) == []
    assert len(records.warnings) == 1
    assert "name it with `notes`" in records.warnings[0]


def test_half_a_note_module_is_read_and_told(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    (folder / "note" / "radiology.csv.gz").unlink()
    records = Mimic4(folder=folder).load()
    assert sum(part.height for part in records.notes()) == 2
    assert records.warnings == ("radiology: the notes have no table radiology.csv.gz.",)


def test_a_folder_for_notes_without_any_is_refused(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path / "raw")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SchemaError, match="`notes` must lead to MIMIC-IV-Note"):
        Mimic4(folder=folder, notes=tmp_path / "empty").files()


def test_two_candidates_for_a_table_are_refused(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    (folder / "hosp" / "admissions.csv").touch()
    with pytest.raises(SchemaError, match=r"has 2: hosp/admissions\.csv, hosp/admissions\.csv\.gz; move all but one"):
        Mimic4(folder=folder).files()


def test_two_versions_below_one_download_are_refused(tmp_path: Path) -> None:
    for version in ("2.2", "3.1"):
        hospital().write_mimic4(tmp_path / "physionet.org" / "files" / "mimiciv" / version)
    with pytest.raises(SchemaError, match=r"one file must hold patients, but .* has 2"):
        Mimic4(folder=tmp_path).files()


def test_the_first_version_is_refused_with_a_way_out(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    (folder / "core").mkdir()
    for name in ("patients", "admissions"):
        (folder / "hosp" / f"{name}.csv.gz").rename(folder / "core" / f"{name}.csv.gz")
    with pytest.raises(SchemaError, match=r"keeps its patients in core/.* get the current version"):
        Mimic4(folder=folder).load()


def test_a_missing_table_is_named_beside_what_is_there(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    (folder / "hosp" / "admissions.csv.gz").unlink()
    with pytest.raises(SchemaError, match=r"must hold hosp/admissions\.csv\.gz \(or \.csv\), but has hosp/patients"):
        Mimic4(folder=folder).files()


@pytest.mark.parametrize("table", ["patients", "admissions"])
def test_a_table_with_a_header_and_no_rows_is_refused(tmp_path: Path, table: str) -> None:
    raw = hospital()
    raw.patients, raw.admissions = (
        ([] if table == "patients" else raw.patients),
        ([] if table == "admissions" else raw.admissions),
    )
    with pytest.raises(SchemaError, match=rf"{table}\.csv\.gz must have rows"):
        Mimic4(folder=raw.write_mimic4(tmp_path)).load()


def test_dates_that_a_spreadsheet_has_mangled_are_refused(tmp_path: Path) -> None:
    raw = hospital()
    raw.admission(7, 1008, begins="7/1/00 10:00")
    with pytest.raises(
        SchemaError, match=r"admittime must be a time .* saved by a spreadsheet, which may lose the century"
    ):
        Mimic4(folder=raw.write_mimic4(tmp_path)).load()


def test_neither_folder_changes_the_fingerprint(tmp_path: Path) -> None:
    assert Mimic4(folder=tmp_path, notes=tmp_path / "n", title="St. Elsewhere").hashable() == {"kind": "mimic4"}


def with_intensive_care(folder: Path) -> Path:
    """The hospital with an ICU stay, in whose chart the patient is on a machine."""
    hospital().write_mimic4(folder)
    stay = (7, 1007, 70, "MICU", "2100-07-01 12:00:00", None)
    write_table(made(folder / "icu") / "icustays.csv.gz", ICUSTAYS_4, [stay])
    rows = [(7, 70, f"2100-07-01 {hour}:00:00", 223849, "CMV") for hour in (13, 15)]
    columns = ("subject_id", "stay_id", "charttime", "itemid", "value")
    write_table(folder / "icu" / "chartevents.csv.gz", columns, list(rows))
    return folder


def test_patients_and_notes_tell_when_they_died_and_when_they_were_written(tmp_path: Path) -> None:
    folder = hospital().write_mimic4(tmp_path)
    write_table(folder / "hosp" / "patients.csv.gz", PATIENTS_4, [(7, "F", 50, 2100, "2014 - 2016", "2100-08-02")])
    note = ("7-DS-1", 7, 1007, "DS", 1, "2100-07-05 00:00:00", "2100-07-06 10:00:00", "x")
    write_table(folder / "note" / "discharge.csv.gz", NOTE_4, [note])
    records = Mimic4(folder=folder).load()
    assert records.subjects.rows(named=True) == [
        {"subject_id": 7, "gender": "F", "dod": date(2100, 8, 2), "anchor_year_group": "2014 - 2016",
         "anchor_year": 2100},
    ]  # fmt: skip
    times = next(records.notes()).select("chartdate", "charttime", "storetime").row(0)
    assert [str(time) for time in times] == ["2100-07-05", "2100-07-05 00:00:00", "2100-07-06 10:00:00"]


def test_bedside_events_are_looked_for_when_they_are_wanted_only(tmp_path: Path) -> None:
    source = Mimic4(folder=with_intensive_care(tmp_path))
    assert source.has_events()
    assert set(source.files(events=True)) - set(source.files()) == {"chartevents"}
    records = source.load()
    assert records.ventilation is None
    assert records.stays is not None
    assert records.stays.select("subject_id", "hadm_id", "stay_id", "dbsource", "first_careunit").rows() == [
        (7, 1007, 70, None, "MICU")
    ]
    records = source.load(events=True)
    assert records.ventilation is not None
    assert [str(cell) for cell in records.ventilation().row(0)] == [
        "7", "1007", "70", "invasive", "2100-07-01 13:00:00", "2100-07-01 15:00:00",
    ]  # fmt: skip
    assert records.tallies["chartevents"].rows == 2


def test_a_device_without_a_charted_flow_counts_by_one_join_and_the_chart_is_read_once(tmp_path: Path) -> None:
    folder = with_intensive_care(tmp_path)
    rows = [(7, 70, f"2100-07-01 {hour}:00:00", 226732, "Endotracheal tube") for hour in (13, 15)]
    columns = ("subject_id", "stay_id", "charttime", "itemid", "value")
    write_table(folder / "icu" / "chartevents.csv.gz", columns, list(rows))
    records = Mimic4(folder=folder).load(events=True)
    assert records.ventilation is not None
    assert records.ventilation("fixed")["status"].to_list() == ["invasive"]
    (folder / "icu" / "chartevents.csv.gz").unlink()
    assert records.ventilation("mimic-code").is_empty()
    assert records.ventilation() is records.ventilation("fixed")


def test_a_missing_chart_is_named_with_a_way_out(tmp_path: Path) -> None:
    folder = with_intensive_care(tmp_path)
    (folder / "icu" / "chartevents.csv.gz").unlink()
    assert not Mimic4(folder=folder).has_events()
    with pytest.raises(SchemaError, match=r"lacks icu/chartevents\.csv\.gz \(or \.csv\); add it, or leave these tasks"):
        Mimic4(folder=folder).load(events=True)


def test_the_open_demo_has_its_published_counts() -> None:
    records = Mimic4(folder=open_data("mimic-iv-demo-2.2")).load()
    assert (records.about.title, records.about.licence) == ("MIMIC-IV demo 2.2", "ODbL 1.0")
    assert (records.subjects.height, records.admissions.height) == (100, 275)
    assert records.admissions["hospital_expire_flag"].sum() == 15
    groups = dict(records.subjects["anchor_year_group"].value_counts().iter_rows())
    assert groups == {"2014 - 2016": 57, "2011 - 2013": 43}
    assert records.diagnoses is not None
    assert dict(records.diagnoses["icd_version"].value_counts().iter_rows()) == {9: 2193, 10: 2313}
    assert records.procedures is not None
    assert records.procedures.height == 722
    titles = records.diagnosis_titles
    assert titles is not None
    assert (
        titles.group_by("icd_code").agg(pl.col("icd_version").n_unique()).filter(pl.col("icd_version") == 2).height
        == 493
    )
    assert titles.select("icd_code", "icd_version").is_duplicated().sum() == 0
    assert all(records.tallies[table].rows in records.expected_rows[table] for table in records.tallies)
    assert records.stays is not None
    assert (records.stays.height, records.stays["hadm_id"].n_unique()) == (140, 128)
    assert records.subjects["anchor_year"].null_count() == 0


def test_the_codiesp_twin_has_its_documented_counts() -> None:
    records = Mimic4(folder=open_data("codiesp-as-mimic-iv")).load()
    notes = pl.concat(records.notes())
    assert (records.subjects.height, records.admissions["hospital_expire_flag"].sum()) == (3495, 381)
    assert dict(notes["category"].value_counts().iter_rows()) == {"Discharge summary": 3495, "Radiology": 516}
    assert notes["note_id"].n_unique() == 4011
    assert notes["hadm_id"].null_count() == 51
    assert records.admissions.filter(pl.col("age") == 91.4).height == 16
    assert records.diagnoses is not None
    assert records.diagnoses["hadm_id"].n_unique() == 750
    assert records.warnings == ()
