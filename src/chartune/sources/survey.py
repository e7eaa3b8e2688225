"""A survey of raw data: which tables are there, what they lack, how many rows they have. It refuses no broken table."""

from pathlib import Path
from typing import Any, Final

from chartune.errors import SchemaError
from chartune.sources import mimic3, mimic4
from chartune.sources.detect import Kind, detect
from chartune.sources.mimic4 import note_files
from chartune.sources.reading import COLUMN_NAME, batches, header
from chartune.sources.releases import Layout
from chartune.sources.tables import Table, Tally, find
from chartune.sources.tabular import Tabular

CHEAP_BYTES: Final = 64 * 2**20
"""Tables up to this size are read through: rows are counted and cells checked."""
_LAYOUTS: Final[dict[Kind, tuple[Layout, tuple[Table, ...]]]] = {
    "mimic3": (mimic3.LAYOUT, (*mimic3.TABLES, *mimic3.EVENTS)),
    "mimic4": (mimic4.LAYOUT, (*mimic4.TABLES, *mimic4.EVENTS)),
}


def survey(path: Path, notes: Path | None = None, kind: Kind | None = None) -> list[dict[str, Any]]:
    """One row per table that chartune reads, whether it is there or not.

    Args:
        path: a folder of tables, or one file of notes with labels under the names that `Tabular` expects.
        notes: where MIMIC-IV-Note is, if not in the folder.
        kind: of the source; None: as it looks.

    Returns:
        table · required · file, bytes (null: absent) · missing, extra (columns that are lacking, that are not read)
        · rows (null: too large to count in passing) · problem · expected_rows (of the release whose patients and
        admissions these are; null: unknown).

    Raises:
        DataError: there is nothing, or a layout that no reader reads.
    """
    kind = kind or detect(path)
    if kind == "tabular":
        return [_surveyed(path, Tabular(file=path).contract()) | {"expected_rows": None}]
    layout, tables = _LAYOUTS[kind]
    rows = [_surveyed(file, table) for table in tables for file in [_file(path, table, notes)]]
    counts = {row["table"]: row["rows"] for row in rows if row["table"].lower() in ("patients", "admissions")}
    release = layout.release(counts)
    return [{**row, "expected_rows": release.rows.get(row["table"]) if release else None} for row in rows]


def _file(folder: Path, table: Table, notes: Path | None) -> Path | SchemaError | None:
    try:
        if notes is not None and table.folder == "note":
            return note_files(folder, notes).get(table.name)
        return find(folder, table.name, table.folder)
    except SchemaError as error:
        return error


def _surveyed(file: Path | SchemaError | None, table: Table) -> dict[str, Any]:
    row: dict[str, Any] = {"table": table.name, "required": table.required, "file": None, "bytes": None}
    row |= {"missing": [], "extra": [], "rows": None, "problem": None}
    if file is None:
        return row | {"problem": "missing" if table.required else None}
    try:
        if isinstance(file, SchemaError):
            raise file
        row |= {"file": file.name, "bytes": file.stat().st_size}
        row |= _columns(header(file), table)
        return row | {
            "rows": _checked_rows(file, table) if row["bytes"] <= CHEAP_BYTES and not row["missing"] else None
        }
    except SchemaError as error:
        return row | {"problem": str(error)}


def _checked_rows(file: Path, table: Table) -> int:
    tally = Tally()
    for _ in batches(file, table, tally):
        pass
    return tally.rows


def _columns(names: list[str], table: Table) -> dict[str, Any]:
    there = {name.strip().lower(): name.strip() for name in names}
    known = {column.raw.lower() for column in table.columns}
    missing = [c.raw for c in table.columns if c.raw.lower() not in there and not c.may_be_absent]
    # A file without its header line begins with a patient: names are told only where the line is a header.
    others = (
        [there[name] for name in there.keys() - known if COLUMN_NAME.fullmatch(name)] if there.keys() & known else []
    )
    return {"missing": missing, "extra": sorted(others), "problem": f"lacks {', '.join(missing)}" if missing else None}
