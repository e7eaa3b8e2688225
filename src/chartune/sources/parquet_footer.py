"""The footer of a Parquet file: what it tells of the length of cells before any of them is read.

A row group tells of each column how many values and bytes it has, and mostly its least and its greatest value. So a
file with a cell that would fill the memory is refused unread where one of these is too long, or where the average is.
What the footer does not tell, whoever reads the rows sees.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from chartune.sources.dialect import Dialect
from chartune.sources.whole_rows import refuse_long

_COPIES: Final = 4
"""Times that the bytes of a column hold a value at most: in its page, in the dictionary, and in the head of its page as
the least and the greatest."""
_HEAD: Final = 4096
"""Bytes of the heads of a page and of a dictionary, their values apart."""


def refuse_long_values(file: Path, columns: Sequence[str], dialect: Dialect) -> None:
    """See to it that the footer tells of no cell that is longer than a cell, or than a row, may be.

    Args:
        file: Parquet; if its footer cannot be read, nothing is refused here.
        columns: that are read.
        dialect: how long they may be.

    Raises:
        SchemaError: a cell is too long.
    """
    longest = 0
    with contextlib.suppress(pa.ArrowException, OSError):
        longest = max((_longest(chunk) for chunk in _chunks(file, set(columns))), default=0)
    refuse_long(file, longest, dialect.longest_cell, "cell")
    refuse_long(file, longest, dialect.longest_row)


def _chunks(file: Path, columns: set[str]) -> Iterator[Any]:
    """The columns of each row group."""
    footer: Any = pq.read_metadata(file)
    groups = (footer.row_group(group) for group in range(footer.num_row_groups))
    every = (group.column(place) for group in groups for place in range(group.num_columns))
    return (chunk for chunk in every if any(f"{chunk.path_in_schema}.".startswith(f"{name}.") for name in columns))


def _longest(chunk: Any) -> int:
    """Bytes of which a column of a row group surely has a cell."""
    if chunk.physical_type != "BYTE_ARRAY":
        return 0
    average: int = (chunk.total_uncompressed_size - _HEAD) // (_COPIES * max(chunk.num_values, 1))
    known = chunk.statistics
    ends = (known.min_raw, known.max_raw) if known is not None and known.has_min_max else ()
    return max(average, *(len(end) for end in ends), 0)
