"""Reading raw tables in batches, with every cell checked.

    NOTEEVENTS.csv.gz ─formats.batches─▶ text cells ─typed─▶ frames of some thousand rows
                                               └─ a bad cell: SchemaError with file, column and row, never the cell
    CHARTEVENTS.csv.gz ─formats.some_columns─▶ text cells ─`Table.rows`─▶ the few that are wanted ─typed─▶ frames

Nothing is inferred: every column is read as text and cast as its contract says, because a guess turns the ICD code
"0331" into 331. Memory stays flat at any file size. Parser exceptions quote cells, that is patients' words; they end in
`sanitised` and nowhere else.
"""

import difflib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar, get_args

import polars as pl
import pyarrow as pa

from chartune.errors import SchemaError
from chartune.sources import formats
from chartune.sources.cells import Bad, refusal, typed
from chartune.sources.dialect import PLAIN, Delimiter, Dialect
from chartune.sources.formats import ROW
from chartune.sources.strange import REPLACEMENT, count_strange, refuse_strange, without_marks
from chartune.sources.tables import Table, Tally

T = TypeVar("T")
BATCH_ROWS: Final = 4096
"""Rows of a batch: ten megabytes of notes, tens of the longest."""
EVENT_ROWS: Final = 100_000
"""Rows that are looked at together in a table of which some are read; its cells are short."""
EVENT_BATCHES: Final = 8
"""So many times `EVENT_ROWS` are looked at for one batch of those that are read: work on few rows costs as on many."""
COLUMN_NAME: Final = re.compile(r"[A-Za-z]\w{0,40}")
"""What may be shown of a header: a file without one begins with somebody's data."""
_SHOWN: Final = 12
"""Names of columns that a message shows."""
_SEPARATORS: Final = {
    ";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas", "^": "circumflexes", "~": "tildes", ":": "colons",
    "\x01": "control characters", "¦": "broken bars", "§": "paragraph signs",
}  # fmt: skip
_NO_PARQUET: Final = "it is damaged, or no Parquet at all; write it again"
_NO_TABLE: Final = (
    "it is not a well-formed table (a quote that is never closed, a row with too many fields, bytes that are no text); "
    "use the file as released, or export it again with every text in double quotes"
)


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
    bad: dict[str, Bad] = {}
    for raw in islice(_wanted_rows(file, names, table, tally, size), most):
        _count_replaced(raw, table, tally)
        count_strange(raw, table, tally)
        cast = typed(raw, table, bad)
        if not bad:
            yield cast
    if bad:
        raise SchemaError(
            "\n".join(
                refusal(file, names, column, bad, table.otherwise) for column in table.columns if column.raw in bad
            )
        )
    refuse_strange(file, table, tally)


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
    names = header(file, table.dialect)
    known: dict[str, str] = {}
    for column in table.columns:
        same = [name for name in names if name.strip().lower() == column.raw.lower()]
        if len(same) > 1:
            raise SchemaError(
                f"{file.name} must have one column {column.raw}, but has {len(same)}; remove all but one."
            )
        if same:
            known[column.raw] = same[0]
    missing = [c.raw for c in table.columns if c.raw not in known and not c.may_be_absent]
    if missing:
        where = "they are not among its keys" if formats.has_keys(file) else "its first line does not name them"
        raise SchemaError(
            f"{file.name} must have the columns {', '.join(missing)}, but {where} ({_seen(file, names, len(known))}); "
            f"{_what_helps(file, missing, names, len(known), table)}."
        )
    return known


def _seen(file: Path, names: list[str], known: int) -> str:
    """How many columns a file has; which, where its format tells names and cells apart."""
    shown = [name for name in names if COLUMN_NAME.fullmatch(name)][:_SHOWN] if formats.has_keys(file) else []
    return f"{len(names)} columns, {known} known" + (f": {', '.join(shown)}" if shown else "")


def nearest(wanted: str, names: list[str]) -> str | None:
    """The name of a header that looks most like the wanted one; None: nothing is near."""
    lower = {name.strip().lower(): name.strip() for name in names if COLUMN_NAME.fullmatch(name.strip())}
    alike = difflib.get_close_matches(wanted.lower(), lower, n=1, cutoff=0.6)
    parts = [name for name in lower if len(name) > 3 and (wanted.lower() in name or name in wanted.lower())]
    return next((lower[name] for name in [*alike, *parts]), None)


