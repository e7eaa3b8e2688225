"""File formats: whatever a table is stored as, batches of text cells come out of it.

    .csv .tsv      `whole_rows`, polars, as text ┐
    .jsonl .ndjson `json_lines`                  ├─▶ frames of text with the row's number, counted from 1
    .parquet       every type written as text    ┘

Each but Parquet may be packed as `.gz`. What goes wrong here may quote a cell; callers ask through
`chartune.sources.reading.sanitised`.
"""

import csv
import gzip
import re
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.errors import SchemaError
from chartune.sources.dialect import GLUE, PLAIN, Dialect
from chartune.sources.json_lines import objects, text_of
from chartune.sources.parquet_footer import refuse_long_values
from chartune.sources.parquet_rows import parquet_rows
from chartune.sources.whole_rows import delimiter_of, first_rows, is_packed, refuse_long, whole_rows

ROW: Final = "_row"
ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".parquet")
_LOOKED_AT: Final = 100
"""Lines of a JSON Lines file whose keys are taken for its columns."""
_AGAIN: Final = re.compile(r"(.*)_duplicated_\d+")
"""How polars calls a column whose name stands there a second time."""
_GZIP: Final = b"\x1f\x8b"
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
"""First bytes of UTF-16, little-endian and big-endian."""
_MARKS: Final = {
    b"PAR1": ("a Parquet file", "give it the ending .parquet"),
    _GZIP: ("a gzip file", "give it the ending .gz"),
    b"PK\x03\x04": ("an archive or a spreadsheet", "export it as UTF-8 CSV with every text in double quotes"),
}
"""First bytes → what such a file is, whatever its name says, and the remedy."""
_OTHERS: Final = {
    ".xlsx": "a spreadsheet", ".xls": "a spreadsheet", ".ods": "a spreadsheet", ".json": "JSON of one piece",
    ".zip": "an archive", ".tar": "an archive", ".tgz": "an archive", ".pkl": "a pickle, which can run code",
    ".pickle": "a pickle, which can run code", ".txt": "text without columns",
}  # fmt: skip
"""Endings that people try → what such a file is."""


def check(file: Path, dialect: Dialect = PLAIN, *, any_mark: bool = False) -> None:
    """Look at name and first bytes of a file.

    Args:
        file: the table.
        dialect: how it is written.
        any_mark: whether UTF-16 is as good as what the dialect says, where the first bytes mark it.

    Raises:
        SchemaError: it is empty, in a format that is not read, or not what its name says.
        OSError: it cannot be read or unpacked.
    """
    if not file.name.lower().endswith(ENDINGS):
        kind = _OTHERS.get(file.suffix.lower(), "something else")
        raise SchemaError(
            f"a table must be CSV, TSV, JSON Lines or Parquet ({', '.join(ENDINGS)}), but {file} is {kind} by its "
            f"name; export it as UTF-8 CSV with every text in double quotes."
        )
    start = _first_bytes(file, packed=False)
    if not start:
        raise SchemaError(f"{file.name} must hold a table, but it has zero bytes; get the file again.")
    if is_packed(file) and start[:2] != _GZIP:
        raise SchemaError(
            f"{file.name} must be a gzip file, but its first bytes are not; get it again or drop the .gz."
        )
    text = _first_bytes(file, packed=is_packed(file))
    for mark, (what, remedy) in _MARKS.items():
        if text.startswith(mark) and ending(file) != ".parquet":
            raise SchemaError(f"{file.name} is {what} by its first bytes; {remedy}.")
    _must_be_letters(file, text, dialect.encoding, any_mark)


def _must_be_letters(file: Path, start: bytes, encoding: str, any_mark: bool) -> None:
    """That the first bytes are of the encoding, as far as they tell: letters of two or four bytes hold zeros."""
    if ending(file) == ".parquet":
        return
    marked = start[:2] in UTF16_MARKS
    what = ""
    if start in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") or start.count(b"\0") > 2:
        what = "UTF-32"
    elif b"\0" in start and not marked:
        what = "UTF-16 without its mark"
    elif marked and not any_mark and encoding != "utf-16":
        what = "UTF-16"
    if what:
        raise SchemaError(f"{file.name} must be UTF-8, but it is {what} by its first bytes; export it again as UTF-8.")
    if encoding == "utf-16" and not marked:
        raise SchemaError(
            f"{file.name} must be UTF-16, as `encoding` says, but its first bytes are no mark of it; leave `encoding` "
            f"out, and it is found."
        )


