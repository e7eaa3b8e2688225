"""ICD codes as they are read: text without its dot, with its version, and a warning where a program has spoilt it.

    "V45.81"   →  "V4581"      as the releases write it; with its dot it would belong to no category
    "41401.0"  →  "41401.0"    a number, and not a code with its dot

A spreadsheet, or a parser that guesses, turns the code "0414" into the number 414, which is another disease, and
41401 into 41401.0. The codes are read all the same: what was lost cannot be put back, but it must not go unsaid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from chartune.sources.coverage import ICD_VERSION, TITLE
from chartune.sources.links import own_table
from chartune.sources.reading import read
from chartune.sources.tables import Table, Tally

ENOUGH: Final = 100
"""Rows of ICD-9 below which the absence of a leading zero means nothing: in MIMIC about one code in twenty has one."""
_FLOAT: Final = r"^\d{4,}\.0+$"
"""A code with its dot has at most three digits before it, so this is a number."""

_DOTTED: Final = r"^[A-Za-z]?\d[0-9A-Za-z]{1,2}\.[0-9A-Za-z]{0,4}$"
"""A code as people write it: V45.81, E880.9, I50.23, and the procedure 03.31."""


@dataclass(frozen=True)
class Codes:
    """The tables of codes of a release, each null where the folder has none."""

    diagnoses: pl.DataFrame | None
    procedures: pl.DataFrame | None
    diagnosis_titles: pl.DataFrame | None
    procedure_titles: pl.DataFrame | None
    warnings: tuple[str, ...]
    """What a reader of the data card should know of them."""

    def linked(self, tables: Sequence[Table], admissions: pl.DataFrame, tallies: Mapping[str, Tally]) -> "Codes":
        """These codes, none of them of another patient's admission; `tables` and `tallies` as for `read_codes`."""
        first, second = (table.name for table in tables[:2])
        diagnoses, messages = own_table(first, self.diagnoses, admissions, tallies[first])
        procedures, more = own_table(second, self.procedures, admissions, tallies[second])
        return replace(self, diagnoses=diagnoses, procedures=procedures, warnings=(*self.warnings, *messages, *more))


def read_codes(tables: Sequence[Table], files: Mapping[str, Path], tallies: Mapping[str, Tally]) -> Codes:
    """Read the tables of diagnoses, of procedures, and of the titles of both, given in this order.

    Raises:
        SchemaError: a table is damaged or breaks its contract.
    """
    frames, messages = [], []
    for table in tables:
        raw = read(files[table.name], table, tallies[table.name]) if table.name in files else None
        frames.append(coded(raw))
        messages += [*dotted(table.name, raw), *suspicions(table.name, frames[-1])]
    diagnoses, procedures, diagnosis_titles, procedure_titles = frames
    _count_reached(diagnoses, diagnosis_titles, tallies[tables[0].name])
    _count_reached(procedures, procedure_titles, tallies[tables[1].name])
    return Codes(diagnoses, procedures, diagnosis_titles, procedure_titles, tuple(messages))


def coded(raw: pl.DataFrame | None) -> pl.DataFrame | None:
    """Codes without the blanks that pad them in old releases and without dots, beside their version.

    ICD-9 where a table has no column of versions.
    """
    if raw is None:
        return None
    version = pl.col("icd_version") if "icd_version" in raw.columns else pl.lit(9, pl.Int64)
    return raw.with_columns(icd_code=_undotted(pl.col("icd_code").str.strip_chars()), icd_version=version)


def dotted(table: str, raw: pl.DataFrame | None) -> list[str]:
    """The warning that codes as they stand in the file have a dot, which `coded` drops."""
    if raw is None:
        return []
    known = raw["icd_code"].drop_nulls().str.strip_chars()
    count = int(known.str.contains(_DOTTED).sum())
    warning = f"{table}: {count} of {len(known)} codes are written with a dot, such as V45.81; the dot was dropped."
    return [warning] if count else []


def suspicions(table: str, codes: pl.DataFrame | None) -> list[str]:
    """What a reader of the data card should know of these codes: counts and a known example, no cells."""
    if codes is None:
        return []
    known = codes.drop_nulls("icd_code")
    nine = known.filter(pl.col("icd_version") == 9)["icd_code"]
    messages = []
    if len(nine) >= ENOUGH and not nine.str.starts_with("0").any():
        messages.append(
            f"{table}: no ICD-9 code starts with 0, of {len(nine)} rows; a spreadsheet may have removed the zeros, so "
            f"that 0414 became 414. Use the file as released."
        )
    if floats := int(known["icd_code"].str.contains(_FLOAT).sum()):
        messages.append(
            f"{table}: {floats} of {known.height} codes are written as numbers, such as 41401.0, so that no title and "
            f"no group will be found for them. Use the file as released."
        )
    return messages


def _count_reached(codes: pl.DataFrame | None, titles: pl.DataFrame | None, tally: Tally) -> None:
    """Count the codes whose version is known, and those that have a title, where there is a table of titles."""
    if codes is None:
        return
    each = codes.drop_nulls("icd_code").group_by("icd_code", "icd_version").len()
    tally.reach(ICD_VERSION, *_sums(each, each.filter(pl.col("icd_version").is_in([9, 10]))))
    if titles is not None:
        titled = titles.drop_nulls("long_title")
        tally.reach(TITLE, *_sums(each, each.join(titled, on=["icd_code", "icd_version"], how="semi")))


def _sums(*each: pl.DataFrame) -> tuple[int, ...]:
    return tuple(int(rows["len"].sum()) for rows in each)


def _undotted(code: pl.Expr) -> pl.Expr:
    # "41401.0" stays: without its dot a number would become a code that nobody wrote.
    return pl.when(code.str.contains(_DOTTED)).then(code.str.replace(".", "", literal=True)).otherwise(code)
