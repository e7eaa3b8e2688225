"""MIMIC-III 1.4 as PhysioNet ships it, a flat folder of `TABLE.csv.gz` (Johnson et al., 2016).

The open demo, a hospital's export in the same layout and the made-up hospital are read by the same contracts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import polars as pl

from chartune.notes.note import SCHEMA
from chartune.sources.coverage import CATEGORY
from chartune.sources.icu_stays import ICUSTAYS_3
from chartune.sources.mimic import Files, Mimic, Tallies
from chartune.sources.mimic4 import Mimic4, is_hosp
from chartune.sources.releases import CREDENTIALED, Layout, Release
from chartune.sources.source import ANCIENT
from chartune.sources.tables import Column, Table, Tally, holds
from chartune.sources.ventilation import OxygenJoin
from chartune.sources.ventilation.chart_rows import CHARTEVENTS_3, PROCEDUREEVENTS_MV
from chartune.sources.ventilation.episodes import OXYGEN_JOINS
from chartune.sources.ventilation.mimic3 import episodes

_SUBJECT: Final = Column("SUBJECT_ID", "integer", may_be_empty=False)
_ADMISSION: Final = Column("HADM_ID", "integer", may_be_empty=False)
_CODES: Final = (
    _SUBJECT,
    Column("HADM_ID", "integer"),
    Column("SEQ_NUM", "integer"),
    Column("ICD9_CODE", "text", "icd_code"),
)
_TITLES: Final = (Column("ICD9_CODE", "text", "icd_code"), Column("LONG_TITLE", "text"))

PATIENTS: Final = Table(
    "PATIENTS",
    (_SUBJECT, Column("GENDER", "text"), Column("DOB", "time"), Column("DOD", "date", may_be_absent=True)),
)
ADMISSIONS: Final = Table(
    "ADMISSIONS",
    (
        _SUBJECT,
        _ADMISSION,
        Column("ADMITTIME", "time", may_be_empty=False),
        Column("DISCHTIME", "time"),
        Column("DEATHTIME", "time"),
        Column("ADMISSION_TYPE", "text"),
        Column("ADMISSION_LOCATION", "text", may_be_absent=True),
        Column("DISCHARGE_LOCATION", "text", may_be_absent=True),
        Column("HOSPITAL_EXPIRE_FLAG", "integer"),
        Column("INSURANCE", "text", may_be_absent=True),
        Column("LANGUAGE", "text", may_be_absent=True),
        Column("ETHNICITY", "text", "race", may_be_absent=True),
    ),
)
NOTEEVENTS: Final = Table(
    "NOTEEVENTS",
    (
        Column("ROW_ID", "integer", "note_seq", may_be_empty=False),
        _SUBJECT,
        Column("HADM_ID", "integer"),
        Column("CHARTDATE", "date"),
        Column("CHARTTIME", "time", may_be_absent=True),
        Column("STORETIME", "time", may_be_absent=True),
        Column("CATEGORY", "text"),
        Column("DESCRIPTION", "text"),
        Column("ISERROR", "text", may_be_absent=True),
        Column("TEXT", "text"),
    ),
)
DIAGNOSES_ICD: Final = Table("DIAGNOSES_ICD", _CODES, required=False)
PROCEDURES_ICD: Final = Table("PROCEDURES_ICD", _CODES, required=False)
D_ICD_DIAGNOSES: Final = Table("D_ICD_DIAGNOSES", _TITLES, required=False)
D_ICD_PROCEDURES: Final = Table("D_ICD_PROCEDURES", _TITLES, required=False)
CODED: Final = (DIAGNOSES_ICD, PROCEDURES_ICD, D_ICD_DIAGNOSES, D_ICD_PROCEDURES)
SOME_OF: Final = (PATIENTS.name, ADMISSIONS.name, NOTEEVENTS.name)
"""Tables of which a folder has one at least."""

CATEGORIES: Final = (
    "Case Management", "Consult", "Discharge summary", "ECG", "Echo", "General", "Nursing", "Nursing/other",
    "Nutrition", "Pharmacy", "Physician", "Radiology", "Rehab Services", "Respiratory", "Social Work",
)  # fmt: skip
"""Categories of notes in the release; other words in that column may be anybody's and are not shown."""

