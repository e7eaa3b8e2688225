"""A survey of raw data: which tables are there, what they lack, how many rows they have. It refuses no broken table.

It takes seconds at any size: the smallest tables are read through, of the others the first rows.
"""

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from chartune.errors import SchemaError
from chartune.sources.detect import detect
from chartune.sources.dialect import PLAIN
from chartune.sources.kinds import source_class
from chartune.sources.marker import marker
from chartune.sources.mimic4 import note_files
from chartune.sources.own_dialect import LOOK
from chartune.sources.reading import COLUMN_NAME, batches, header
from chartune.sources.tables import Table, Tally, find
from chartune.sources.tabular import Tabular

CHEAP_BYTES: Final = 40 * 2**20
"""Tables of this size together, the smallest first, are read through: rows are counted and all cells checked."""


def survey(path: Path, notes: Path | None = None, kind: str | None = None) -> list[dict[str, Any]]:
    """One row per table that chartune reads, whether it is there or not.

    Args:
        path: a folder of tables, or one file of notes with labels under the names that `Tabular` expects.
        notes: where MIMIC-IV-Note is, if not in the folder.
        kind: of the source; None: as it looks.

    Returns:
        table · required · file, bytes (null: absent) · missing, extra (columns that are lacking, that are not read)
        · read (`whole`; `first rows` of what is too large to be read in passing; null: not at all) · rows (null: not
        counted) · problem · expected_rows (of the release that this seems to be; null: unknown).

    Raises:
        DataError: there is nothing, or a layout that no reader reads.
    """
    kind = kind or detect(path)
    source = source_class(kind)
    if issubclass(source, Tabular):
        return [_own(Tabular(file=path)) | {"expected_rows": None}]
    layout, tables = source.layout, source.tables
    files = [_file(path, table, notes) for table in tables]
    cheap = _cheap(file for file in files if isinstance(file, Path))
    rows = [_surveyed(file, table, cheap) for file, table in zip(files, tables, strict=True)]
    counted, present = {row["table"]: row["rows"] for row in rows}, [file for file in files if isinstance(file, Path)]
    release = layout.release(path, present, counted) if layout else None
    return [{**row, "expected_rows": release.rows.get(row["table"]) if release else None} for row in rows]


def fictional(path: Path, notes: Path | None, kind: str) -> bool:
    """Whether every table is one that the marker of a made-up hospital lists."""
    files = [_file(path, table, notes) for table in source_class(kind).tables]
    return marker(path, [file for file in files if isinstance(file, Path)]) is not None


def _own(source: Tabular) -> dict[str, Any]:
    """The row of a table of one's own, however it is written."""
    try:
        dialect = source.written(LOOK).dialect
    except SchemaError:  # reported by whoever reads the table
        dialect = PLAIN
    return _surveyed(source.file, source.contract(dialect), _cheap([source.file]))


def without_chart(folder: Path, kind: str) -> str | None:
    """Why the bedside chart of a folder cannot be read, and what to do; None: it can, or the kind knows none."""
    try:
        missing = [
            str(Path(table.folder, f"{table.name}.csv.gz"))
            for table in source_class(kind).chart
            if find(folder, table.name, table.folder) is None
        ]
    except SchemaError as error:  # two files could be one table
        return str(error)
    it = "it" if len(missing) == 1 else "them"
    return f"{folder} lacks {' and '.join(missing)} (or .csv); add {it} and prepare again." if missing else None


def _cheap(files: Iterable[Path]) -> set[Path]:
    """The smallest of these files, as many as may be read through together."""
    by_size = sorted((file.stat().st_size, file) for file in files if file.is_file())
    sums = accumulate(size for size, _ in by_size)
    return {file for (_, file), total in zip(by_size, sums, strict=True) if total <= CHEAP_BYTES}


def _file(folder: Path, table: Table, notes: Path | None) -> Path | SchemaError | None:
    try:
        if notes is not None and table.folder == "note":
            return note_files(folder, notes).get(table.name)
        return find(folder, table.name, table.folder)
    except SchemaError as error:
        return error


def _surveyed(file: Path | SchemaError | None, table: Table, cheap: set[Path]) -> dict[str, Any]:
    row: dict[str, Any] = {"table": table.name, "required": table.required, "file": None, "bytes": None}
    row |= {"missing": [], "extra": [], "read": None, "rows": None, "problem": None}
    if file is None:
        return row | {"problem": "missing" if table.required else None}
    try:
        if isinstance(file, SchemaError):
            raise file
        row |= {"file": file.name, "bytes": file.stat().st_size}
        row |= _columns(header(file, table.dialect), table)
        return row if row["missing"] else row | _checked(file, table, whole=file in cheap)
    except SchemaError as error:
        return row | {"problem": str(error)}


def _checked(file: Path, table: Table, *, whole: bool) -> dict[str, Any]:
    tally = Tally()
    for _ in batches(file, table, tally, most=None if whole else 1):
        pass
    return {"read": "whole", "rows": tally.rows} if whole else {"read": "first rows"}


def _columns(names: list[str], table: Table) -> dict[str, Any]:
    present = {name.strip().lower(): name.strip() for name in names}
    known = {column.raw.lower() for column in table.columns}
    missing = [c.raw for c in table.columns if c.raw.lower() not in present and not c.may_be_absent]
    # A file without its header line begins with a patient: names are shown only where the line is a header.
    others = (
        [present[name] for name in present.keys() - known if COLUMN_NAME.fullmatch(name)]
        if present.keys() & known
        else []
    )
    return {"missing": missing, "extra": sorted(others), "problem": f"lacks {', '.join(missing)}" if missing else None}
