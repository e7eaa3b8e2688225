"""Cells that other programs have written in their own way: marks for nothing, texts cut by Excel, letters lost.

A mark is null where the dialect says so. Where nobody has said, it is refused by count or counted, as the contract
wants it: `None` may be a class.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from chartune.errors import SchemaError
from chartune.sources.dialect import NEVER_VALUES, NULL_MARKS
from chartune.sources.tables import EXCEL_CELL, Table, Tally, marked

REPLACEMENT: Final = "\ufffd"
"""Stands where bytes were no letters of the encoding."""
_LONGEST_MARK: Final = max(map(len, NULL_MARKS))


def without_marks(raw: pl.DataFrame, marks: Sequence[str]) -> pl.DataFrame:
    """Text cells of which those that hold one of these marks, blanks apart, are null."""
    if not marks:
        return raw
    cells = pl.col(pl.String)
    return raw.with_columns(pl.when(~cells.str.strip_chars().is_in(list(marks))).then(cells).name.keep())


def count_strange(raw: pl.DataFrame, table: Table, tally: Tally) -> None:
    """Count marks for nothing and cut texts; of tables that are mostly about something else nothing is looked at."""
    if table.rows is not None:
        return
    marks = {"refused": list(NULL_MARKS), "counted": list(NEVER_VALUES), "kept": []}[table.marks]
    for column in table.columns:
        if column.kind != "text" or column.raw not in raw.columns:
            continue
        cells = raw[column.raw]
        length = cells.str.len_bytes()
        tally.cut += int((cells.filter(length >= EXCEL_CELL).str.len_chars() == EXCEL_CELL).sum())
        short = cells.filter(length <= _LONGEST_MARK + 2).str.strip_chars()
        for mark, count in short.filter(short.is_in(marks)).value_counts().iter_rows():
            counts = tally.marks.setdefault(column.raw, {})
            counts[mark] = counts.get(mark, 0) + count


def refuse_strange(file: Path, table: Table, tally: Tally) -> None:
    """Refuse marks that nobody has explained, and a file most of whose rows have lost letters.

    Raises:
        SchemaError: with counts; a mark of the fixed list is named, no other cell is.
    """
    if tally.marks and table.marks == "refused":
        listed = "; ".join(f"{column}: {marked(counts)}" for column, counts in tally.marks.items())
        example = ",".join(sorted({mark for counts in tally.marks.values() for mark in counts}))
        raise SchemaError(
            f"{file.name}: a cell must hold a value or be empty, but programs write some words where nothing is known, "
            f"and nobody has said whether these are meant so ({listed}); say which mean nothing, --null-marks "
            f"'{example}', or --null-marks '' where they are values (the field `null_marks` of the source)."
        )
    if tally.damaged_rows * 2 > tally.rows:
        raise SchemaError(
            f"{file.name} must be {table.dialect.encoding.upper()}, but bytes of {tally.damaged_rows} of its "
            f"{tally.rows} rows are none, first in data row {tally.first_replaced}; export it again as UTF-8, or, of a "
            f"table of your own, say which `encoding` it has (--set data.source.encoding=…, for prepare "
            f"source.encoding=…)."
        )
