"""File formats: whatever a table is stored as, batches of text cells come out of it.

    .csv .tsv      polars, all columns as text   ┐
    .jsonl .ndjson one JSON object per line      ├─▶ frames of text with the row's number, counted from 1
    .parquet       every type written as text    ┘

Each but Parquet may be packed as `.gz`. What goes wrong here may quote a cell; callers ask through
`chartune.sources.reading.sanitised`.
"""

import contextlib
import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import polars as pl

from chartune.errors import SchemaError

ROW: Final = "_row"
GLUE: Final = "\n"
"""Stands between the items of a list in one cell: paragraphs of a text, labels of a document."""
ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".parquet")
_LOOKED_AT: Final = 100
"""Lines of a JSON Lines file whose keys are taken for its columns."""
_GZIP: Final = b"\x1f\x8b"
_OTHERS: Final = {
    ".xlsx": "a spreadsheet", ".xls": "a spreadsheet", ".ods": "a spreadsheet", ".json": "JSON of one piece",
    ".zip": "an archive", ".tar": "an archive", ".tgz": "an archive", ".pkl": "a pickle, which can run code",
    ".pickle": "a pickle, which can run code", ".txt": "text without columns",
}  # fmt: skip
"""Endings that people try → what such a file is."""


def check(file: Path) -> None:
    """Look at name and first bytes of a file.

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
    if _packed(file) and start[:2] != _GZIP:
        raise SchemaError(
            f"{file.name} must be a gzip file, but its first bytes are not; get it again or drop the .gz."
        )
    text = _first_bytes(file, packed=_packed(file))
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SchemaError(f"{file.name} must be UTF-8, but it is UTF-16 by its first bytes; export it again as UTF-8.")
    if ending(file) != ".parquet" and text[:4] == b"PAR1":
        raise SchemaError(f"{file.name} is a Parquet file by its first bytes; give it the ending .parquet.")


def ending(file: Path) -> str:
    """What a file is by its name, such as `.csv`; packing does not count."""
    name = file.name.lower().removesuffix(".gz")
    return f".{name.rpartition('.')[2]}"


def names(file: Path) -> list[str]:
    """The columns; of JSON Lines the keys of the first hundred objects.

    Raises:
        SchemaError: a line is no JSON object.
        PolarsError, OSError: the file is damaged; the message may quote a cell.
    """
    if ending(file) in (".jsonl", ".ndjson"):
        return list(dict.fromkeys(key for _, row in islice(_objects(file), _LOOKED_AT) for key in row))
    return _scan(file).collect_schema().names()


def batches(file: Path, columns: list[str], size: int) -> Iterator[pl.DataFrame]:
    """The rows in order, as text: `ROW` and at least these columns.

    Raises:
        SchemaError: a line is no JSON object, or holds one within.
        PolarsError, OSError: the file is damaged; the message may quote a cell.
    """
    match ending(file):
        case ".jsonl" | ".ndjson":
            yield from _json_batches(file, columns, size)
        case ".parquet":
            for batch in _numbered(_scan(file).select(columns), size):
                yield batch.select(ROW, *(_as_text(file, batch[name]) for name in columns))
        case _:
            # Columns are not chosen in the scan: a scan of some columns passes over fields that a row has too many.
            yield from _numbered(_scan(file), size)


def some_columns(file: Path, columns: list[str], size: int) -> Iterator[pl.DataFrame]:
    """`ROW` and these columns of a CSV file, rows in order, as text; fields that a row has too many go unseen.

    Raises:
        PolarsError, OSError: the file is damaged; the message may quote a cell.
    """
    yield from _numbered(_scan(file).select(columns), size)


def _scan(file: Path) -> pl.LazyFrame:
    if ending(file) == ".parquet":
        return pl.scan_parquet(file, glob=False)
    separator = "\t" if ending(file) == ".tsv" else ","
    return pl.scan_csv(file, separator=separator, infer_schema=False, encoding="utf8-lossy", glob=False)


def _numbered(rows: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    """Batches with `ROW`; numbers that the scan itself gives would cost a tenth of its time."""
    first = 1
    for batch in rows.collect_batches(chunk_size=size, engine="streaming"):
        yield batch.with_row_index(ROW, offset=first)
        first += batch.height


def _as_text(file: Path, cells: pl.Series) -> pl.Series:
    """Cells as text: times to the second, lists joined by `GLUE`. Raises SchemaError: times with a zone, or objects."""
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
    return cells.cast(pl.String)


def _json_batches(file: Path, columns: list[str], size: int) -> Iterator[pl.DataFrame]:
    schema = {ROW: pl.UInt32, **dict.fromkeys(columns, pl.String)}
    rows = ([number, *(_told(file, number, row.get(name)) for name in columns)] for number, row in _objects(file))
    while some := list(islice(rows, size)):
        yield pl.DataFrame(some, schema=schema, orient="row")


def _objects(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of every line that is not blank."""
    number = 0
    with _unpacked(file) as lines:
        for line in lines:
            if not (text := line.decode("utf-8-sig", errors="replace").strip()):
                continue
            number += 1
            yield number, _object(file, number, text)


def _object(file: Path, number: int, text: str) -> dict[str, Any]:
    row: Any = None
    with contextlib.suppress(ValueError, RecursionError):  # they quote the line, and are gone before the next one
        row = json.loads(text)
    if not isinstance(row, dict):
        raise SchemaError(
            f"{file.name}: every line must be one JSON object, but row {number} is none; export it as JSON Lines."
        )
    return row


def _told(file: Path, number: int, value: Any) -> str | None:
    """A JSON value as text; whole numbers without a point, items of a list joined by `GLUE`."""
    if value is None or isinstance(value, str):
        # A half of a character pair is legal in JSON and in no text.
        return value if value is None else value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value):
        return GLUE.join(told for item in value if (told := _told(file, number, item)) is not None)
    raise SchemaError(
        f"{file.name}: a cell must be a text, a number or a list of these, but one of row {number} holds an object; "
        f"flatten it."
    )


def _packed(file: Path) -> bool:
    return file.name.lower().endswith(".gz")


def _unpacked(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file, "rb")) if _packed(file) else file.open("rb")


def _first_bytes(file: Path, *, packed: bool) -> bytes:
    with gzip.open(file, "rb") if packed else file.open("rb") as handle:
        return handle.read(4)
