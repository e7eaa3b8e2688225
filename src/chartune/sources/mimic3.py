"""MIMIC-III 1.4 as PhysioNet ships it, a flat folder of `TABLE.csv.gz` (Johnson et al., 2016).

The open demo, a hospital's export in the same layout and the made-up hospital are read by the same contracts.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import polars as pl

from chartune.config import Config, Unhashed
from chartune.errors import SchemaError
from chartune.notes.note import SCHEMA
from chartune.sources.facts import TableFacts, file_facts
from chartune.sources.reading import batches, read
from chartune.sources.source import ANCIENT, About, Records
from chartune.sources.tables import Column, Table, Tally, locate
from chartune.store import Store

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
    (_SUBJECT, Column("GENDER", "text"), Column("DOB", "time"), Column("DOD", "time", may_be_absent=True)),
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
TABLES: Final = (PATIENTS, ADMISSIONS, NOTEEVENTS, DIAGNOSES_ICD, PROCEDURES_ICD, D_ICD_DIAGNOSES, D_ICD_PROCEDURES)

RELEASES: Final[dict[str, dict[str, int]]] = {
    "MIMIC-III 1.4": {
        "PATIENTS": 46_520, "ADMISSIONS": 58_976, "NOTEEVENTS": 2_083_180, "DIAGNOSES_ICD": 651_047,
        "PROCEDURES_ICD": 240_095, "D_ICD_DIAGNOSES": 14_567, "D_ICD_PROCEDURES": 3_882,
    },
    "MIMIC-III demo 1.4": {
        "PATIENTS": 100, "ADMISSIONS": 129, "NOTEEVENTS": 0, "DIAGNOSES_ICD": 1_761,
        "PROCEDURES_ICD": 506, "D_ICD_DIAGNOSES": 14_567, "D_ICD_PROCEDURES": 3_882,
    },
}  # fmt: skip
"""Release → rows of its tables (mimic.mit.edu; the demo counted from its files)."""
LICENCES: Final = {
    "MIMIC-III 1.4": "PhysioNet Credentialed Health Data License 1.5.0",
    "MIMIC-III demo 1.4": "ODbL 1.0",
}
MADE_UP: Final = Path("made-up") / "manifest.json"
"""Stands in the folder of a made-up hospital, so that nobody takes its patients for real ones."""


class Mimic3(Config):
    """MIMIC-III 1.4, its demo, or any hospital's export in the same layout."""

    kind: Literal["mimic3"] = "mimic3"
    folder: Annotated[Path, Unhashed()]
    """Where the tables are."""
    title: Annotated[str, Unhashed()] = ""
    """What to call it in reports; empty: what its row counts tell."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms its text may be used; empty: those of the release that it is."""

    def files(self) -> dict[str, Path]:
        """Table → raw file. Raises SchemaError: a required table is missing, or two files could be one."""
        return locate(self.folder, TABLES)

    def facts(self, store: Store) -> dict[str, TableFacts]:
        """Table → size and hash of its file. Raises SchemaError: bytes are not those that `SHA256SUMS.txt` lists."""
        return {table: file_facts(file, store) for table, file in self.files().items()}

    def load(self) -> Records:
        """The canonical frames.

        Raises:
            SchemaError: a table is missing, damaged or breaks its contract, or a key occurs twice.
        """
        files, tallies = self.files(), {table.name: Tally() for table in TABLES}

        def whole(table: Table) -> pl.DataFrame | None:
            return read(files[table.name], table, tallies[table.name]) if table.name in files else None

        def notes() -> Iterator[pl.DataFrame]:
            tallies["NOTEEVENTS"].restart()
            return map(_notes, batches(files["NOTEEVENTS"], NOTEEVENTS, tallies["NOTEEVENTS"]))

        patients = read(files["PATIENTS"], PATIENTS, tallies["PATIENTS"])
        admissions = read(files["ADMISSIONS"], ADMISSIONS, tallies["ADMISSIONS"])
        _unique(patients, "subject_id", files["PATIENTS"])
        _unique(admissions, "hadm_id", files["ADMISSIONS"])
        found = about(self.folder, {name: tallies[name].rows for name in ("PATIENTS", "ADMISSIONS")})
        orphans = admissions.join(patients, on="subject_id", how="anti").height
        return Records(
            about=replace(found, title=self.title or found.title, licence=self.licence or found.licence),
            subjects=patients.select("subject_id", "gender"),
            admissions=_admissions(admissions, patients),
            notes=notes,
            diagnoses=_coded(whole(DIAGNOSES_ICD)),
            procedures=_coded(whole(PROCEDURES_ICD)),
            diagnosis_titles=_coded(whole(D_ICD_DIAGNOSES)),
            procedure_titles=_coded(whole(D_ICD_PROCEDURES)),
            tallies={name: tally for name, tally in tallies.items() if name in files},
            expected_rows=RELEASES.get(found.version, {}),
            warnings=(f"ADMISSIONS: {orphans} admissions of subjects that PATIENTS lacks.",) if orphans else (),
        )


def about(folder: Path, rows: dict[str, int]) -> About:
    """What this folder holds: a made-up hospital says so itself, a release is known by its row counts."""
    told = _made_up(folder)
    if told is not None:
        return About(
            "mimic3", "made-up", str(told.get("title", "Made-up hospital")), str(told.get("licence", "CC0 1.0"))
        )
    version = release(rows)
    title = version or "a hospital in the MIMIC-III 1.4 layout"
    return About("mimic3", version or "1.4 layout", title, LICENCES.get(version or "", "unknown"))


def release(rows: dict[str, int]) -> str | None:
    """The release whose tables have these rows; None: no known one."""
    fits = (name for name, expected in RELEASES.items() if all(expected.get(t) == n for t, n in rows.items()))
    return next(fits, None)


def _made_up(folder: Path) -> dict[str, Any] | None:
    try:
        told = json.loads((folder / MADE_UP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _unique(frame: pl.DataFrame, key: str, file: Path) -> None:
    twice = int(frame[key].is_duplicated().sum())
    if twice:
        raise SchemaError(
            f"{file.name}: every {key} must occur once, but {twice} rows share theirs with another row; "
            f"remove the repeated rows."
        )


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


def _notes(raw: pl.DataFrame) -> pl.DataFrame:
    """A batch of NOTEEVENTS under canonical names; trailing blanks of `Physician ` are real and mean nothing."""
    return raw.with_columns(
        note_id=pl.col("note_seq").cast(pl.String),
        category=pl.col("category").str.strip_chars(),
        description=pl.col("description").str.strip_chars(),
        is_error=pl.col("iserror").str.strip_chars().is_in(["1", "1.0"]).fill_null(False),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _coded(raw: pl.DataFrame | None) -> pl.DataFrame | None:
    """ICD codes as text, because 0331 and 331 are two codes; the version beside them, because III has only ICD-9."""
    if raw is None:
        return None
    return raw.with_columns(icd_code=pl.col("icd_code").str.strip_chars(), icd_version=pl.lit(9, pl.Int64))
