"""Ventilation time: how long was a patient on the ventilator in an ICU stay? Three readings of the same episodes.

▏██████──────███████████────██        hours on, gaps between
▏├──────────── span ─────────┤ + 6 h  first start to last end, gaps ignored, with tolerance (Huang et al., 2020)
▏            ├ longest ┤              the longest episode
▏██████  +   ███████████  + ██        the sum of all
"""

from typing import Final, Literal

import polars as pl

Measure = Literal["span", "longest", "sum"]
TOLERANCE_HOURS: Final = 6
"""Added to a span: the published test is last end + 0.25 day >= first start + D days."""
INVASIVE: Final = ("ventilated", "invasive")
"""Statuses that count; the rules for MIMIC-III do not tell masks from tubes and say `ventilated`."""


def ventilated(
    episodes: pl.DataFrame, statuses: tuple[str, ...], measure: Measure, within: float | None = None
) -> pl.DataFrame:
    """Ventilation of each ICU stay that had some.

    Args:
        episodes: `chartune.sources.ventilation.EPISODES`.
        statuses: which of them count.
        measure: how time is counted.
        within: days from the first ventilation of a stay; nothing later counts, as on that day nobody knows of it.

    Returns:
        subject_id · hadm_id · stay_id · first (its first start) · days f64, sorted by stay_id.
    """
    counted = episodes.filter(pl.col("status").is_in(statuses) & pl.col("hadm_id").is_not_null())
    if within is not None:
        counted = _within(counted, within)
    lasted = pl.col("endtime") - pl.col("starttime")
    times = {
        "span": pl.col("endtime").max() - pl.col("starttime").min() + pl.duration(hours=TOLERANCE_HOURS),
        "longest": lasted.max(),
        "sum": lasted.sum(),
    }
    grouped = counted.group_by("subject_id", "hadm_id", "stay_id").agg(
        first=pl.col("starttime").min(), days=times[measure].dt.total_seconds() / 86_400
    )
    return grouped.sort("stay_id")


def by_admission(stays: pl.DataFrame, base: pl.DataFrame, intimes: pl.DataFrame) -> pl.DataFrame:
    """Admissions with an ICU stay of the base cohort.

    Args:
        stays: from `ventilated`.
        base: those of them that make the cohort.
        intimes: stay_id · intime; a stay that it lacks begins with its ventilation.

    Returns:
        subject_id · hadm_id · anchor (first ventilation in the first such stay) · days (the most of any stay).
    """
    placed = stays.join(intimes.select("stay_id", "intime"), on="stay_id", how="left", maintain_order="left")
    begun = placed.with_columns(pl.col("intime").fill_null(pl.col("first"))).sort("hadm_id", "intime", "stay_id")
    longest = begun.group_by("hadm_id").agg(pl.col("days").max())
    cohort = begun.join(base, on="stay_id", how="semi", maintain_order="left")
    first = cohort.unique("hadm_id", keep="first", maintain_order=True)
    return first.select("subject_id", "hadm_id", anchor="first").join(longest, on="hadm_id", maintain_order="left")


def _within(episodes: pl.DataFrame, days: float) -> pl.DataFrame:
    """What of the episodes lies in so many days from the first start of their stay."""
    until = pl.col("starttime").min().over("stay_id") + pl.duration(seconds=round(days * 86_400))
    begun = episodes.with_columns(until=until).filter(pl.col("starttime") <= pl.col("until"))
    return begun.with_columns(endtime=pl.min_horizontal("endtime", "until")).drop("until")
