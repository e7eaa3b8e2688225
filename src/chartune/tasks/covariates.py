"""Covariates: what a hospital knows of a patient on arrival without any note, kept beside prepared data.

    raw source ─▶ admissions, subjects, diagnoses of earlier stays ─▶ covariates/<fingerprint>/covariates.parquet

hadm_id i64 · age f64? · earlier_stays i64 · gender, admission_type, insurance, language, race str? · earlier list[str]

`earlier` are three-character ICD categories of stays that had ended when this one began, such as `icd9:428`. Diagnoses
of the stay itself are billed after discharge and are left out.
"""

from pathlib import Path
from typing import Final

import polars as pl

from chartune.config import fingerprint
from chartune.sources.source import Records
from chartune.store import Artefact, Store
from chartune.tasks.frames import read_frame, write_frame
from chartune.tasks.prepare import AnyPreparation, Preparation

REVISION: Final = 1
SHELF: Final = "covariates"
FILE: Final = "covariates.parquet"
NAMED: Final = ("gender", "admission_type", "insurance", "language", "race")
MEASURED: Final = ("age", "earlier_stays")
EARLIER: Final = "earlier"


def covariates_of(data: Artefact, preparation: AnyPreparation, store: Store) -> pl.DataFrame | None:
    """The covariates of all admissions of some prepared data, made from their raw source on first use.

    Args:
        data: prepared from `preparation`.
        preparation: names the source.
        store: keeps them.

    Returns:
        By hadm_id; None: the source has no admissions.

    Raises:
        SchemaError: a raw table breaks its contract.
        StoreError: the store cannot be written, or the file is damaged.
    """
    if not isinstance(preparation, Preparation):
        return None
    name = fingerprint(SHELF, REVISION, {"data": data.fingerprint})

    def write(folder: Path) -> None:
        write_frame(covariates(preparation.source.load()), folder / FILE)

    return read_frame(store.obtain(SHELF, name, write, {"sensitivity": "restricted"}).file(FILE))


def covariates(records: Records) -> pl.DataFrame:
    """What is known of each admission on arrival; columns as above, by hadm_id."""
    rows = records.admissions.join(
        records.subjects.select("subject_id", "gender"), on="subject_id", how="left", maintain_order="left"
    )
    named = [_level(name) if name in rows.columns else pl.lit(None, pl.String).alias(name) for name in NAMED]
    age = pl.col("age").cast(pl.Float64) if "age" in rows.columns else pl.lit(None, pl.Float64).alias("age")
    earlier = _earlier(records)
    return (
        rows.select("hadm_id", age, *named)
        .join(earlier, on="hadm_id", how="left", maintain_order="left")
        .with_columns(pl.col("earlier_stays").fill_null(0), pl.col(EARLIER).fill_null([]))
        .unique("hadm_id", keep="first")
        .sort("hadm_id")
    )


def _level(name: str) -> pl.Expr:
    level = pl.col(name).str.strip_chars().str.to_lowercase()
    return pl.when(level != "").then(level).alias(name)


def _earlier(records: Records) -> pl.DataFrame:
    """hadm_id · earlier_stays · earlier, of admissions whose patient had been discharged before."""
    stays = records.admissions.select("subject_id", "hadm_id", "admittime", "dischtime")
    before = stays.select("subject_id", past="hadm_id", ended="dischtime")
    pairs = stays.join(before, on="subject_id").filter(
        (pl.col("past") != pl.col("hadm_id")) & (pl.col("ended") <= pl.col("admittime"))
    )
    counted = pairs.group_by("hadm_id").agg(earlier_stays=pl.col("past").n_unique().cast(pl.Int64))
    if records.diagnoses is None:
        return counted.with_columns(pl.lit([], pl.List(pl.String)).alias(EARLIER))
    category = pl.format("icd{}:{}", "icd_version", pl.col("icd_code").str.slice(0, 3).str.to_uppercase())
    billed = records.diagnoses.drop_nulls(["icd_code", "icd_version"]).select(past="hadm_id", category=category)
    codes = pairs.join(billed, on="past").group_by("hadm_id").agg(pl.col("category").unique().sort().alias(EARLIER))
    return counted.join(codes, on="hadm_id", how="left")
