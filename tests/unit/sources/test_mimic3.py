"""MIMIC-III as canonical frames: ages, codes, notes, keys."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.notes.note import SCHEMA
from chartune.sources.mimic3 import Mimic3, age_at
from chartune.store import Store
from chartune.testing.open_data import open_data
from chartune.testing.raw_tables import ICUSTAYS, PROCEDUREEVENTS_MV, RawHospital, mark, write_table


def age(born: str, at: str) -> float | None:
    frame = pl.DataFrame({"born": [datetime.fromisoformat(born)], "at": [datetime.fromisoformat(at)]})
    value: float | None = frame.select(age_at(pl.col("born"), pl.col("at"))).item()
    return value


@pytest.mark.parametrize(
    ("born", "at", "years"),
    [
        ("2082-07-02", "2100-07-01", 17.0),
        ("2082-07-01", "2100-07-01", 18.0),
        ("2082-12-31", "2100-02-01", 17.0),
        ("2082-02-01", "2100-12-31", 18.0),
        ("2012-02-29", "2101-03-01", 89.0),
        ("2010-01-01", "2100-07-01", 91.4),
        ("1800-01-01", "2100-07-01", 91.4),
        ("2100-07-01 00:00:00", "2100-07-01 13:00:00", 0.0),
        ("2101-07-01", "2100-07-01", None),
    ],
)
def test_ages_are_completed_years_by_the_calendar(born: str, at: str, years: float | None) -> None:
    assert age(born, at) == years


def hospital() -> RawHospital:
    raw = RawHospital()
    raw.stay(7)
    raw.note(7, None, "clinic letter", category="Nursing/other ", error="1")
    return raw


def test_notes_come_under_canonical_names_with_blanks_of_categories_stripped(tmp_path: Path) -> None:
    records = Mimic3(folder=hospital().write(tmp_path)).load()
    notes = pl.concat(records.notes())
    assert notes.schema == pl.Schema(SCHEMA)
    assert notes.select("note_id", "hadm_id", "category", "is_error").rows() == [
        ("1", 1007, "Discharge summary", False),
        ("2", None, "Nursing/other", True),
    ]


def test_notes_can_be_read_again_and_are_counted_once(tmp_path: Path) -> None:
    records = Mimic3(folder=hospital().write(tmp_path)).load()
    assert sum(part.height for part in records.notes()) == sum(part.height for part in records.notes()) == 2
    assert records.tallies["NOTEEVENTS"].rows == 2


def test_codes_keep_their_zeros(tmp_path: Path) -> None:
    codes = ["0331", "331", "042", "V451", "E8782", None]
    write_table(
        tmp_path / "DIAGNOSES_ICD.csv",
        ("ROW_ID", "SUBJECT_ID", "HADM_ID", "SEQ_NUM", "ICD9_CODE"),
        [(n, 7, 1007, n, code) for n, code in enumerate(codes)],
    )
    diagnoses = Mimic3(folder=hospital().write(tmp_path)).load().diagnoses
    assert diagnoses is not None
    assert diagnoses["icd_code"].to_list() == codes
    assert diagnoses["icd_version"].unique().to_list() == [9]


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    raw = hospital()
    raw.admission(7, 1007)
    with pytest.raises(SchemaError, match=r"ADMISSIONS\.csv\.gz: every hadm_id must occur once, but 2 rows"):
        Mimic3(folder=raw.write(tmp_path)).load()


def test_admissions_of_unknown_patients_are_counted(tmp_path: Path) -> None:
    raw = hospital()
    raw.admission(8, 1008)
    records = Mimic3(folder=raw.write(tmp_path)).load()
    assert records.warnings == ("ADMISSIONS: 1 admissions of subjects that the table of patients lacks.",)
    assert records.admissions.filter(pl.col("hadm_id") == 1008)["age"].to_list() == [None]


def test_a_made_up_hospital_says_so(tmp_path: Path) -> None:
    mark(hospital().write(tmp_path), "Nowhere General")
    about = Mimic3(folder=tmp_path).load().about
    assert (about.title, about.version) == ("Nowhere General", "made-up")


def test_a_hospital_can_name_its_export_without_changing_its_fingerprint(tmp_path: Path) -> None:
    source = Mimic3(folder=hospital().write(tmp_path), title="St. Elsewhere", licence="in-house")
    assert (source.load().about.title, source.load().about.licence) == ("St. Elsewhere", "in-house")
    assert source.hashable() == Mimic3(folder=tmp_path / "elsewhere").hashable()


def with_intensive_care(folder: Path, *, systems: tuple[str, ...] = ("metavision",)) -> Path:
    """The hospital with an ICU stay for each bedside system, and a chart in which the patient is on a machine."""
    hospital().write(folder)
    times = ("2100-07-01 12:00:00", None)
    stays = [(n, 7, 1007, 70 + n, system, "MICU ", *times) for n, system in enumerate(systems)]
    write_table(folder / "ICUSTAYS.csv.gz", ICUSTAYS, list(stays))
    rows = [(7, 70, 223849, f"2100-07-01 {hour}:00:00", "CMV") for hour in (13, 15)]
    columns = ("SUBJECT_ID", "ICUSTAY_ID", "ITEMID", "CHARTTIME", "VALUE")
    write_table(folder / "CHARTEVENTS.csv.gz", columns, list(rows))
    done = [(1, 7, 1007, 70, "2100-07-01 17:30:00", "2100-07-01 17:31:00", 227194)]
    write_table(folder / "PROCEDUREEVENTS_MV.csv.gz", PROCEDUREEVENTS_MV, list(done))
    return folder


def test_dates_of_death_and_times_of_notes_are_told_where_they_are_known(tmp_path: Path) -> None:
    folder = hospital().write(tmp_path)
    columns = ("SUBJECT_ID", "GENDER", "DOB", "DOD")
    write_table(folder / "PATIENTS.csv.gz", columns, [(7, "F", "2050-06-15 00:00:00", "2100-08-02 00:00:00")])
    notes = (
        "ROW_ID",
        "SUBJECT_ID",
        "HADM_ID",
        "CHARTDATE",
        "CHARTTIME",
        "STORETIME",
        "CATEGORY",
        "DESCRIPTION",
        "TEXT",
    )
    written = ("2100-07-02", "2100-07-02 11:05:00", "2100-07-02 11:20:00")
    write_table(folder / "NOTEEVENTS.csv.gz", notes, [
        (1, 7, 1007, "2100-07-05", None, None, "Discharge summary", "Report", "x"),
        (2, 7, 1007, *written, "Nursing", "Report", "y"),
    ])  # fmt: skip
    records = Mimic3(folder=folder).load()
    assert records.subjects.rows() == [(7, "F", date(2100, 8, 2))]
    times = pl.concat(records.notes()).select("chartdate", "charttime", "storetime").rows()
    assert times[0] == (date(2100, 7, 5), None, None)
    assert [str(time) for time in times[1]] == list(written)


def test_a_small_export_without_the_newer_columns_is_read(tmp_path: Path) -> None:
    folder = hospital().write(tmp_path)
    write_table(folder / "PATIENTS.csv.gz", ("SUBJECT_ID", "GENDER", "DOB"), [(7, "F", "2050-06-15 00:00:00")])
    notes = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CATEGORY", "DESCRIPTION", "TEXT")
    write_table(folder / "NOTEEVENTS.csv.gz", notes, [(1, 7, 1007, "2100-07-05", "Nursing", "Report", "x")])
    records = Mimic3(folder=folder).load()
    (batch,) = records.notes()
    assert batch.schema == pl.Schema(SCHEMA)
    assert batch.select("charttime", "storetime").row(0) == (None, None)
    assert records.subjects["dod"].to_list() == [None]
    assert records.admissions.select("admission_location", "discharge_location").rows() == [(None, None)]
    assert (records.stays, records.ventilation) == (None, None)


def test_icu_stays_come_under_canonical_names(tmp_path: Path) -> None:
    stays = Mimic3(folder=with_intensive_care(tmp_path, systems=("CareVue ", "both"))).load().stays
    assert stays is not None
    assert stays.drop("intime").rows() == [
        (7, 1007, 70, "carevue", "MICU", None), (7, 1007, 71, "both", "MICU", None),
    ]  # fmt: skip
    assert stays.schema["intime"] == stays.schema["outtime"] == pl.Datetime("us")


def test_a_stay_that_occurs_twice_or_belongs_to_no_admission_is_told(tmp_path: Path) -> None:
    folder = with_intensive_care(tmp_path)
    row = (7, 9, 70, "both", None, "2100-07-01 12:00:00", None)
    write_table(folder / "ICUSTAYS.csv.gz", ICUSTAYS, [(1, *row)])
    assert Mimic3(folder=folder).load().warnings == (
        "ICUSTAYS: 1 stays of admissions that the table of admissions lacks.",
    )
    write_table(folder / "ICUSTAYS.csv.gz", ICUSTAYS, [(1, *row), (2, *row)])
    with pytest.raises(SchemaError, match=r"ICUSTAYS\.csv\.gz: every stay_id must occur once, but 2 rows"):
        Mimic3(folder=folder).load()


def test_bedside_events_are_looked_for_when_they_are_wanted_only(tmp_path: Path) -> None:
    source = Mimic3(folder=with_intensive_care(tmp_path))
    assert source.has_events()
    assert set(source.files(events=True)) - set(source.files()) == {"CHARTEVENTS", "PROCEDUREEVENTS_MV"}
    store = Store(tmp_path / "store").open()
    assert set(source.facts(store, events=True)) - set(source.facts(store)) == {"CHARTEVENTS", "PROCEDUREEVENTS_MV"}
    assert source.load().ventilation is None
    records = source.load(events=True)
    assert records.ventilation is not None
    assert records.tallies["CHARTEVENTS"].rows == 0
    frame = records.ventilation()
    assert [str(cell) for cell in frame.row(0)] == [
        "7", "1007", "70", "ventilated", "2100-07-01 13:00:00", "2100-07-01 17:30:00",
    ]  # fmt: skip
    assert records.ventilation() is frame
    assert (records.tallies["CHARTEVENTS"].rows, records.tallies["PROCEDUREEVENTS_MV"].rows) == (2, 1)


@pytest.mark.parametrize(("missing", "named"), [
    (("CHARTEVENTS",), r"CHARTEVENTS\.csv\.gz \(or \.csv\); add it"),
    (("CHARTEVENTS", "ICUSTAYS"), r"CHARTEVENTS\.csv\.gz and ICUSTAYS\.csv\.gz \(or \.csv\); add them"),
])  # fmt: skip
def test_a_missing_chart_is_named_with_a_way_out(tmp_path: Path, missing: tuple[str, ...], named: str) -> None:
    folder = with_intensive_care(tmp_path)
    for table in missing:
        (folder / f"{table}.csv.gz").unlink()
    source = Mimic3(folder=folder)
    assert not source.has_events()
    assert not Mimic3(folder=tmp_path / "nowhere").has_events()
    with pytest.raises(SchemaError, match=rf"lacks {named}, or leave these tasks out with --tasks"):
        source.load(events=True)
    source.load()


def test_a_chart_without_the_procedures_of_metavision_is_read_with_a_warning(tmp_path: Path) -> None:
    folder = with_intensive_care(tmp_path, systems=("metavision", "carevue"))
    (folder / "PROCEDUREEVENTS_MV.csv.gz").unlink()
    records = Mimic3(folder=folder).load(events=True)
    assert [said.split(";")[0] for said in records.warnings] == [
        "ventilation: the source has no PROCEDUREEVENTS_MV, so that no extubation is known of 1 ICU stays charted in "
        "MetaVision"
    ]
    assert records.ventilation is not None
    assert str(records.ventilation()["endtime"][0]) == "2100-07-01 15:00:00"


def test_the_open_demo_has_its_published_counts() -> None:
    records = Mimic3(folder=open_data("mimic-iii-demo-1.4")).load()
    assert records.about.title == "MIMIC-III demo 1.4"
    assert (records.subjects.height, records.admissions.height) == (100, 129)
    assert records.admissions["hospital_expire_flag"].sum() == 40
    assert records.admissions.filter(pl.col("age") == 91.4).height == 9
    assert dict(records.admissions["admission_type"].value_counts().iter_rows()) == {
        "EMERGENCY": 119, "ELECTIVE": 8, "URGENT": 2,
    }  # fmt: skip
    assert records.diagnoses is not None
    assert records.diagnoses.height == 1761
    assert records.diagnoses.filter(pl.col("icd_code").str.starts_with("0")).height == 71
    assert records.procedures is not None
    assert records.procedures.filter(pl.col("icd_code").str.starts_with("0")).height == 34
    assert records.diagnosis_titles is not None
    assert records.diagnosis_titles.filter(pl.col("icd_code").str.starts_with("0")).height == 1064
    assert records.stays is not None
    assert dict(records.stays["dbsource"].value_counts().iter_rows()) == {"carevue": 59, "metavision": 77}
    assert records.subjects["dod"].null_count() == 0
    assert records.admissions["discharge_location"].null_count() == 0


def test_the_codiesp_twin_has_its_documented_counts() -> None:
    records = Mimic3(folder=open_data("codiesp-as-mimic-iii")).load()
    admissions, notes = records.admissions, pl.concat(records.notes())
    assert (records.subjects.height, admissions["hospital_expire_flag"].sum()) == (1500, 163)
    assert admissions.filter(pl.col("admission_type") == "NEWBORN").height == 21
    assert admissions.filter(pl.col("age") < 18).height == 267
    assert admissions.filter(pl.col("age") == 91.4).height == 8
    assert dict(notes["category"].value_counts().iter_rows()) == {"Discharge summary": 1500, "Radiology": 516}


def test_dates_that_a_spreadsheet_has_mangled_are_refused(tmp_path: Path) -> None:
    mangled = open_data("mimic-iii-demo-1.4-excel-mangled")
    for name in ("PATIENTS.csv", "ADMISSIONS.csv"):
        (tmp_path / name).write_bytes((mangled / name).read_bytes())
    write_table(tmp_path / "NOTEEVENTS.csv", ("ROW_ID",), [])
    with pytest.raises(
        SchemaError, match=r"DOB must be a time .* look saved by a spreadsheet, which may lose the century"
    ):
        Mimic3(folder=tmp_path).load()
