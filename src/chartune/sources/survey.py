"""A survey of a folder: which tables are there, what they lack, how many rows they have. It refuses nothing."""

import re
from pathlib import Path
from typing import Any, Final

from chartune.errors import SchemaError
from chartune.sources.mimic3 import RELEASES, TABLES, release
from chartune.sources.reading import batches, header
from chartune.sources.tables import Table, Tally, find

CHEAP_BYTES: Final = 64 * 2**20
"""Tables up to this size are read through: rows are counted and cells checked."""
_NAME: Final = re.compile(r"[A-Za-z]\w{0,40}")


def survey(folder: Path) -> list[dict[str, Any]]:
    """One row per table that chartune reads, whether it is there or not.

    Returns:
        table · required · file, bytes (null: absent) · missing, extra (columns that are lacking, that are not read)
        · rows (null: too large to count in passing) · problem · expected_rows (of the release whose PATIENTS and
        ADMISSIONS these are; null: unknown).

    Raises:
        SchemaError: the folder is none.
    """
    if not folder.is_dir():
        raise SchemaError(f"a survey needs a folder of tables, but {folder} is none; give the folder that holds them.")
    rows = [_surveyed(folder, table) for table in TABLES]
    counts = {row["table"]: row["rows"] for row in rows if row["table"] in ("PATIENTS", "ADMISSIONS")}
    expected = RELEASES.get(release(counts) or "", {})
    return [{**row, "expected_rows": expected.get(row["table"])} for row in rows]


def _surveyed(folder: Path, table: Table) -> dict[str, Any]:
    row: dict[str, Any] = {"table": table.name, "required": table.required, "file": None, "bytes": None}
    row |= {"missing": [], "extra": [], "rows": None, "problem": None}
    try:
        file = find(folder, table.name)
        if file is None:
            return row | {"problem": "missing" if table.required else None}
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
    there = {name.strip().upper() for name in names}
    known = {column.raw for column in table.columns}
    missing = [column.raw for column in table.columns if column.raw not in there and not column.may_be_absent]
    # A file without its header line begins with a patient: names are told only where the line is a header.
    extra = sorted(name for name in there - known if _NAME.fullmatch(name)) if there & known else []
    return {"missing": missing, "extra": extra, "problem": f"lacks {', '.join(missing)}" if missing else None}