def ending(file: Path) -> str:
    """What a file is by its name, such as `.csv`; packing does not count."""
    name = file.name.lower().removesuffix(".gz")
    return f".{name.rpartition('.')[2]}"


def has_keys(file: Path) -> bool:
    """Whether the names of columns are distinguished from cells by the format: they are then nobody's words."""
    return ending(file) not in (".csv", ".tsv")


def names(file: Path, dialect: Dialect = PLAIN) -> list[str]:
    """The columns; of JSON Lines the keys of the first hundred objects.

    Raises:
        SchemaError: a line is no JSON object, or has a key twice, or a row is longer than a row may be.
        PolarsError, OSError: the file is damaged; the message may quote a cell.
    """
    match ending(file):
        case ".jsonl" | ".ndjson":
            return list(dict.fromkeys(key for _, row in islice(objects(file, dialect), _LOOKED_AT) for key in row))
        case ".parquet":
            return pl.scan_parquet(file, glob=False).collect_schema().names()
        case _:
            known = pl.read_csv(first_rows(file, dialect), n_rows=0, **_as_written(file, dialect)).columns
            return [again[1] if (again := _AGAIN.fullmatch(name)) and again[1] in known else name for name in known]


def batches(file: Path, columns: list[str], size: int, dialect: Dialect = PLAIN) -> Iterator[pl.DataFrame]:
    """The rows in order, as text: `ROW` and at least these columns.

    Raises:
        SchemaError: a line is no JSON object, has a key twice, or holds an object within; a row is longer than a row
            may be.
        PolarsError, ArrowException, OSError: the file is damaged; the message may quote a cell.
    """
    match ending(file):
        case ".jsonl" | ".ndjson":
            yield from _json_batches(file, columns, size, dialect)
        case ".parquet":
            refuse_long_values(file, columns, dialect)
            for batch in _numbered(parquet_rows(file, columns, size)):
                cells = batch.select(ROW, *(as_text(file, batch[name]) for name in columns))
                yield _bounded(file, cells, dialect.longest_cell, dialect.longest_row)
        case _:
            # All columns are parsed: a parser of some passes over fields that a row has too many.
            yield from _numbered(sized(_csv_frames(file, dialect, None), size))


def some_columns(file: Path, columns: list[str], size: int, dialect: Dialect = PLAIN) -> Iterator[pl.DataFrame]:
    """`ROW` and these columns of a CSV file, rows in order, as text; fields that a row has too many go unseen.

    Raises:
        SchemaError: a row is longer than a row may be.
        PolarsError, OSError: the file is damaged; the message may quote a cell.
    """
    yield from _numbered(sized(_csv_frames(file, dialect, columns), size))


def _csv_frames(file: Path, dialect: Dialect, columns: list[str] | None) -> Iterator[pl.DataFrame]:
    """A frame per block of whole rows: all columns, or some."""
    known: list[str] | None = None
    rows = 0
    for block in whole_rows(file, dialect, strict=columns is None):
        options: dict[str, Any] = _as_written(file, dialect) | {"columns": columns}
        if block.isascii():
            options["encoding"] = "utf8"  # no letter can be lost, and a table of short cells takes a tenth less time
        if known is None:
            known = pl.read_csv(block, n_rows=0, **_as_written(file, dialect)).columns
        else:
            options |= {"has_header": False, "new_columns": known if columns is None else None}
            options |= {"columns": None if columns is None else [known.index(name) for name in columns]}
        frame = _parsed(block, truncate_ragged_lines=columns is not None, **options)
        if frame is None:
            raise _no_rows_of_it(file, block, known, rows, delimiter_of(file, dialect))
        rows += frame.height
        if len(block) > dialect.longest_cell:  # no cell is longer than the block that it stands in
            frame = _bounded(file, frame, dialect.longest_cell)
        yield frame if columns is None else frame.rename(dict(zip(frame.columns, columns, strict=True)))


