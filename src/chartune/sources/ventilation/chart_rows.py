"""Rows of the bedside chart: the contracts of its tables, and the rows of them that count.

CHARTEVENTS has 331 million rows, of which a small part is about breathing. Their items are chosen while they
are text; nothing else is cast or kept (`chartune.sources.tables.Rows`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from chartune.errors import SchemaError
from chartune.sources.reading import batches
from chartune.sources.tables import Column, Rows, Table, Tally
from chartune.sources.ventilation.items import CHARTED_3, CHARTED_4, EXTUBATIONS_3

_WRONG: Final = {
    "marked as errors": ("error", pl.col("error") == 1),
    "without a value": ("value", (pl.col("value") == "").fill_null(True)),
    "without an ICU stay": ("stay_id", pl.col("stay_id").is_null()),
}
"""Why a row does not count → the column that tells, and how."""


def _about(column: str, items: frozenset[int]) -> Rows:
    # A column of whole numbers that pandas has once taken for measurements ends in .0 throughout.
    return Rows(column, frozenset(f"{item}{end}" for item in items for end in ("", ".0")))


_ITEM: Final = Column("ITEMID", "integer", may_be_empty=False)
CHARTEVENTS_3: Final = Table(
    "CHARTEVENTS",
    (
        Column("SUBJECT_ID", "integer", may_be_empty=False),
        Column("ICUSTAY_ID", "integer", "stay_id"),
        _ITEM,
        Column("CHARTTIME", "time", may_be_empty=False),
        Column("VALUE", "text"),
        Column("ERROR", "integer", may_be_absent=True),
    ),
    required=False,
    rows=_about("ITEMID", CHARTED_3),
)
"""MIMIC-III. Only MetaVision marks errors, so that an export of CareVue alone may lack the column."""
PROCEDUREEVENTS_MV: Final = Table(
    "PROCEDUREEVENTS_MV",
    (
        Column("SUBJECT_ID", "integer", may_be_empty=False),
        Column("ICUSTAY_ID", "integer", "stay_id"),
        _ITEM,
        Column("STARTTIME", "time", "charttime", may_be_empty=False),
    ),
    required=False,
    rows=_about("ITEMID", frozenset(EXTUBATIONS_3)),
)
"""MIMIC-III: what MetaVision recorded as done."""
CHARTEVENTS_4: Final = Table(
    "chartevents",
    (
        Column("subject_id", "integer", may_be_empty=False),
        Column("stay_id", "integer"),
        Column("charttime", "time", may_be_empty=False),
        Column("storetime", "time", may_be_absent=True),
        Column("itemid", "integer", may_be_empty=False),
        Column("value", "text"),
    ),
    required=False,
    folder="icu",
    rows=_about("itemid", CHARTED_4),
)
"""MIMIC-IV. Its rows in error were taken out before it was released."""


def charted(file: Path, table: Table, tally: Tally) -> Iterator[pl.DataFrame]:
    """The rows of an event table that count, in batches, values without blanks at their ends.

    Left out and counted, by the first reason that applies: marked as an error; without a value (an empty cell, or
    nothing but blanks); without an ICU stay. `None` is a value.

    Raises:
        SchemaError: the table is damaged, or rows of these items break its contract.
    """
    for rows in batches(file, table, tally):
        yield _counting(rows, tally)


def refuse_without(needed: tuple[Table, ...], files: Mapping[str, Path], folder: Path) -> None:
    """See to it that the tables are there of which ventilation is derived.

    Raises:
        SchemaError: one is missing.
    """
    missing = [f"{Path(table.folder, table.name)}.csv.gz" for table in needed if table.name not in files]
    if missing:
        raise SchemaError(
            f"tasks about ventilation read the bedside chart, but {folder} lacks {' and '.join(missing)} (or .csv); "
            f"add {'it' if len(missing) == 1 else 'them'}, or leave these tasks out with --tasks."
        )


def _counting(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    if "value" in rows.columns:
        rows = rows.with_columns(pl.col("value").str.strip_chars())
    tests = {why: wrong for why, (column, wrong) in _WRONG.items() if column in rows.columns}
    wrong = rows.select(pl.any_horizontal(*tests.values()).fill_null(False)).to_series()
    if not wrong.any():
        return rows
    why = pl.coalesce(pl.when(wrong).then(pl.lit(why)) for why, wrong in tests.items())
    tally.pass_over(dict(rows.filter(wrong).select(why).to_series().value_counts().iter_rows()))
    return rows.filter(~wrong)
