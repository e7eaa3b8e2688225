"""Ventilation in MIMIC-III: mimic-code's rules of classification and duration, on columns instead of in SQL.

    time ─▶      M   M     M  X       M   O M         M    M setting of a machine · X tube out · O oxygen
    newvent      0   0     0  0       1   1 0         1
    episodes     └────────────┘       ·     ·         ·    a new one after X, at O, and after more than 8 h without M;
                                                           those of one moment or without M are dropped

Machine settings do not tell a mask from a tube, and a tracheostomy looks like either: the status is `ventilated`.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from chartune.sources.links import of_own_stays
from chartune.sources.tables import Tally
from chartune.sources.ventilation import items
from chartune.sources.ventilation.by_patient import RowsByPatient
from chartune.sources.ventilation.chart_rows import CHARTEVENTS_3, PROCEDUREEVENTS_MV, charted
from chartune.sources.ventilation.episodes import placed

PAUSE: Final = timedelta(hours=8)
"""A longer one without any setting of a machine ends an episode."""
STATUS: Final = "ventilated"
_KEY: Final = ["stay_id", "charttime"]
_SETTINGS: Final = [item for some in items.SETTINGS_3.values() for item in some]


def episodes(files: Mapping[str, Path], tallies: Mapping[str, Tally], stays: pl.DataFrame) -> pl.DataFrame:
    """All episodes of a release: `chartune.sources.ventilation.EPISODES`.

    One pass over CHARTEVENTS and, where it is there, PROCEDUREEVENTS_MV. Rows without ICUSTAY_ID are left out and
    counted; the published query takes them all for one stay.

    Args:
        files: table → raw file.
        tallies: table → what was counted while it was read.
        stays: `chartune.sources.source.Records.stays`.

    Raises:
        SchemaError: a table is damaged, or its rows about breathing break the contract.
        StoreError: the disk of temporary files is full.
    """
    with RowsByPatient("stay_id") as kept:
        for table, read in ((CHARTEVENTS_3, classified), (PROCEDUREEVENTS_MV, extubations)):
            if table.name in files:
                tallies[table.name].restart()
                for rows in charted(files[table.name], table, tallies[table.name]):
                    kept.add(read(of_own_stays(rows, stays, tallies[table.name])))
        return placed([durations(rows) for rows in kept.groups()], stays)


def classified(rows: pl.DataFrame) -> pl.DataFrame:
    """What rows of CHARTEVENTS say of a moment.

    Args:
        rows: stay_id · charttime · itemid · value, of some items; a moment may be in several batches.

    Returns:
        subject_id · stay_id · charttime · machine · oxygen · extubated bool · by_patient bool? (null), without rows
        that say nothing, or that say what the row before has said.
    """
    item, value = pl.col("itemid"), pl.col("value")
    machine = item.is_in(_SETTINGS) | ((item == items.DEVICE_3) & (value == items.ON_MACHINE_3))
    for mode, other in items.MODES_3.items():
        machine |= (item == mode) & (value != other)
    flags = {"machine": machine, "oxygen": _says(items.OXYGEN_3), "extubated": _says(items.EXTUBATED_3)}
    informative = rows.select("subject_id", *_KEY, **flags).filter(pl.any_horizontal(*flags))
    news = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in (*_KEY, *flags)).fill_null(True)
    return informative.filter(news).with_columns(by_patient=pl.lit(None, pl.Boolean))


def extubations(rows: pl.DataFrame) -> pl.DataFrame:
    """The moments at which MetaVision's procedures took the tube out, one row for each and who did it."""
    return rows.select(
        "subject_id",
        *_KEY,
        machine=pl.lit(False),
        oxygen=pl.lit(False),
        extubated=pl.lit(True),
        by_patient=pl.col("itemid") == items.BY_PATIENT_3,
    )


def durations(rows: pl.DataFrame) -> pl.DataFrame:
    """The episodes of whole ICU stays.

    Args:
        rows: from `classified` and `extubations`, all of each stay.

    Returns:
        subject_id · stay_id · status · starttime · endtime.
    """
    ordered = _moments(rows).sort(*_KEY, "extubated")
    machine, time = pl.col("machine"), pl.col("charttime")
    active = machine | pl.col("extubated")
    marked = ordered.with_columns(active=active).with_columns(
        before=time.shift(1).over("stay_id", "machine"),
        out_before=pl.col("extubated").shift(1).over("stay_id", "active").fill_null(False),
    )
    paused = machine & (time > pl.col("before") + PAUSE).fill_null(False)
    opens = (pl.col("active") & pl.col("out_before")) | (~machine & pl.col("oxygen")) | paused
    numbered = marked.with_columns(number=opens.cast(pl.Int64).cum_sum().over("stay_id"))
    # Rows of one moment share the highest number, as a running sum by time does in SQL.
    shared = numbered.with_columns(pl.col("number").max().over(_KEY)).filter("active")
    merged = shared.group_by("stay_id", "number").agg(
        pl.col("subject_id").min(), starttime=time.min(), endtime=time.max(), machine=machine.any()
    )
    kept = merged.filter(pl.col("machine") & (pl.col("starttime") != pl.col("endtime")))
    return kept.select("subject_id", "stay_id", "starttime", "endtime", status=pl.lit(STATUS))


def _says(values: Mapping[int, frozenset[str]]) -> pl.Expr:
    item, value = pl.col("itemid"), pl.col("value")
    return pl.any_horizontal((item == code) & value.is_in(some) for code, some in values.items())


def _moments(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per stay and moment of the chart, and beside it one per way in which a procedure took the tube out."""
    return rows.group_by(*_KEY, "by_patient").agg(
        pl.col("subject_id").min(), *(pl.col(name).max() for name in ("machine", "oxygen", "extubated"))
    )
