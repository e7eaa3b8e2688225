"""Ventilation in MIMIC-IV: mimic-code's rules, one status per moment and episodes of one status.

    time ─▶       I   I   I   O   O      14 h or more      O   O       I invasive · O oxygen
    episodes      └───────────┘                                        each row lasts until the next, of any status,
                              └───┘                        └───┘       unless that is 14 h away

An episode needs two rows of its status at different times.

To the published rules a tracheostomy is a status before a machine's mode is looked at. Nurses and therapists chart the
two minutes apart, so that a machine through a cannula falls to pieces. Of stays with a tracheostomy there is therefore
a second reading beside the published one (`on-machine`): there the machine comes first, and a cannula alone says
nothing of it.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import polars as pl

from chartune.sources.links import of_own_stays
from chartune.sources.tables import Tally
from chartune.sources.ventilation import items
from chartune.sources.ventilation.by_patient import RowsByPatient
from chartune.sources.ventilation.chart_rows import CHARTEVENTS_4, charted
from chartune.sources.ventilation.episodes import ON_MACHINE, OXYGEN_JOINS, OxygenJoin, placed

Counting = Literal["boundaries", "elapsed"]
"""How hours between two times are counted. `boundaries`: full hours of the clock that begin between them, as the
published query does, so that 00:59 and 14:00 are 14 h apart; `elapsed`: as time that goes by."""
PAUSE_HOURS: Final = 14
"""A pause of at least so many hours ends an episode."""
DEVICES: Final = 4
"""Devices of one moment that count."""
_MOMENT: Final = ["subject_id", "charttime"]
_HOUR: Final = 3_600_000_000


def episodes(
    files: Mapping[str, Path],
    tallies: Mapping[str, Tally],
    stays: pl.DataFrame,
    counting: Counting = "boundaries",
) -> dict[OxygenJoin, pl.DataFrame]:
    """All episodes of a release by both joins: `chartune.sources.ventilation.EPISODES`, in one pass over chartevents.

    Args:
        files: table → raw file.
        tallies: table → what was counted while it was read.
        stays: `chartune.sources.source.Records.stays`.
        counting: see `Counting`.

    Raises:
        SchemaError: the table is damaged, or its rows about breathing break the contract.
        StoreError: the disk of temporary files is full.
    """
    tally = tallies[CHARTEVENTS_4.name]
    tally.restart()
    with RowsByPatient("subject_id") as kept:
        for rows in charted(files[CHARTEVENTS_4.name], CHARTEVENTS_4, tally):
            kept.add(of_own_stays(rows, stays, tally))
        groups = [{join: derived(statuses(rows, join), counting) for join in OXYGEN_JOINS} for rows in kept.groups()]
    return {join: placed([part[join] for part in groups], stays) for join in OXYGEN_JOINS}


def statuses(rows: pl.DataFrame, oxygen_join: OxygenJoin) -> pl.DataFrame:
    """How patients breathed at each moment that says it.

    A moment belongs to a patient, as in the published query; in the odd case of two ICU stays the later number counts.

    Args:
        rows: subject_id · stay_id · charttime · storetime? · itemid · value, all of each patient.
        oxygen_join: see `OxygenJoin`.

    Returns:
        subject_id · stay_id · charttime · status? · own? (that of chartune).
    """
    modes = _modes(rows)
    oxygen = _oxygen(rows, oxygen_join)
    both = modes.join(oxygen, on=["subject_id", "stay_id", "charttime"], how="full", coalesce=True)
    return both.select("subject_id", "stay_id", "charttime", status=_status(), own=_own_status())


def derived(moments: pl.DataFrame, counting: Counting = "boundaries") -> pl.DataFrame:
    """The published episodes of whole ICU stays, and beside them, where there is a tracheostomy, those on a machine.

    Args and returns: as `durations`; moments from `statuses`.
    """
    cut = moments.filter(pl.col("status") == "tracheostomy")
    own = moments.join(cut, on="stay_id", how="semi").drop("status").rename({"own": "status"}).drop_nulls("status")
    published = durations(moments.drop_nulls("status"), counting)
    return pl.concat([published, durations(own, counting).filter(pl.col("status") == ON_MACHINE)])


def durations(moments: pl.DataFrame, counting: Counting = "boundaries") -> pl.DataFrame:
    """The episodes of whole ICU stays.

    Args:
        moments: subject_id · stay_id · charttime · status, all of each stay.
        counting: see `Counting`.

    Returns:
        subject_id · stay_id · status · starttime · endtime.
    """
    status, time = pl.col("status"), pl.col("charttime")
    marked = moments.sort("stay_id", "charttime").with_columns(
        before=status.shift(1).over("stay_id"),
        alike=time.shift(1).over("stay_id", "status"),
        following=time.shift(-1).over("stay_id"),
    )
    alike, following = pl.col("alike"), pl.col("following")
    opens = (status != pl.col("before")).fill_null(True) | _far(alike, time, counting).fill_null(False)
    lasts = pl.when(_far(time, following, counting).fill_null(True)).then(time).otherwise(following)
    numbered = marked.with_columns(number=opens.cast(pl.Int64).cum_sum().over("stay_id"), until=lasts)
    merged = numbered.group_by("stay_id", "number").agg(
        pl.col("subject_id", "status").first(), starttime=time.min(), latest=time.max(), endtime=pl.col("until").max()
    )
    kept = merged.filter(pl.col("starttime") != pl.col("latest"))
    return kept.select("subject_id", "stay_id", "status", "starttime", "endtime")


def _far(start: pl.Expr, end: pl.Expr, counting: Counting) -> pl.Expr:
    if counting == "elapsed":
        return end - start >= timedelta(hours=PAUSE_HOURS)
    return end.dt.epoch("us") // _HOUR - start.dt.epoch("us") // _HOUR >= PAUSE_HOURS


def _modes(rows: pl.DataFrame) -> pl.DataFrame:
    """subject_id · charttime · stay_id · mode? · hamilton? (of several the last in the alphabet)."""
    item, value = pl.col("itemid"), pl.col("value")
    read = rows.filter(item.is_in([items.MODE_4, items.HAMILTON_4]))
    return read.group_by(_MOMENT).agg(
        pl.col("stay_id").max(),
        mode=value.filter(item == items.MODE_4).max(),
        hamilton=value.filter(item == items.HAMILTON_4).max(),
    )


def _oxygen(rows: pl.DataFrame, oxygen_join: OxygenJoin) -> pl.DataFrame:
    """subject_id · charttime · stay_id · device (the first) · masked (whether any device is a mask)."""
    read = rows.filter(pl.col("itemid") == items.DEVICE_4)
    # What was entered last comes first; null times of entry come after all others.
    ordered = read.sort("storetime", "value", descending=True, nulls_last=True, maintain_order=True)
    devices = ordered.group_by(_MOMENT, maintain_order=True).agg(
        pl.col("stay_id").max(),
        device=pl.col("value").first(),
        masked=pl.col("value").head(DEVICES).is_in(items.MASKS_4).any(),
    )
    if oxygen_join == "fixed":
        return devices
    flows = rows.filter(pl.col("itemid").is_in(items.FLOWS_4)).group_by(_MOMENT).agg(pl.col("stay_id").max())
    return flows.join(devices.drop("stay_id"), on=_MOMENT)


def _status() -> pl.Expr:
    """The first rule that applies."""
    device, hamilton = pl.col("device"), pl.col("hamilton")
    rules = {
        "tracheostomy": [device.is_in(items.TRACHEOSTOMY_4)],
        "invasive": _invasive(),
        "non-invasive": [pl.col("masked"), hamilton.is_in(items.NONINVASIVE_HAMILTON_4)],
        "high-flow": [device.is_in(items.HIGH_FLOW_4)],
        "oxygen": [device.is_in(items.OXYGEN_4)],
        "none": [device.is_in(items.NOTHING_4)],
    }
    named = [
        pl.when(pl.any_horizontal(rule.fill_null(False) for rule in some)).then(pl.lit(status))
        for status, some in rules.items()
    ]
    return pl.coalesce(named)


def _own_status() -> pl.Expr:
    """`on-machine` first; nothing where a cannula stands alone; else as published."""
    cannula = (pl.col("device") == items.CANNULA_4).fill_null(False)
    machine = pl.any_horizontal(rule.fill_null(False) for rule in _invasive())
    return pl.when(machine).then(pl.lit(ON_MACHINE)).when(~cannula).then(_status())


def _invasive() -> list[pl.Expr]:
    return [
        pl.col("device").is_in(items.TUBE_4),
        pl.col("mode").is_in(items.INVASIVE_MODES_4),
        pl.col("hamilton").is_in(items.INVASIVE_HAMILTON_4),
    ]
