"""MIMIC-III v1.4 as PhysioNet ships it: a flat folder of TABLE.csv.gz, written row by row.

    "ROW_ID","SUBJECT_ID","GENDER","DOB","DOD",…         header upper-case and quoted
    1,10000,"F",2081-02-18 00:00:00,,…                   text quoted, numbers and times bare, null empty

Columns and quoting as in the release (Johnson et al., 2016, doi:10.13026/C2XW26). Times are naive: they were shifted.
"""

import gzip
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Self

from chartune.store import sha256

# fmt: off
COLUMNS: Final = {
    "PATIENTS": ("ROW_ID", "SUBJECT_ID", "GENDER", "DOB", "DOD", "DOD_HOSP", "DOD_SSN", "EXPIRE_FLAG"),
    "ADMISSIONS": (
        "ROW_ID", "SUBJECT_ID", "HADM_ID", "ADMITTIME", "DISCHTIME", "DEATHTIME", "ADMISSION_TYPE",
        "ADMISSION_LOCATION", "DISCHARGE_LOCATION", "INSURANCE", "LANGUAGE", "RELIGION", "MARITAL_STATUS",
        "ETHNICITY", "EDREGTIME", "EDOUTTIME", "DIAGNOSIS", "HOSPITAL_EXPIRE_FLAG", "HAS_CHARTEVENTS_DATA",
    ),
    "NOTEEVENTS": (
        "ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY", "DESCRIPTION",
        "CGID", "ISERROR", "TEXT",
    ),
    "DIAGNOSES_ICD": ("ROW_ID", "SUBJECT_ID", "HADM_ID", "SEQ_NUM", "ICD9_CODE"),
    "D_ICD_DIAGNOSES": ("ROW_ID", "ICD9_CODE", "SHORT_TITLE", "LONG_TITLE"),
    "D_ICD_PROCEDURES": ("ROW_ID", "ICD9_CODE", "SHORT_TITLE", "LONG_TITLE"),
}
"""Table → its columns in file order."""
# fmt: on

Cell = str | int | date | None
"""Text is quoted; a datetime is written with seconds, a date without a clock."""

_LEVEL: Final = 4
"""Of gzip: two thirds of the time of the usual level for a tenth more bytes."""


class TableFile:
    """One table being written; numbers its rows and hashes what it holds."""

    def __init__(self, folder: Path, table: str) -> None:
        self.table = table
        self.rows = 0
        self.path = folder / f"{table}.csv.gz"
        self._content = hashlib.sha256()
        self._bytes = 0
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        raw = self._opened.enter_context(self.path.open("wb"))
        # Neither name nor time in the header: the same content makes the same file.
        self._file = self._opened.enter_context(
            gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0)
        )
        self._put(",".join(f'"{column}"' for column in COLUMNS[self.table]))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def write(self, cells: Sequence[Cell]) -> None:
        """Append a row; ROW_ID is set here, from 1."""
        self.rows += 1
        self._put(f"{self.rows}," + ",".join([_cell(cell) for cell in cells]))

    def about(self) -> dict[str, Any]:
        """For the manifest, once closed: file, rows, bytes and SHA-256 as it lies and of the content unpacked."""
        return {
            "file": self.path.name,
            "rows": self.rows,
            "bytes": self.path.stat().st_size,
            "sha256": sha256(self.path),
            "content_bytes": self._bytes,
            "content_sha256": self._content.hexdigest(),
        }

    def _put(self, line: str) -> None:
        data = f"{line}\n".encode()
        self._bytes += len(data)
        self._content.update(data)
        self._file.write(data)


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return '"' + cell.replace('"', '""') + '"'
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    return str(cell)
