"""Stays in intensive care, of either release, under canonical names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from chartune.sources.reading import each_once, read
from chartune.sources.tables import Column, Table, Tally

ICUSTAYS_3: Final = Table(
    "ICUSTAYS",
    (
        Column("SUBJECT_ID", "integer", may_be_empty=False),
        Column("HADM_ID", "integer", may_be_empty=False),
        Column("ICUSTAY_ID", "integer", "stay_id", may_be_empty=False),
        Column("DBSOURCE", "text", may_be_absent=True),
        Column("FIRST_CAREUNIT", "text", may_be_absent=True),
        Column("INTIME", "time", may_be_empty=False),
        Column("OUTTIME", "time"),
    ),
    required=False,
)
"""MIMIC-III. DBSOURCE tells which bedside system has the stay: CareVue, MetaVision or both."""
ICUSTAYS_4: Final = Table(
    "icustays",
    (
        Column("subject_id", "integer", may_be_empty=False),
        Column("hadm_id", "integer", may_be_empty=False),
        Column("stay_id", "integer", may_be_empty=False),
        Column("first_careunit", "text", may_be_absent=True),
        Column("intime", "time", may_be_empty=False),
        Column("outtime", "time"),
    ),
    required=False,
    folder="icu",
)
"""MIMIC-IV, all of MetaVision: it does not say so."""


def read_stays(table: Table, files: Mapping[str, Path], tallies: Mapping[str, Tally]) -> pl.DataFrame | None:
    """The stays (`chartune.sources.source`), in the order of the file; None: the source has no such table.

    Raises:
        SchemaError: the table is damaged or breaks its contract, or a stay occurs twice.
    """
    if table.name not in files:
        return None
    raw = each_once(read(files[table.name], table, tallies[table.name]), "stay_id", files[table.name])
    system = pl.col("dbsource").str.strip_chars().str.to_lowercase()
    named = raw.with_columns(
        dbsource=system if "dbsource" in raw.columns else pl.lit(None, pl.String),
        first_careunit=pl.col("first_careunit").str.strip_chars(),
    )
    return named.select("subject_id", "hadm_id", "stay_id", "dbsource", "first_careunit", "intime", "outtime")


def strays(table: str, stays: pl.DataFrame | None, admissions: pl.DataFrame) -> tuple[str, ...]:
    """The warning that ICU stays belong to no admission, if some do."""
    count = (
        0
        if stays is None
        else stays.drop_nulls("hadm_id").join(admissions, on=["subject_id", "hadm_id"], how="anti").height
    )
    return (f"{table}: {count} stays of admissions that the table of admissions lacks.",) if count else ()
