"""Frames on disk: parquet with fixed settings, so that equal rows are equal bytes, and a full disk is a clear error.

A pile is a file that frames are added to, and read from one by one: length, Arrow stream, length, ...
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import polars as pl

from chartune.errors import StoreError
from chartune.store import opened

T = TypeVar("T")
ROW_GROUP: Final = 4096
"""Rows that a reader has in memory at once."""
BLOCK: Final = 512
"""Texts that are worked on at once."""
_LENGTH: Final = 8
"""Bytes of a length, little-endian."""


def write_frame(frame: pl.DataFrame, file: Path) -> None:
    """Write a frame. Raises StoreError: the disk is full or the folder cannot be written."""
    _written(file, lambda: frame.write_parquet(file, compression="zstd", row_group_size=ROW_GROUP))


def write_joined(parts: list[Path], file: Path, only: pl.DataFrame | None = None) -> None:
    """Write the rows of several files one after the other, without holding them.

    Args:
        parts: files of one schema.
        file: gets their rows.
        only: keys; rows that have none of these stay out. None: all rows.

    Raises:
        StoreError: as `write_frame`.
    """
    whole = pl.scan_parquet(parts)
    if only is not None:
        whole = whole.join(only.lazy(), on=only.columns, how="semi", maintain_order="left")
    _written(file, lambda: whole.sink_parquet(file, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True))


def read_frame(file: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Read a frame of the store, or some columns. Raises StoreError: it is gone or damaged."""
    return guarded(file, lambda: pl.read_parquet(opened(file), columns=columns))


def guarded(file: Path, read: Callable[[], T]) -> T:
    """What `read` returns of a file of the store. Raises StoreError: it is gone or damaged; polars quotes cells."""
    try:
        return read()
    except (OSError, pl.exceptions.PolarsError):
        damaged = f"a file of the store must be as it was written, but {file} is not"
    raise StoreError(f"{damaged}; remove {file.parent} and run the command again.")


def add_frame(frame: pl.DataFrame, pile: Path) -> None:
    """Add a frame to a pile, which begins with the first. Raises StoreError: as `write_frame`."""
    block = io.BytesIO()
    frame.write_ipc_stream(block, compression="lz4")

    def write() -> None:
        with pile.open("ab") as file:
            file.write(block.tell().to_bytes(_LENGTH, "little"))
            file.write(block.getbuffer())

    _written(pile, write)


def read_pile(file: Path) -> Iterator[pl.DataFrame]:
    """The frames of a pile in order, one in memory at a time."""
    with file.open("rb") as pile:
        while length := pile.read(_LENGTH):
            yield pl.read_ipc_stream(pile.read(int.from_bytes(length, "little")))


def _written(file: Path, step: Callable[[], Any]) -> None:
    try:
        step()
    except (OSError, pl.exceptions.PolarsError) as error:
        full = "No space left" in str(error)
    else:
        return
    reason = "the disk is full" if full else "it was refused"
    raise StoreError(
        f"the store must be writable and have room, but writing {file.name} in {file.parent} failed: {reason}; "
        f"free some space or choose another store."
    )
