"""Reading raw tables in batches, with every cell checked.

    NOTEEVENTS.csv.gz ─formats.batches─▶ text cells ─_typed─▶ frames of some thousand rows
                                               └─ a bad cell: SchemaError with file, column and row, never the cell
    CHARTEVENTS.csv.gz ─formats.some_columns─▶ text cells ─`Table.rows`─▶ the few that are wanted ─_typed─▶ frames

Nothing is inferred: every column is read as text and cast as its contract says, because a guess turns the ICD code
"0331" into 331. Memory stays flat at any file size. Parser exceptions quote cells, that is patients' words; they end in
`sanitised` and nowhere else.
"""

import difflib
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import polars as pl

from chartune.errors import SchemaError
from chartune.sources import formats
from chartune.sources.formats import ROW
from chartune.sources.tables import DTYPES, Column, Table, Tally

T = TypeVar("T")
BATCH_ROWS: Final = 4096
"""Rows of a batch: ten megabytes of notes, tens of the longest."""
EVENT_ROWS: Final = 100_000
"""Rows that are looked at together in a table of which some are read; its cells are short."""
EVENT_BATCHES: Final = 8
"""So many times `EVENT_ROWS` are looked at for one batch of those that are read: work on few rows costs as on many."""
REPLACEMENT: Final = "\ufffd"
"""Stands where bytes were not UTF-8."""
COLUMN_NAME: Final = re.compile(r"[A-Za-z]\w{0,40}")
"""What may be shown of a header: a file without one begins with somebody's data."""
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
_NO_PARQUET: Final = "it is damaged, or no Parquet at all; write it again"
_NO_TABLE: Final = (
    "it is not a well-formed table (a quote that is never closed, a row with too many fields, bytes that are no text); "
    "use the file as released, or export it again with every text in double quotes"
)
_EXPECTED: Final = {
    "integer": "a whole number",
    "text": "text",
    "time": "a time such as 2150-01-31 13:05:00",
    "date": "a date such as 2150-01-31",
}


@dataclass
class _Bad:
    """Cells of one column that break its contract."""

    cells: int = 0
    first: int = 0
    hint: str = ""


def batches(
    file: Path, table: Table, tally: Tally, size: int = BATCH_ROWS, most: int | None = None
) -> Iterator[pl.DataFrame]:
    """The table in typed batches, canonical columns in contract order, rows in file order.

    Args:
        file: of the table.
        table: its contract.
        tally: gets what is counted.
        size: rows of a batch, where all rows are read.
        most: batches that are read; None: all.

    Raises:
        SchemaError: the file is damaged, a column is missing, or cells break the contract. The whole file is read
            before the refusal, so that it counts every bad cell.
    """
    names = columns_of(file, table)
    bad: dict[str, _Bad] = {}
    for raw in islice(_wanted_rows(file, names, table, tally, size), most):
        _count_replaced(raw, table, tally)
        typed = _typed(raw, table, bad)
        if not bad:
            yield typed
    if bad:
        raise SchemaError(
            "\n".join(
                _refusal(file, names, column, bad, table.otherwise) for column in table.columns if column.raw in bad
            )
        )


def read(file: Path, table: Table, tally: Tally) -> pl.DataFrame:
    """The whole table in memory, for tables that are small at any hospital. Raises SchemaError as `batches`."""
    return pl.concat([pl.DataFrame(schema=table.schema()), *batches(file, table, tally)])


def keyed(file: Path, table: Table, tally: Tally, key: str) -> pl.DataFrame:
    """A whole table that must have rows, each with a key of its own.

    Raises:
        SchemaError: as `batches`, or the table has no rows, or a key occurs twice.
    """
    frame = read(file, table, tally)
    if frame.is_empty():
        raise SchemaError(f"{file.name} must have rows, but it has a header line and nothing below; {table.otherwise}.")
    return each_once(frame, key, file)


def each_once(frame: pl.DataFrame, key: str, file: Path) -> pl.DataFrame:
    """The frame itself. Raises SchemaError: a key occurs twice."""
    twice = int(frame[key].is_duplicated().sum())
    if twice:
        raise SchemaError(
            f"{file.name}: every {key} must occur once, but {twice} rows share theirs with another row; "
            f"remove the repeated rows."
        )
    return frame


