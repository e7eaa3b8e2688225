"""Rows of the chart aside on disk, by group of patients: rules need all rows of a stay, memory holds only a few stays.

    batch ─add─▶ ▒▒▒ some rows in memory ─▶ │0│3│1│0│2│… blocks of one nameless file ─groups─▶ all rows of group 0, 1, …

The file has no name: when the process ends, however it ends, nothing is left of it.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from typing import Final, Self

import polars as pl

from chartune.errors import StoreError

GROUPS: Final = 64
"""Groups of rows, by the id modulo this: few enough for large blocks, and many enough for small groups."""
_WAITING: Final = 100_000
"""Rows in memory before they are written: some megabytes, copies included."""


class RowsByPatient:
    """Rows added in any order, read back in groups that hold whole patients, or whole stays.

    Raises:
        StoreError: from every method: the folder of temporary files is full or cannot be written.
    """

    def __init__(self, key: str) -> None:
        """`key`: the column whose number decides; never null."""
        self._key = key
        self._opened = ExitStack()
        self._waiting: list[pl.DataFrame] = []
        self._blocks: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def __enter__(self) -> Self:
        with _room():
            self._file = self._opened.enter_context(tempfile.TemporaryFile())
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def add(self, rows: pl.DataFrame) -> None:
        """Keep these rows; all have the same columns."""
        self._waiting.append(rows)
        if sum(part.height for part in self._waiting) >= _WAITING:
            self._write()

    def groups(self) -> Iterator[pl.DataFrame]:
        """All rows, group by group; within a group in the order in which they came.

        Rows that memory holds at once are one group.
        """
        if not self._blocks:
            yield from [pl.concat(self._waiting)] if self._waiting else []
            return
        self._write()
        for _, blocks in sorted(self._blocks.items()):
            yield pl.concat([self._read(place, size) for place, size in blocks])

    def _write(self) -> None:
        if not self._waiting:
            return
        rows, self._waiting = pl.concat(self._waiting), []
        with _room():
            for (group,), part in rows.group_by(pl.col(self._key) % GROUPS, maintain_order=True):
                packed = BytesIO()
                part.write_ipc_stream(packed, compression="uncompressed")
                self._blocks[int(group)].append((self._file.tell(), self._file.write(packed.getbuffer())))
            self._file.flush()

    def _read(self, place: int, size: int) -> pl.DataFrame:
        with _room():
            self._file.seek(place)
            return pl.read_ipc_stream(BytesIO(self._file.read(size)))


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"rows of the bedside chart need room in the folder of temporary files, but writing in "
            f"{tempfile.tempdir or 'it'} failed: {error.strerror or type(error).__name__}; free some space, or set "
            f"TMPDIR to another folder."
        ) from error
