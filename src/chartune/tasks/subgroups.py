"""Subgroups: to which groups of patients an admission belongs. Reports score models by them; no model reads them.

    admissions, subjects ─▶ subgroups.parquet     hadm_id i64 · sex · age · race · insurance · years, str? each

What the source does not know is null. Data that were prepared by an earlier version have no such file.
"""

from typing import Final

import polars as pl

from chartune.sources.source import Records
from chartune.store import Artefact
from chartune.tasks.characteristics import level_of
from chartune.tasks.frames import read_frame

SUBGROUPS: Final = "subgroups.parquet"
GROUPED: Final = {"sex": "sex", "age": "age band", "race": "race", "insurance": "insurance", "years": "year group"}
"""Column → what it is called."""
_BANDS: Final = {"under 18": 18, "18 to 44": 45, "45 to 64": 65, "65 to 79": 80, "80 and over": 200}
"""Band → the years that it does not reach."""


def subgroups(records: Records) -> pl.DataFrame:
    """Of each admission its groups; columns as above, by hadm_id."""
    rows = records.admissions.join(records.subjects, on="subject_id", how="left", maintain_order="left")
    known = set(rows.columns)

    def level(name: str, column: str) -> pl.Expr:
        return (level_of(name, column) if column in known else pl.lit(None, pl.String)).alias(name)

    band = pl.coalesce(pl.when(pl.col("age") < end).then(pl.lit(name)) for name, end in _BANDS.items())
    return rows.select(
        "hadm_id", level("sex", "gender"), (band if "age" in known else pl.lit(None, pl.String)).alias("age"),
        level("race", "race"), level("insurance", "insurance"), level("years", "anchor_year_group"),
    ).unique("hadm_id", keep="first").sort("hadm_id")  # fmt: skip


def read_subgroups(data: Artefact) -> pl.DataFrame | None:
    """Of prepared data; None: they have none. Raises StoreError: the file is damaged."""
    return read_frame(data.file(SUBGROUPS)) if data.holds(SUBGROUPS) else None
