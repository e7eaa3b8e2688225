"""Detection: which reader a path needs, and a way out for layouts that look alike but are not read.

a file                        → tabular
a folder with hosp/           → mimic4
any other folder              → mimic3
Synthea, OMOP, MEDS, MIMIC-IV 1.0, two releases in one folder   → an error that says what it is
"""

from pathlib import Path
from typing import Final, Literal

from chartune.errors import DataError, SchemaError
from chartune.sources.mimic4 import refuse_first_version
from chartune.sources.reading import header
from chartune.sources.tables import find, nested

Kind = Literal["mimic3", "mimic4", "tabular"]

_SYNTHEA: Final = ("patients", "encounters", "observations")
_OMOP: Final = ("person", "visit_occurrence", "condition_occurrence")
_TABULAR: Final = "put the notes and what is asked of them into one file (text, subject_id, label) and give that"


def detect(path: Path) -> Kind:
    """The kind of the source that a path leads to.

    Raises:
        DataError: there is nothing, or something that no reader reads, or two releases at once.
    """
    try:
        return _kind(path)
    except PermissionError:
        raise SchemaError(f"raw data must be readable, but {path} is not; ask its owner for access.") from None


def _kind(path: Path) -> Kind:
    if path.is_file():
        return "tabular"
    if not path.is_dir():
        raise SchemaError(f"raw data must be a folder of tables or one file, but {path} is neither; correct the path.")
    _refuse_other_layouts(path)
    refuse_first_version(path)
    if find(path, "patients", "hosp") is None and find(path, "admissions", "hosp") is None:
        return "mimic4" if (path / "hosp").is_dir() else "mimic3"
    _refuse_mixture(path)
    return "mimic4"


def _refuse_mixture(folder: Path) -> None:
    # Below physionet.org/files every release has its own folder, and that of MIMIC-III is flat.
    below = nested(folder).rglob("*") if nested(folder).is_dir() else ()
    files = [file for file in [*folder.iterdir(), *below] if file.parent.name not in ("hosp", "icu", "note")]
    admissions = [file for file in files if file.name.lower() in ("admissions.csv", "admissions.csv.gz")]
    if any("row_id" in (name.lower() for name in header(file)) for file in admissions):
        raise DataError(
            f"a folder must hold one release, but {folder} holds MIMIC-IV (hosp/) and MIMIC-III (ADMISSIONS with "
            f"ROW_ID); say which is meant (--source mimic4, or mimic3), or move one of them into a folder of its own."
        )


def _refuse_other_layouts(folder: Path) -> None:
    place = next((folder / name for name in ("csv", "output") if (folder / name).is_dir()), folder)
    if _has(place, _SYNTHEA) or _has(folder, _SYNTHEA):
        raise DataError(
            f"{folder} is an export of Synthea (patients, encounters, observations): its patients are simulated and it "
            f"has no notes, so there is no text to learn from; {_TABULAR}, or make a hospital with `chartune "
            f"make-hospital`."
        )
    if _has(folder, _OMOP):
        raise DataError(
            f"{folder} is in the OMOP layout (person, visit_occurrence, ...), which is not read yet; {_TABULAR}."
        )
    if (folder / "metadata" / "codes.parquet").is_file():
        raise DataError(f"{folder} is in the MEDS layout (metadata/codes.parquet), which is not read yet; {_TABULAR}.")


def _has(folder: Path, tables: tuple[str, ...]) -> bool:
    endings = (".csv", ".csv.gz", ".parquet")
    names = {file.name.lower() for file in folder.iterdir()}
    return all(any(f"{table}{ending}" in names for ending in endings) for table in tables)
