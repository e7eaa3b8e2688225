"""Frames on disk: parquet with fixed settings, so that equal rows are equal bytes, and a full disk is a clear error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.errors import StoreError

ROW_GROUP: Final = 4096
"""Rows that a reader has in memory at once."""


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


def read_frame(file: Path) -> pl.DataFrame:
    """Read a frame of the store. Raises StoreError: it is gone or damaged; polars itself would quote cells."""
    try:
        return pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError):
        damaged = f"a file of the store must be as it was written, but {file} is not"
    raise StoreError(f"{damaged}; remove {file.parent} and run the command again.")


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
