"""MIMIC-IV 2.0 to 3.1 with MIMIC-IV-Note 2.2, as PhysioNet ships them (Johnson et al., 2023).

    hosp/  patients · admissions · diagnoses_icd · procedures_icd · d_icd_diagnoses · d_icd_procedures
    icu/   icustays · chartevents                       the second only where it is wanted
    note/  discharge · radiology                        a module of its own, not in the open demo

The open demo, a hospital's export in the same layout and the made-up hospital are read by the same contracts.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import polars as pl

from chartune.config import Unhashed
from chartune.errors import SchemaError
from chartune.notes.note import SCHEMA
from chartune.sources.coverage import CATEGORY
from chartune.sources.icu_stays import ICUSTAYS_4
from chartune.sources.mimic import Files, Mimic, Tallies
from chartune.sources.reading import header
from chartune.sources.releases import CREDENTIALED, Layout, Release
from chartune.sources.source import ANCIENT, RawPath
from chartune.sources.tables import Column, Table, Tally, find, holds, locate, nested
from chartune.sources.ventilation import OxygenJoin
from chartune.sources.ventilation.chart_rows import CHARTEVENTS_4
from chartune.sources.ventilation.mimic4 import episodes
from chartune.sources.years import as_written

_SUBJECT: Final = Column("subject_id", "integer", may_be_empty=False)
_ADMISSION: Final = Column("hadm_id", "integer", may_be_empty=False)
_VERSION: Final = Column("icd_version", "integer", may_be_empty=False)
_CODES: Final = (
    _SUBJECT,
    Column("hadm_id", "integer"),
    Column("seq_num", "integer"),
    Column("icd_code", "text"),
    _VERSION,
)
_TITLES: Final = (Column("icd_code", "text"), _VERSION, Column("long_title", "text"))
_NOTES: Final = (
    Column("note_id", "text", may_be_empty=False),
    _SUBJECT,
    Column("hadm_id", "integer"),
    Column("note_type", "text"),
    Column("note_seq", "integer", may_be_empty=False),
    Column("charttime", "time"),
    Column("storetime", "time", may_be_absent=True),
    Column("text", "text"),
)

PATIENTS: Final = Table(
    "patients",
    (
        _SUBJECT,
        Column("gender", "text"),
        Column("anchor_age", "integer"),
        Column("anchor_year", "integer"),
        Column("anchor_year_group", "text", may_be_absent=True),
        Column("dod", "date", may_be_absent=True),
    ),
    folder="hosp",
)
ADMISSIONS: Final = Table(
    "admissions",
    (
        _SUBJECT,
        _ADMISSION,
        Column("admittime", "time", may_be_empty=False),
        Column("dischtime", "time"),
        Column("deathtime", "time"),
        Column("admission_type", "text"),
        Column("admission_location", "text", may_be_absent=True),
        Column("discharge_location", "text", may_be_absent=True),
        Column("hospital_expire_flag", "integer"),
        Column("insurance", "text", may_be_absent=True),
        Column("language", "text", may_be_absent=True),
        Column("race", "text", may_be_absent=True),
    ),
    folder="hosp",
)
CODED: Final = (
    Table("diagnoses_icd", _CODES, required=False, folder="hosp"),
    Table("procedures_icd", _CODES, required=False, folder="hosp"),
    Table("d_icd_diagnoses", _TITLES, required=False, folder="hosp"),
    Table("d_icd_procedures", _TITLES, required=False, folder="hosp"),
)
NOTE: Final = (
    Table("discharge", _NOTES, required=False, folder="note"),
    Table("radiology", _NOTES, required=False, folder="note"),
)

_NOTE_ROWS: Final = {"discharge": 331_793, "radiology": 2_321_355}
_NOTE_ROWS_TOO: Final = {"discharge": (331_794,)}
"""What the page of MIMIC-IV-Note 2.2 says of its own files."""
LAYOUT: Final = Layout(
    "mimic4",
    "MIMIC-IV",
    "2.0 to 3.1 layout",
    (
        Release("MIMIC-IV 3.1", CREDENTIALED, {
            "patients": 364_627, "admissions": 546_028, "diagnoses_icd": 6_364_488, "procedures_icd": 859_655,
            "d_icd_diagnoses": 112_107, "d_icd_procedures": 86_423, "icustays": 94_458, "chartevents": 432_997_491,
            **_NOTE_ROWS,
        }, _NOTE_ROWS_TOO),
        Release("MIMIC-IV 2.2", CREDENTIALED, {
            "patients": 299_712, "admissions": 431_231, "diagnoses_icd": 4_756_326, "procedures_icd": 669_186,
            "d_icd_diagnoses": 109_775, "d_icd_procedures": 85_257, "icustays": 73_181, "chartevents": 313_645_063,
            **_NOTE_ROWS,
        }, _NOTE_ROWS_TOO),
        Release("MIMIC-IV demo 2.2", "ODbL 1.0", {
            "patients": 100, "admissions": 275, "diagnoses_icd": 4_506, "procedures_icd": 722,
            "d_icd_diagnoses": 109_775, "d_icd_procedures": 85_257, "icustays": 140,
        }),
    ),
    ("patients", "admissions", "diagnoses_icd", "procedures_icd", "icustays"),
)  # fmt: skip
"""The layout and the rows of its releases (validated counts of mimic-code; the demo counted from its files)."""

_KINDS: Final = {"discharge": "Discharge summary", "radiology": "Radiology"}
_DESCRIPTIONS: Final = {"DS": "Report", "AD": "Addendum", "RR": "Report", "AR": "Addendum"}
"""note_type → what MIMIC-III calls it."""
_OLDEST: Final = 89
"""Years above which the releases hide an age: anchor_age is then 91."""


def age_at(anchor_age: pl.Expr, anchor_year: pl.Expr, time: pl.Expr) -> pl.Expr:
    """Years, f64, exact to one: age in the anchor year and the years since then; `ANCIENT` above 89.

    Who is above 89 in the anchor year has the age 91 there, whatever the true one; that person counts as `ANCIENT` in
    all years. Null where the patient would not have been born.
    """
    years = (anchor_age + time.dt.year() - anchor_year).cast(pl.Float64)
    hidden = (anchor_age > _OLDEST) | (years > _OLDEST)
    return pl.when(hidden).then(ANCIENT).when(years < 0).then(None).otherwise(years)


class Mimic4(Mimic):
    """MIMIC-IV 2.0 to 3.1 with MIMIC-IV-Note 2.2, the demo, or any hospital's export in the same layout."""

    layout = LAYOUT
    chart = (CHARTEVENTS_4, ICUSTAYS_4)
    icd_versions = (9, 10)
    patients = PATIENTS
    admissions = ADMISSIONS
    coded = CODED
    icu_stays = ICUSTAYS_4
    note_tables = NOTE
    event_tables = (CHARTEVENTS_4,)
    folder_tables = (PATIENTS, ADMISSIONS, *CODED, ICUSTAYS_4)
    tables = (*folder_tables, *NOTE, *event_tables)
    beside = ("notes",)
    birth = ("anchor_age", "anchor_year")
    age = age_at(pl.col("anchor_age"), pl.col("anchor_year"), pl.col("admittime"))
    kind: Literal["mimic4"] = "mimic4"
    folder: RawPath
    """Where `hosp/` is."""
    notes: Annotated[RawPath | None, Unhashed()] = None
    """Where `note/` is, because it is a download of its own; null: beside `hosp/`."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with `hosp/`, itself or below that of a download."""
        return (path / "hosp").is_dir() or holds(path, "patients", "hosp") or holds(path, "admissions", "hosp")

    def files(self, events: bool = False) -> dict[str, Path]:
        """Table → raw file; the bedside events only where they are wanted.

        Raises:
            SchemaError: a required table is missing, two files could be one, or the folder is of another version.
        """
        refuse_first_version(self.folder)
        return super().files(events) | note_files(self.folder, self.notes)

    def _subjects(self, patients: pl.DataFrame) -> pl.DataFrame:
        known = patients.select("subject_id", "gender", "dod", "anchor_year_group", "anchor_year")
        return known.with_columns(as_written(pl.col("anchor_year_group")))

    def _canonical(self, raw: pl.DataFrame, table: Table, tally: Tally) -> pl.DataFrame:
        """Nobody withdraws notes in MIMIC-IV: it has no ISERROR.

        The file numbers the notes of a patient within each note_type; `note_seq` here is unique within the patient.
        """
        kind, category = pl.col("note_type").str.strip_chars(), _KINDS[table.name]
        place = kind.replace_strict({name: n for n, name in enumerate(_DESCRIPTIONS)}, default=0, return_dtype=pl.Int64)
        tally.add_kinds({category: raw.height})
        tally.reach(CATEGORY, raw.height, raw.filter(kind.is_in(list(_DESCRIPTIONS))).height)
        return raw.with_columns(
            note_id=pl.col("note_id").str.strip_chars(),
            note_seq=pl.col("note_seq") * len(_DESCRIPTIONS) + place,
            chartdate=pl.col("charttime").dt.date(),
            category=pl.lit(category),
            category_padded=pl.lit(False),
            description=kind.replace(_DESCRIPTIONS),
            is_error=pl.lit(False),
        ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())

    def _episodes(self, files: Files, tallies: Tallies, stays: pl.DataFrame) -> Mapping[OxygenJoin, pl.DataFrame]:
        return episodes(files, tallies, stays)

    def _without_notes(self, files: Files) -> tuple[str, ...]:
        """The warning that there are none, or none of one kind."""
        missing = [table.name for table in NOTE if table.name not in files]
        if len(missing) < len(NOTE):
            return tuple(f"{name}: the notes have no table {name}.csv.gz." for name in missing)
        return (
            "notes: there are none. MIMIC-IV-Note is a download of its own; put its folder note/ beside hosp/, or name "
            "it with `notes` (--set data.source.notes=…, for prepare source.notes=…). The open demo has none.",
        )


