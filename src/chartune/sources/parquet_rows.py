"""The rows of a Parquet file, some thousand at a time, however large its row groups are: many writers make one of all.

file ─pages of some columns─▶ batches of rows, each checked to be letters ─▶ polars
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

_READ_AT_ONCE: Final = 1 << 20
"""Bytes of a column that are read from the file at once; without this, those of its whole row group."""


def parquet_rows(file: Path, columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
    """The rows in order, these columns, at most `size` in a frame.

    Raises:
        ArrowException, PolarsError, OSError, UnicodeDecodeError: the file is damaged; the message may quote a cell.
    """
    read = 0
    with pa.OSFile(str(file)) as handle:
        opened: Any = pq.ParquetFile(
            handle, buffer_size=_READ_AT_ONCE, pre_buffer=False, page_checksum_verification=True
        )
        for batch in opened.iter_batches(size, columns=list(columns), use_threads=False):
            batch.validate(full=True)  # polars takes the bytes of a text for UTF-8 and does not look
            yield pl.DataFrame([_series(name, batch.column(name)) for name in columns])
            read += batch.num_rows
        if read != opened.metadata.num_rows:
            raise pa.ArrowInvalid("the footer counts other rows than its row groups")


def _series(name: str, cells: Any) -> pl.Series:
    """A column. What it means, such as JSON, polars need not know."""
    return pl.Series(name, pl.from_arrow(cells.storage if isinstance(cells, pa.ExtensionArray) else cells))
