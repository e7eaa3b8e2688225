"""Ids of patients and documents that need not be numbers: each becomes one, the same on every machine and every day.

    17, 17.0   →  17                      a whole number stays as it is; a parser's ".0" means nothing
    007, P-44  →  4712993108254411870     anything else: 63 bits of BLAKE2b over its UTF-8 bytes

The number depends on nothing but the id, so new rows never change that of an old one, nor its place in a split.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from chartune.errors import SchemaError

_ROUNDED: Final = r"^\d(?:\.\d+[eE]\+?|[eE]\+)\d+$"
"""A number as a spreadsheet shows it where the column is narrow: 1.23457E+11, 1E+07. `3E12` may be an id."""
WHOLE: Final = r"^(?:0|[1-9]\d{0,17})$"
"""Reads the same when it is written again: `007` and `7` may be two patients."""
ROWS: Final = ("id", "note_id", "document_id", "doc_id", "row_id", "hadm_id")
"""Usual names of a column that names rows; the first that is there counts."""
_NUMBERED: Final = (
    "notes: rows are numbered from 1, although there is a column {0}; if that names each row, say so: "
    "--set data.source.id={0} (for prepare source.id={0})."
)


def usual_id(names: Iterable[str], others: Iterable[str | None], own: str | None = None) -> str | None:
    """The column that names rows by what it is called; None: there is none.

    Args:
        names: of the columns, in any case.
        others: columns that hold something else.
        own: what it was called before, if that is known; it goes before the usual names.
    """
    free = {name.strip().lower() for name in names} - {name.lower() for name in others if name}
    return next((name for name in (own, *ROWS) if name and name.lower() in free), None)


def unused_id(names: Iterable[str], others: Iterable[str | None]) -> tuple[str, ...]:
    """That rows are numbered though a column is called as if it named them; arguments as of `usual_id`."""
    usual = usual_id(names, others)
    return (_NUMBERED.format(usual),) if usual else ()


def trimmed(ids: pl.Series) -> pl.Series:
    """Ids without blanks at their ends and without the `.0` that pandas adds to whole numbers beside empty cells."""
    return ids.str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")


def refuse_rounded(ids: pl.Series, where: str) -> None:
    """See to it that ids are whole. `where`: of the file and column, for the error.

    Raises:
        SchemaError: some are in scientific notation; different patients may have become one.
    """
    rounded = ids.str.strip_chars().str.contains(_ROUNDED).fill_null(False)
    if rounded.any():
        raise SchemaError(
            f"{where} must name somebody, but {int(rounded.sum())} of {ids.len()} cells are numbers in scientific "
            f"notation, first in data row {rounded.arg_true()[0] + 1}: a spreadsheet has rounded them, so that "
            f"different ids may be alike; get the ids from where they were exported, and keep them as text."
        )


def filled(ids: pl.Series, file: Path, column: str) -> pl.Series:
    """Ids, trimmed. Raises SchemaError: some consist of blanks, or a spreadsheet has rounded them."""
    refuse_rounded(ids, f"{file.name}: every cell of {column}")
    ids = trimmed(ids)
    blank = ids == ""
    if blank.any():
        raise SchemaError(
            f"{file.name}: every cell of {column} must name something, but {int(blank.sum())} are blank, first in data "
            f"row {blank.arg_true()[0] + 1}; correct those rows."
        )
    return ids


def all_whole(ids: pl.Series) -> bool:
    """Whether each id is a whole number that fits into 63 bits."""
    return bool(ids.str.contains(WHOLE).all())


def numbered(ids: pl.Series) -> pl.Series:
    """The number of each id (trimmed, none null), i64, ≥ 0."""
    each = ids.unique()
    whole = each.filter(each.str.contains(WHOLE))
    others = each.filter(~each.str.contains(WHOLE))
    number = {**dict(zip(whole, whole.cast(pl.Int64), strict=True)), **{text: _hash(text) for text in others}}
    return ids.replace_strict(number, return_dtype=pl.Int64) if number else ids.cast(pl.Int64)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