def _what_helps(file: Path, missing: list[str], names: list[str], known: int, table: Table) -> str:
    near = _near(missing, names, known)
    if formats.has_keys(file):
        return (table.renamed or f"{table.otherwise}, with these columns") + near
    for sign, word in _SEPARATORS.items():
        if {part.strip(' "').lower() for part in names[0].split(sign)} & {name.lower() for name in missing}:
            own = table.renamed and sign in get_args(Delimiter)
            return f"it is separated by {word}; " + ("leave `delimiter` out" if own else "export it with commas")
    if names[0].lower().startswith("sep="):
        return "its first line is for Excel alone; remove that line"
    if any("\r" in name.rstrip("\r") for name in names):
        return "its lines end in a carriage return alone; export it with line feeds"
    return (table.renamed or f"{table.otherwise}, with its header line") + near


def _near(missing: list[str], names: list[str], known: int) -> str:
    """What was perhaps meant; without a header line the names are a patient's cells, so only where one is known."""
    near = {name: similar for name in missing if known and (similar := nearest(name, names))}
    suggestions = ", ".join(f"{similar} for {name}" for name, similar in near.items())
    return f" (did you mean {suggestions}?)" if suggestions else ""


def header(file: Path, dialect: Dialect = PLAIN) -> list[str]:
    """The names of the columns.

    Raises:
        SchemaError: the file is empty, is not what its ending says, or cannot be read.
    """
    sanitised(file, lambda: formats.check(file, dialect))
    return sanitised(file, lambda: formats.names(file, dialect))


def sanitised(file: Path, step: Callable[[], T]) -> T:
    """`step()`, with whatever the parser or the operating system says turned into an error that quotes no cell.

    The new error is raised when the old one is gone: not even its `__context__` holds a patient's words.

    Raises:
        SchemaError: the file cannot be read, is damaged or is not a table.
    """
    try:
        return step()
    except FileNotFoundError:
        reason = "there is no such file; correct the path, or put it back"
    except PermissionError:
        reason = "this user may not read it; change its permissions"
    except (OSError, EOFError, zlib.error):
        reason = "it is damaged or cut off; compare its SHA-256 with SHA256SUMS.txt and get it again"
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, UnicodeDecodeError):
        reason = _NO_PARQUET if formats.ending(file) == ".parquet" else _NO_TABLE
    raise SchemaError(f"{file.name} must be readable as {formats.ending(file)[1:].upper()}, but {reason}.")


def _wanted_rows(file: Path, names: dict[str, str], table: Table, tally: Tally, size: int) -> Iterator[pl.DataFrame]:
    """Text cells of the rows that the contract reads; all rows are counted."""
    columns, wanted, marks = list(dict.fromkeys(names.values())), table.rows, table.dialect.null_marks
    if wanted is None:
        yield from _counted(
            _raw_batches(file, names, marks, formats.batches(file, columns, size, table.dialect)), tally
        )
        return
    chosen = pl.col(wanted.column).is_in(wanted.cells)
    stream = formats.some_columns(file, columns, EVENT_ROWS, table.dialect)
    every = _counted(_raw_batches(file, names, marks, stream), tally)
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
    hits: list[pl.Series] = []
    for column in table.columns:
        if column.kind == "text" and column.raw in raw.columns:
            hit = raw[column.raw].str.contains(REPLACEMENT, literal=True).fill_null(False)
            if count := int(hit.sum()):
                first = int(raw[ROW].filter(hit)[0])
                tally.first_replaced = min(tally.first_replaced or first, first)
                tally.replaced += count
                hits.append(hit)
    if hits:
        tally.damaged_rows += int(pl.select(pl.any_horizontal(hits)).to_series().sum())


def _without_blank_lines(raw: pl.DataFrame) -> pl.DataFrame:
    if any(not cells.has_nulls() for cells in raw.drop(ROW)):  # the usual case costs no look at each row
        return raw
    return raw.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))


def _raw_batches(
    file: Path, names: dict[str, str], marks: Sequence[str], stream: Iterator[pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Batches of text cells under the raw names of the contract, with the row's number; null marks are null."""
    while (batch := sanitised(file, lambda: next(stream, None))) is not None:
        yield without_marks(batch.select(ROW, *(pl.col(own).alias(raw) for raw, own in names.items())), marks)