def note_files(folder: Path, notes: Path | None) -> dict[str, Path]:
    """The files of the note module: beside `hosp/`, or in a folder that is, holds or was downloaded with `note/`.

    Raises:
        SchemaError: two files could be one table, or the folder that was named for notes holds none.
    """
    if notes is None:
        return locate(folder, NOTE)
    inner = "note" if (notes / "note").is_dir() or nested(notes).is_dir() else ""
    located = {table.name: file for table in NOTE if (file := find(notes, table.name, inner))}
    if not located:
        raise SchemaError(
            f"`notes` must lead to MIMIC-IV-Note, but {notes} holds neither discharge.csv.gz nor radiology.csv.gz (nor "
            f"a folder note/ with them); give the folder of that download, or leave `notes` out."
        )
    return located


def is_hosp(folder: Path) -> bool:
    """Whether patients and admissions are those of MIMIC-IV, whose files have the same names as in MIMIC-III."""
    if folder.absolute().name == "hosp":
        return True
    with contextlib.suppress(SchemaError):  # a damaged table: its reader says so
        patients = find(folder, "patients")
        return patients is not None and "anchor_age" in (name.strip().lower() for name in header(patients))
    return False


def refuse_first_version(folder: Path) -> None:
    """Tell MIMIC-IV 0.x and 1.0 apart, which kept patients and admissions in `core/`.

    Raises:
        SchemaError: the folder is of that version.
    """
    if (folder / "core").is_dir() and find(folder, "patients", "hosp") is None:
        raise SchemaError(
            f"MIMIC-IV must be of version 2.0 or later, but {folder} keeps its patients in core/, as 0.x and 1.0 did; "
            f"their successors have more patients and mended tables: get the current version from PhysioNet."
        )
