"""MIMIC-III 1.4 as PhysioNet ships it, a flat folder of `TABLE.csv.gz` (Johnson et al., 2016).

The open demo, a hospital's export in the same layout and the made-up hospital are read by the same contracts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import polars as pl

from chartune.config import Unhashed
from chartune.names import MaybeTitle
from chartune.notes.note import SCHEMA
from chartune.sources.codes import read_codes
from chartune.sources.coverage import CATEGORY
from chartune.sources.icu_stays import ICUSTAYS_3, read_stays, strays
from chartune.sources.links import own_notes, own_table
from chartune.sources.marker import disowned
from chartune.sources.mimic4 import Mimic4, is_hosp
from chartune.sources.reading import batches, keyed
from chartune.sources.releases import CREDENTIALED, Layout, Release
from chartune.sources.source import ANCIENT, RawPath, Records, Source, orphans
from chartune.sources.tables import Column, Table, Tally, holds, locate
from chartune.sources.ventilation.chart_rows import CHARTEVENTS_3, PROCEDUREEVENTS_MV, refuse_without
from chartune.sources.ventilation.episodes import OXYGEN_JOINS, once
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
TABLES: Final = (PATIENTS, ADMISSIONS, NOTEEVENTS, *CODED, ICUSTAYS_3)
EVENTS: Final = (CHARTEVENTS_3, PROCEDUREEVENTS_MV)
"""Tables of bedside events: most of the bytes, read only when they are asked for."""

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


class Mimic3(Source):
    """MIMIC-III 1.4, its demo, or any hospital's export in the same layout."""

    layout: ClassVar[Layout] = LAYOUT
    tables: ClassVar[tuple[Table, ...]] = (*TABLES, *EVENTS)
    chart: ClassVar[tuple[Table, ...]] = (CHARTEVENTS_3, ICUSTAYS_3)
    kind: Literal["mimic3"] = "mimic3"
    folder: RawPath
    """Where the tables are."""
    title: Annotated[MaybeTitle, Unhashed()] = ""
    """What to call it in reports; empty: what its row counts tell."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms its text may be used; empty: those of the release that it is."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with NOTEEVENTS, or with patients or admissions that are not those of MIMIC-IV."""
        if Mimic4.recognises(path):
            return False
        return holds(path, "NOTEEVENTS") or (any(holds(path, table) for table in SOME_OF) and not is_hosp(path))

    def files(self, events: bool = False) -> dict[str, Path]:
        """Table → raw file; the bedside events only where they are wanted.

        Raises:
            SchemaError: a required table is missing, or two files could be one.
        """
        located = locate(self.folder, (*TABLES, *EVENTS) if events else TABLES)
        if events:
            refuse_without(self.chart, located, self.folder)
        return located

    def load(self, events: bool = False) -> Records:
        """The canonical frames.

        Raises:
            SchemaError: a table is missing, damaged or breaks its contract, or a key occurs twice.
        """
        most = self.longest_row, self.longest_cell
        files, tallies = self.files(events), {table.name: Tally() for table in self.tables}

        def notes() -> Iterator[pl.DataFrame]:
            tally = tallies["NOTEEVENTS"]
            tally.restart()
            read = batches(files["NOTEEVENTS"], NOTEEVENTS.bounded(*most), tally)
            return (own_notes(_notes(raw, tally), admissions, tally) for raw in read)

        patients = keyed(files["PATIENTS"], PATIENTS.bounded(*most), tallies["PATIENTS"], "subject_id")
        admissions = keyed(files["ADMISSIONS"], ADMISSIONS.bounded(*most), tallies["ADMISSIONS"], "hadm_id")
        codes = read_codes([table.bounded(*most) for table in CODED], files, tallies).linked(CODED, admissions, tallies)
        stays, strange = own_table("ICUSTAYS", read_stays(ICUSTAYS_3.bounded(*most), files, tallies), admissions)
        counted = {name: tallies[name].rows for name in LAYOUT.patient_tables if name in files}
        release = LAYOUT.release(self.folder, files.values(), counted)
        return Records(
            about=LAYOUT.about(self.folder, files.values(), release, self.title, self.licence),
            subjects=patients.select("subject_id", "gender", "dod"),
            admissions=_admissions(admissions, patients),
            notes=notes,
            diagnoses=codes.diagnoses,
            procedures=codes.procedures,
            diagnosis_titles=codes.diagnosis_titles,
            procedure_titles=codes.procedure_titles,
            stays=stays,
            ventilation=once(lambda: dict.fromkeys(OXYGEN_JOINS, episodes(files, tallies, stays)))
            if events and stays is not None
            else None,
            tallies={name: tally for name, tally in tallies.items() if name in files},
            expected_rows=release.accepted() if release else {},
            warnings=(
                *disowned(self.folder, files.values()),
                *orphans("ADMISSIONS", admissions, patients),
                *strays("ICUSTAYS", stays, admissions),
                *strange,
                *codes.warnings,
                *(_no_extubations(files, stays) if events else ()),
            ),
        )


def _no_extubations(files: dict[str, Path], stays: pl.DataFrame | None) -> tuple[str, ...]:
    """The warning that one of the two bedside systems does not say when tubes came out."""
    if PROCEDUREEVENTS_MV.name in files or stays is None:
        return ()
    count = stays.filter(pl.col("dbsource").is_in(["metavision", "both"])).height
    message = (
        f"ventilation: the source has no {PROCEDUREEVENTS_MV.name}, so that no extubation is known of {count} ICU "
    )
    return (f"{message}stays charted in MetaVision; their episodes end by pauses only.",) if count else ()


def _admissions(admissions: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    birth = patients.select("subject_id", "dob")
    aged = admissions.join(birth, on="subject_id", how="left", maintain_order="left")
    return aged.with_columns(age=age_at(pl.col("dob"), pl.col("admittime"))).drop("dob")


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


def _notes(raw: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """A batch of NOTEEVENTS under canonical names; trailing blanks of `Physician ` are real and mean nothing."""
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