LAYOUT: Final = Layout(
    "mimic3",
    "MIMIC-III 1.4",
    "1.4 layout",
    (
        Release("MIMIC-III 1.4", CREDENTIALED, {
            "PATIENTS": 46_520, "ADMISSIONS": 58_976, "NOTEEVENTS": 2_083_180, "DIAGNOSES_ICD": 651_047,
            "PROCEDURES_ICD": 240_095, "D_ICD_DIAGNOSES": 14_567, "D_ICD_PROCEDURES": 3_882, "ICUSTAYS": 61_532,
            "CHARTEVENTS": 330_712_483, "PROCEDUREEVENTS_MV": 258_066,
        }),
        Release("MIMIC-III demo 1.4", "ODbL 1.0", {
            "PATIENTS": 100, "ADMISSIONS": 129, "NOTEEVENTS": 0, "DIAGNOSES_ICD": 1_761,
            "PROCEDURES_ICD": 506, "D_ICD_DIAGNOSES": 14_567, "D_ICD_PROCEDURES": 3_882, "ICUSTAYS": 136,
            "PROCEDUREEVENTS_MV": 753,
        }),
    ),
    ("PATIENTS", "ADMISSIONS", "DIAGNOSES_ICD", "PROCEDURES_ICD", "ICUSTAYS"),
)  # fmt: skip
"""The layout and the rows of its releases (mimic.mit.edu; the demo counted from its files)."""


def age_at(birth: pl.Expr, time: pl.Expr) -> pl.Expr:
    """Completed years, f64; `ANCIENT` above 89, whose birth the release sets 300 years back.

    By the calendar: a difference of nanoseconds would overflow at 292 years. Null where the birth is after `time`.
    """
    before_birthday = _day_of_year(time) < _day_of_year(birth)
    years = (time.dt.year() - birth.dt.year() - before_birthday.cast(pl.Int32)).cast(pl.Float64)
    return pl.when(birth.dt.date() > time.dt.date()).then(None).when(years > 89).then(ANCIENT).otherwise(years)


def _day_of_year(time: pl.Expr) -> pl.Expr:
    """Month and day as one number that grows over the year, 101 to 1231; months are 8-bit and would overflow."""
    return time.dt.month().cast(pl.Int32) * 100 + time.dt.day().cast(pl.Int32)


class Mimic3(Mimic):
    """MIMIC-III 1.4, its demo, or any hospital's export in the same layout."""

    layout = LAYOUT
    chart = (CHARTEVENTS_3, ICUSTAYS_3)
    patients = PATIENTS
    admissions = ADMISSIONS
    coded = CODED
    icu_stays = ICUSTAYS_3
    note_tables = (NOTEEVENTS,)
    event_tables = (CHARTEVENTS_3, PROCEDUREEVENTS_MV)
    folder_tables = (PATIENTS, ADMISSIONS, NOTEEVENTS, *CODED, ICUSTAYS_3)
    tables = (*folder_tables, *event_tables)
    birth = ("dob",)
    age = age_at(pl.col("dob"), pl.col("admittime"))
    kind: Literal["mimic3"] = "mimic3"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with NOTEEVENTS, or with patients or admissions that are not those of MIMIC-IV."""
        if Mimic4.recognises(path):
            return False
        return holds(path, "NOTEEVENTS") or (any(holds(path, table) for table in SOME_OF) and not is_hosp(path))

    def _canonical(self, raw: pl.DataFrame, table: Table, tally: Tally) -> pl.DataFrame:
        """Trailing blanks of categories such as `Physician ` are real and mean nothing."""
        category = pl.col("category").str.strip_chars()
        named = raw.with_columns(
            note_id=pl.col("note_seq").cast(pl.String),
            category=category,
            category_padded=category != pl.col("category"),
            is_error=pl.col("iserror").str.strip_chars().is_in(["1", "1.0"]).fill_null(False),
        )
        known = named["category"].filter(named["category"].is_in(CATEGORIES))
        tally.add_kinds(dict(known.value_counts().iter_rows()))
        tally.reach(CATEGORY, raw.height, known.len())
        return named.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())

    def _episodes(self, files: Files, tallies: Tallies, stays: pl.DataFrame) -> Mapping[OxygenJoin, pl.DataFrame]:
        """The same by both joins: its rules ask for no flow of oxygen."""
        return dict.fromkeys(OXYGEN_JOINS, episodes(files, tallies, stays))

    def _without_events(self, files: Files, stays: pl.DataFrame) -> tuple[str, ...]:
        """The warning that one of the two bedside systems does not say when tubes came out."""
        count = stays.filter(pl.col("dbsource").is_in(["metavision", "both"])).height
        if PROCEDUREEVENTS_MV.name in files or not count:
            return ()
        return (
            f"ventilation: the source has no {PROCEDUREEVENTS_MV.name}, so that no extubation is known of {count} ICU "
            f"stays charted in MetaVision; their episodes end by pauses only.",
        )
