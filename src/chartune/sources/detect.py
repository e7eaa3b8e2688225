"""Detection: which reader a path needs, and a remedy for layouts that look alike but are not read.

what a source recognises      → the first of `sources.kinds` that does (`Source.recognises`)
Synthea, OMOP, MEDS, MIMIC-IV 1.0, two releases in one folder   → an error that says what it is
any other folder              → an error that says what was looked for, what is there, and which folder to give
"""

import contextlib
from pathlib import Path
from typing import Final

from chartune.errors import DataError, SchemaError
from chartune.sources.formats import ENDINGS
from chartune.sources.kinds import SOURCES, source_class
from chartune.sources.mimic3 import SOME_OF
from chartune.sources.mimic4 import is_hosp, refuse_first_version
from chartune.sources.reading import header
from chartune.sources.tables import nested

_SYNTHEA: Final = ("patients", "encounters", "observations")
_OMOP: Final = ("person", "visit_occurrence", "condition_occurrence")
_SHOWN: Final = 8
"""Names of files that a message shows."""
_LOOKED_INTO: Final = 50
"""Folders that are looked into for what may be meant."""
_TABULAR: Final = "put the notes and what is asked of them into one file (text, subject_id, label) and give that"


def detect(path: Path) -> str:
    """The kind of the source that a path leads to.

    Raises:
        DataError: there is nothing, or something that no reader reads, or two releases at once.
    """
    try:
        return _kind(path)
    except PermissionError:
        raise SchemaError(f"raw data must be readable, but {path} is not; ask its owner for access.") from None


def _kind(path: Path) -> str:
    if path.is_dir():
        _refuse_other_layouts(path)
        refuse_first_version(path)
    elif not path.is_file():
        raise SchemaError(f"raw data must be a folder of tables or one file, but {path} is neither; correct the path.")
    kind = _recognised(path)
    if kind is None:
        raise SchemaError(_unknown(path))
    if kind == "mimic4":
        _refuse_mixture(path)
    return kind


def _recognised(path: Path) -> str | None:
    return next((kind for kind in SOURCES if source_class(kind).recognises(path)), None)


def _unknown(folder: Path) -> str:
    """What is said of a folder without a known layout: the known ones, what is there, and what to give instead."""
    names = sorted(
        f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir() if entry.name[0] != "."
    )
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    held = f"has {', '.join(names[:_SHOWN])}{more}" if names else "is empty"
    return (
        f"a folder of raw data must be laid out as MIMIC-III ({', '.join(SOME_OF)} as .csv.gz or .csv) or as MIMIC-IV "
        f"(hosp/ with patients and admissions, note/ with discharge), but {folder} {held}; {_remedy(folder, names)}."
    )


def _remedy(folder: Path, names: list[str]) -> str:
    near = _near(folder)
    if near is not None:
        return f"give {near}, which looks like one of these"
    if is_hosp(folder):
        return "its tables are those of MIMIC-IV: put them into a folder hosp/, and give the folder that holds hosp/"
    table = next((name for name in names if name.lower().endswith(ENDINGS)), None)
    if table:
        return f"if {table} is a table of your own notes, give {folder / table}; else the folder that holds such tables"
    return "give the folder that holds such tables, or one file of your own notes"


def _near(folder: Path) -> Path | None:
    """The folder above, or one of the first in it, if that has a known layout."""
    below = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    for place in (folder.absolute().parent, *below[:_LOOKED_INTO]):
        with contextlib.suppress(OSError):  # what may not be read is not what is meant
            if next(place.iterdir(), None) and _recognised(place):
                return place
    return None


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