def columns_of(file: Path, table: Table) -> dict[str, str]:
    """Raw column of the contract → its name in this file, for all that are there.

    Raises:
        SchemaError: a required column is missing or stands there twice.
    """
    names = header(file)
    found: dict[str, str] = {}
    for column in table.columns:
        same = [name for name in names if name.strip().lower() == column.raw.lower()]
        if len(same) > 1:
            raise SchemaError(
                f"{file.name} must have one column {column.raw}, but has {len(same)}; remove all but one."
            )
        if same:
            found[column.raw] = same[0]
    missing = [c.raw for c in table.columns if c.raw not in found and not c.may_be_absent]
    if missing:
        raise SchemaError(
            f"{file.name} must have the columns {', '.join(missing)}, but its first line does not name them "
            f"({len(names)} columns, {len(found)} known); {_what_helps(missing, names, len(found), table)}."
        )
    return found


def nearest(wanted: str, names: list[str]) -> str | None:
    """The name of a header that looks most like the wanted one; None: nothing is near."""
    lower = {name.strip().lower(): name.strip() for name in names if COLUMN_NAME.fullmatch(name.strip())}
    alike = difflib.get_close_matches(wanted.lower(), lower, n=1, cutoff=0.6)
    parts = [name for name in lower if len(name) > 3 and (wanted.lower() in name or name in wanted.lower())]
    return next((lower[name] for name in [*alike, *parts]), None)


def _what_helps(missing: list[str], names: list[str], known: int, table: Table) -> str:
    for sign, word in _SEPARATORS.items():
        if {part.strip(' "').lower() for part in names[0].split(sign)} & {name.lower() for name in missing}:
            return f"it is separated by {word}; export it with commas"
    # Without a header line the names are the first patient's cells: they are told only where one of them is known.
    near = {name: found for name in missing if known and (found := nearest(name, names))}
    told = ", ".join(f"{found} for {name}" for name, found in near.items())
    return (table.renamed or f"{table.otherwise}, with its header line") + (f" (did you mean {told}?)" if told else "")


def header(file: Path) -> list[str]:
    """The names of the columns.

    Raises:
        SchemaError: the file is empty, is not what its ending says, or cannot be read.
    """
    sanitised(file, lambda: formats.check(file))
    return sanitised(file, lambda: formats.names(file))


def sanitised(file: Path, step: Callable[[], T]) -> T:
    """`step()`, with whatever the parser or the operating system says turned into an error that quotes no cell.

    The new error is raised when the old one is gone: not even its `__context__` holds a patient's words.

    Raises:
        SchemaError: the file cannot be read, is damaged or is not a table.
    """
    try:
        return step()
    except FileNotFoundError:
        reason = "it is gone; put it back"
    except PermissionError:
        reason = "this user may not read it; change its permissions"
    except (OSError, EOFError, zlib.error):
        reason = "it is damaged or cut off; compare its SHA-256 with SHA256SUMS.txt and get it again"
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        reason = _NO_PARQUET if formats.ending(file) == ".parquet" else _NO_TABLE
    raise SchemaError(f"{file.name} must be readable as {formats.ending(file)[1:].upper()}, but {reason}.")


def _wanted_rows(file: Path, names: dict[str, str], table: Table, tally: Tally, size: int) -> Iterator[pl.DataFrame]:
    """Text cells of the rows that the contract reads; all rows are counted."""
    columns, wanted = list(dict.fromkeys(names.values())), table.rows
    if wanted is None:
        yield from _counted(_raw_batches(file, names, formats.batches(file, columns, size)), tally)
        return
    chosen = pl.col(wanted.column).is_in(wanted.cells)
    every = _counted(_raw_batches(file, names, formats.some_columns(file, columns, EVENT_ROWS)), tally)
    few = (rows.filter(chosen) for rows in every)
    while some := list(islice(few, EVENT_BATCHES)):
        yield pl.concat(some)


def _counted(stream: Iterator[pl.DataFrame], tally: Tally) -> Iterator[pl.DataFrame]:
    """The batches without their blank lines."""
    for raw in stream:
        filled = _without_blank_lines(raw)
        tally.rows += filled.height
        tally.blank_lines += raw.height - filled.height
        yield filled


