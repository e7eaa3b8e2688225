"""Cells of a raw table: text that becomes what its contract says, or a refusal that counts and quotes nothing.

"167853.0"              a whole number      167853
"2150-01-31T13:05:00"   a time              2150-01-31 13:05:00
"31/01/2150"            no time             refused: file, column, count, first row, and what has spoilt it
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from chartune.sources.formats import ROW
from chartune.sources.tables import DTYPES, Column, Table

_EXPECTED: Final = {
    "integer": "a whole number",
    "text": "text",
    "time": "a time such as 2150-01-31 13:05:00",
    "date": "a date such as 2150-01-31",
}
_TIME: Final = "%Y-%m-%d %H:%M:%S"
_OF_A_WAREHOUSE: Final = r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?$"
_SPOILT: Final = {
    "spreadsheet": r"^\d{1,2}[/.]\d{1,2}[/.]\d\d",
    "zone": r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*(?:Z|UTC|GMT|[+-]\d\d:?\d\d)$",
    "rounded": r"^\d(?:\.\d+)?[eE]\+?\d+$",
}
"""What has spoilt a cell → how it then looks."""
_LOST: Final = "they look saved by a spreadsheet, which may lose the century; {}."
_ZONE: Final = (
    "they have a time zone, and charts have the hospital's own time; convert them to local time and drop the zone."
)
_REMEDIES: Final = {
    ("spreadsheet", "time"): _LOST, ("spreadsheet", "date"): _LOST, ("zone", "time"): _ZONE, ("zone", "date"): _ZONE,
    ("rounded", "integer"): "a spreadsheet has rounded them, so that different ones may be alike; {}.",
}  # fmt: skip


@dataclass
class Bad:
    """Cells of one column that break its contract."""

    cells: int = 0
    first: int = 0
    hint: str = ""


def typed(raw: pl.DataFrame, table: Table, bad: dict[str, Bad]) -> pl.DataFrame:
    """The batch cast as the contract says; cells that cannot be are added to `bad`."""
    casts = {column: _cast(column, raw) for column in table.columns}
    for column, values in casts.items():
        cells = raw[column.raw] if column.raw in raw.columns else None
        if cells is None or (column.kind == "text" and column.may_be_empty) or not values.has_nulls():
            continue
        wrong = values.is_null() if not column.may_be_empty else values.is_null() & (cells.fill_null("") != "")
        if wrong.any():
            seen = bad.setdefault(
                column.raw, Bad(first=int(raw[ROW].filter(wrong)[0]), hint=_hint(cells.filter(wrong)))
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
    """Times to the second, or midnight of a bare date; anything else is null: a guess could be a century wrong.

    A `T` between date and time and a fraction of a second, as warehouses write them, leave no doubt; a zone does.
    """
    plain = cells.str.to_datetime(_TIME, strict=False, time_unit="us")
    if plain.null_count() == cells.null_count():
        return plain
    day = cells.str.len_bytes() == 10
    full = pl.select(pl.when(day).then(cells + pl.lit(" 00:00:00")).otherwise(cells)).to_series()
    return full.str.replace(_OF_A_WAREHOUSE, "$1 $2").str.to_datetime(_TIME, strict=False, time_unit="us")


def _hint(cells: pl.Series) -> str:
    """What has spoilt a cell, as far as it shows."""
    return next((hint for hint, pattern in _SPOILT.items() if cells.str.contains(pattern).any()), "")


def refusal(file: Path, names: dict[str, str], column: Column, bad: dict[str, Bad], otherwise: str) -> str:
    """What is said of the bad cells of a column: the rule, how many they are, where, and the remedy."""
    faults = bad[column.raw]
    rule = f"{file.name}: every cell of {names[column.raw]} must be {_EXPECTED[column.kind]}"
    rule += " or empty" if column.may_be_empty else " and not empty" if column.kind == "text" else ""
    place = f"but {faults.cells} {'is' if faults.cells == 1 else 'are'} not, first in data row {faults.first}"
    remedy = _REMEDIES.get((faults.hint, column.kind), "correct those rows, or {}.")
    return f"{rule}, {place}; {remedy.format(otherwise)}"
