"""A raw table being written row by row, gzipped, the way PhysioNet writes it.

MIMIC-III   "ROW_ID","SUBJECT_ID","GENDER",…   header and text quoted; numbers and times bare; null empty
            1,10000,"F",2081-02-18 00:00:00,,
MIMIC-IV    subject_id,gender,anchor_age,…     quoted only where a comma, a quote or a line break asks for it
            10010000,F,52,2151,2011 - 2013,
"""

import gzip
import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Self

from chartune.store import sha256

Cell = str | int | float | date | None
"""A datetime is written with seconds, a date without a clock. Bytes that are no UTF-8 are surrogates in text."""

_LEVEL: Final = 4
"""Of gzip: two thirds of the time of the usual level for a tenth more bytes."""
_NEEDS_QUOTES: Final = re.compile('[,"\n\r]')


class TableFile:
    """One table being written; hashes what it holds."""

    def __init__(self, folder: Path, name: str, columns: Sequence[str], *, numbered: bool) -> None:
        """`numbered`: as in MIMIC-III: the first column numbers the rows from 1, and all text is quoted."""
        self.name = name
        self.path = folder / f"{name}.csv.gz"
        self.rows = 0
        self._columns = columns
        self._numbered = numbered
        self._quote: Callable[[str], str] = _quoted if numbered else _quoted_if_needed
        self._content = hashlib.sha256()
        self._bytes = 0
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        raw = self._opened.enter_context(self.path.open("wb"))
        # Neither name nor time in the header: the same content makes the same file.
        self._file = self._opened.enter_context(
            gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0)
        )
        self._put(",".join(map(self._quote, self._columns)))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def write(self, cells: Sequence[Cell]) -> None:
        """Append a row; where rows are numbered the cells begin with the second column."""
        self.rows += 1
        line = ",".join([self._cell(cell) for cell in cells])
        self._put(f"{self.rows},{line}" if self._numbered else line)

    def about(self) -> dict[str, Any]:
        """For the manifest, once closed: file, rows, bytes and SHA-256 as it lies and of the content unpacked."""
        return {
            "file": f"{self.name}.csv.gz",
            "rows": self.rows,
            "bytes": self.path.stat().st_size,
            "sha256": sha256(self.path),
            "content_bytes": self._bytes,
            "content_sha256": self._content.hexdigest(),
        }

    def _put(self, line: str) -> None:
        data = f"{line}\n".encode(errors="surrogateescape")
        self._bytes += len(data)
        self._content.update(data)
        self._file.write(data)

    def _cell(self, cell: Cell) -> str:
        if cell is None:
            return ""
        if isinstance(cell, str):
            return self._quote(cell)
        if isinstance(cell, datetime):
            return cell.isoformat(" ", "seconds")
        return f"{cell:.10g}" if isinstance(cell, float) else str(cell)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _quoted_if_needed(text: str) -> str:
    return _quoted(text) if _NEEDS_QUOTES.search(text) else text
