"""Groups of years as MIMIC-IV writes them in `anchor_year_group`, such as `2008 - 2010`."""

import re
from typing import Final

import polars as pl

YEARS: Final = r"^\s*(\d{4})\s*-\s*(\d{4})\s*$"
"""What reads like a group of years, with any blanks."""


def written(group: str) -> str:
    """A group as MIMIC-IV writes it. For validators: raises ValueError where it is none."""
    match = re.match(YEARS, group)
    if not match:
        raise ValueError("a group of years must read like 2008 - 2010")
    return f"{match[1]} - {match[2]}"


def as_written(cells: pl.Expr) -> pl.Expr:
    """Groups as MIMIC-IV writes them; what is none stays as it is."""
    return cells.str.replace(YEARS, "$1 - $2")
