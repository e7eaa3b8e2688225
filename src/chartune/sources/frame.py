"""A frame of one's own as a table: its columns, written once as the CSV file that anybody would export from it.

polars, pandas (2.2 or newer), pyarrow ─Arrow─▶ the columns that are read, as text ─▶ STORE/frames/<SHA-256>/notes.csv

The same content gives the same bytes, whatever held it, and so the same prepared data as that file.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.errors import SchemaError
from chartune.sources.formats import as_text
from chartune.store import Store, write_bytes

SHELF: Final = "frames"
FILE: Final = "notes.csv"
DIGITS: Final = 16
"""Hexadecimal digits of the hash that names it."""


def is_frame(value: object) -> bool:
    """Whether a value is a table in memory: it gives its columns as Arrow has them."""
    return isinstance(value, pl.LazyFrame) or hasattr(value, "__arrow_c_stream__")


def kept_frame(frame: Any, columns: Sequence[str], store: Store) -> Path:
    """The file of a frame in the store, for its owner alone; made if it is not there.

    Args:
        frame: as `is_frame`.
        columns: those that are read.
        store: keeps it as long as prepared data are made from it.

    Raises:
        SchemaError: a column is missing, or holds objects or times with a zone.
    """
    block = io.BytesIO()
    _plain(frame, columns).write_csv(block)
    content = block.getvalue()
    name = hashlib.sha256(content).hexdigest()[:DIGITS]
    about = {"sensitivity": "restricted"}
    return store.obtain(SHELF, name, lambda folder: write_bytes(folder / FILE, content), about).file(FILE)


def _plain(frame: Any, columns: Sequence[str]) -> pl.DataFrame:
    """The columns as text; whole numbers without `.0`, which a column has where a number is missing."""
    held = frame.collect() if isinstance(frame, pl.LazyFrame) else pl.DataFrame(frame)
    missing = [name for name in columns if name not in held.columns]
    if missing:
        raise SchemaError(
            f"the frame must have the columns {', '.join(missing)}, but has {len(held.columns)} others; say what its "
            f"columns are called with text=, label=, patient=, id= and time= (None: there is none)."
        )
    return pl.DataFrame([as_text(Path("the frame"), _whole(held[name])) for name in dict.fromkeys(columns)])


def _whole(cells: pl.Series) -> pl.Series:
    if not cells.dtype.is_float():
        return cells
    known = cells.fill_nan(None)
    return known.cast(pl.Int64) if bool((known.drop_nulls() % 1 == 0).all()) else known