def _parsed(block: bytes, **options: Any) -> pl.DataFrame | None:
    """The rows of a block; None: they are no table, and what the parser says may quote a cell."""
    try:
        return pl.read_csv(block, **options)
    except pl.exceptions.PolarsError:
        return None


def _no_rows_of_it(file: Path, block: bytes, known: list[str], before: int, delimiter: str) -> SchemaError:
    """Which row of a block has too many fields, counted from the first below the header, and what to do."""
    lines = csv.reader(StringIO(block.decode(errors="replace"), newline=""), delimiter=delimiter)
    wide = None
    with suppress(csv.Error):  # a cell longer than this parser takes
        places = enumerate(map(len, lines), before + bool(before))
        wide = next((place for place in places if place[1] > len(known)), None)
    where = f"data row {wide[0]} has {wide[1]} fields, and the header {len(known)}" if wide else "a row is no row"
    return SchemaError(
        f"{file.name} must be readable as CSV, but it is not a well-formed table: {where}; use the file as released, "
        f"or export it again with every text in double quotes."
    )


def _as_written(file: Path, dialect: Dialect) -> dict[str, Any]:
    """How polars reads a block: nothing is inferred, because a guess turns the ICD code 0331 into 331."""
    return {"separator": delimiter_of(file, dialect), "infer_schema": False, "encoding": "utf8-lossy"}


def sized(frames: Iterator[pl.DataFrame], size: int) -> Iterator[pl.DataFrame]:
    """The same rows, `size` in each frame but the last."""
    held: list[pl.DataFrame] = []
    for frame in frames:
        held.append(frame)
        whole = sum(part.height for part in held)
        if whole < size:
            continue
        rows = pl.concat(held)
        yield from (rows.slice(start, size) for start in range(0, whole - size + 1, size))
        held = [rows.slice(whole - whole % size)]
    rest = pl.concat(held) if held else pl.DataFrame()
    if rest.height:
        yield rest


def _numbered(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Batches with `ROW`; numbers that a scan itself gives would cost a tenth of its time."""
    first = 1
    for batch in frames:
        yield batch.with_row_index(ROW, offset=first)
        first += batch.height


def _bounded(file: Path, cells: pl.DataFrame, longest_cell: int, longest_row: int | None = None) -> pl.DataFrame:
    """The same. Raises SchemaError: a cell of text is longer than a cell, or than a row, may be."""
    longest = cells.select(pl.max_horizontal(pl.lit(0), pl.col(pl.String).str.len_bytes().max())).item()
    refuse_long(file, longest, longest_cell, "cell")
    refuse_long(file, longest, longest if longest_row is None else longest_row)
    return cells


def as_text(file: Path, cells: pl.Series) -> pl.Series:
    """Cells of a column as text: times to the second, lists joined by `GLUE`.

    Raises:
        SchemaError: they are times with a zone, or objects.
    """
    if isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone is not None:
        raise SchemaError(
            f"{file.name}: times must be the hospital's own, without a zone, as charts have them, but those of "
            f"{cells.name} are in the zone {cells.dtype.time_zone}; convert them to local time and drop the zone."
        )
    if isinstance(cells.dtype, pl.Datetime):
        return cells.dt.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cells.dtype, pl.List) and not cells.dtype.inner.is_nested():
        return cells.cast(pl.List(pl.String)).list.join(GLUE)
    if cells.dtype.is_nested():
        raise SchemaError(
            f"{file.name}: a cell must be a text, a number or a list of these, but those of {cells.name} hold objects; "
            f"flatten them."
        )
    if cells.dtype.is_float():  # no number is nothing
        return cells.fill_nan(None).cast(pl.String)
    return cells.cast(pl.String)


def _json_batches(file: Path, columns: list[str], size: int, dialect: Dialect) -> Iterator[pl.DataFrame]:
    schema = {ROW: pl.UInt32, **dict.fromkeys(columns, pl.String)}
    rows = (
        [number, *(text_of(file, number, row.get(name)) for name in columns)] for number, row in objects(file, dialect)
    )
    while some := list(islice(rows, size)):
        yield _bounded(file, pl.DataFrame(some, schema=schema, orient="row"), dialect.longest_cell)


def _first_bytes(file: Path, *, packed: bool) -> bytes:
    with gzip.open(file, "rb") if packed else file.open("rb") as handle:
        return handle.read(4)