def _count_replaced(raw: pl.DataFrame, table: Table, tally: Tally) -> None:
    """Count the cells in which bytes were not UTF-8, and keep the row of the first."""
    for column in table.columns:
        if column.kind == "text" and column.raw in raw.columns:
            hit = raw[column.raw].str.contains(REPLACEMENT, literal=True).fill_null(False)
            if count := int(hit.sum()):
                first = int(raw[ROW].filter(hit)[0])
                tally.first_replaced = min(tally.first_replaced or first, first)
                tally.replaced += count


def _without_blank_lines(raw: pl.DataFrame) -> pl.DataFrame:
    if any(not cells.has_nulls() for cells in raw.drop(ROW)):  # the usual case costs no look at each row
        return raw
    return raw.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))


def _raw_batches(file: Path, names: dict[str, str], stream: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Batches of text cells under the raw names of the contract, with the row's number."""
    while (batch := sanitised(file, lambda: next(stream, None))) is not None:
        yield batch.select(ROW, *(pl.col(found).alias(raw) for raw, found in names.items()))


def _typed(raw: pl.DataFrame, table: Table, bad: dict[str, _Bad]) -> pl.DataFrame:
    """The batch cast as the contract says; cells that cannot be are added to `bad`."""
    casts = {column: _cast(column, raw) for column in table.columns}
    for column, values in casts.items():
        cells = raw[column.raw] if column.raw in raw.columns else None
        if cells is None or (column.kind == "text" and column.may_be_empty) or not values.has_nulls():
            continue
        wrong = values.is_null() if not column.may_be_empty else values.is_null() & (cells.fill_null("") != "")
        if wrong.any():
            seen = bad.setdefault(
                column.raw, _Bad(first=int(raw[ROW].filter(wrong)[0]), hint=_hint(cells.filter(wrong)))
            )
            seen.cells += int(wrong.sum())
    return pl.DataFrame([values.alias(column.canonical) for column, values in casts.items()])


def _cast(column: Column, raw: pl.DataFrame) -> pl.Series:
    if column.raw not in raw.columns:
        return pl.Series([None] * raw.height, dtype=DTYPES[column.kind])
    cells = raw[column.raw]
    match column.kind:
        case "integer":
            return _as_integer(cells)
        case "time":
            return _as_time(cells)
        case "date":
            return _as_time(cells).dt.date()
        case "text":
            return cells


def _as_integer(cells: pl.Series) -> pl.Series:
    """Whole numbers; pandas writes a nullable hadm_id as 167853.0."""
    plain = cells.cast(pl.Int64, strict=False)
    if plain.null_count() == cells.null_count():
        return plain
    return cells.str.strip_chars(" ").str.strip_suffix(".0").cast(pl.Int64, strict=False)


def _as_time(cells: pl.Series) -> pl.Series:
    """Times to the second, or midnight of a bare date; anything else is null: a guess could be a century wrong."""
    plain = cells.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    if plain.null_count() == cells.null_count():
        return plain
    day = cells.str.len_bytes() == 10
    full = pl.select(pl.when(day).then(cells + pl.lit(" 00:00:00")).otherwise(cells)).to_series()
    return full.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")


def _hint(cells: pl.Series) -> str:
    return "spreadsheet" if cells.str.contains(r"^\d{1,2}[/.]\d{1,2}[/.]\d\d").any() else ""


def _refusal(file: Path, names: dict[str, str], column: Column, bad: dict[str, _Bad], otherwise: str) -> str:
    found = bad[column.raw]
    law = f"{file.name}: every cell of {names[column.raw]} must be {_EXPECTED[column.kind]}"
    law += " or empty" if column.may_be_empty else " and not empty" if column.kind == "text" else ""
    place = f"but {found.cells} {'is' if found.cells == 1 else 'are'} not, first in data row {found.first}"
    way_out = (
        f"they look saved by a spreadsheet, which may lose the century; {otherwise}."
        if found.hint == "spreadsheet" and column.kind in ("time", "date")
        else f"correct those rows, or {otherwise}."
    )
    return f"{law}, {place}; {way_out}"
