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
_STAY: Final = ("subject_id", "hadm_id", "stay_id")


def ventilated(
    episodes: pl.DataFrame,
    statuses: tuple[str, ...],
    measure: Measure,
    within: float | None = None,
    tolerance_hours: float = TOLERANCE_HOURS,
) -> pl.DataFrame:
    """Ventilation of each ICU stay that had some.

    Args:
        episodes: `chartune.sources.ventilation.EPISODES`; those that count and overlap or touch are one.
        statuses: which of them count.
        measure: how time is counted.
        within: days from the first ventilation of a stay; no episode that begins later counts.
        tolerance_hours: what a span is given.

    Returns:
        subject_id · hadm_id · stay_id · first (its first start) · days f64, sorted by stay_id.
    """
    counted = _united(_counted(episodes, statuses))
    if within is not None:
        until = pl.col("starttime").min().over("stay_id") + pl.duration(seconds=round(within * 86_400))
        counted = counted.filter(pl.col("starttime") <= until)
    lasted = pl.col("endtime") - pl.col("starttime")
    times = {
        "span": pl.col("endtime").max() - pl.col("starttime").min() + pl.duration(minutes=round(tolerance_hours * 60)),
        "longest": lasted.max(),
        "sum": lasted.sum(),
    }
    grouped = counted.group_by(_STAY).agg(
        first=pl.col("starttime").min(), days=times[measure].dt.total_seconds() / 86_400
    )
    return grouped.sort("stay_id")


def last_ends(episodes: pl.DataFrame, statuses: tuple[str, ...]) -> pl.DataFrame:
    """When the last ventilation of each admission ended, in any of its ICU stays. Args as `ventilated`.

    Returns:
        hadm_id · last.
    """
    return _counted(episodes, statuses).group_by("hadm_id").agg(last=pl.col("endtime").max())


def by_admission(
    stays: pl.DataFrame, base: pl.DataFrame, intimes: pl.DataFrame, counted: Literal["any-stay", "anchor-stay"]
) -> pl.DataFrame:
    """Admissions with an ICU stay of the base cohort.

    Args:
        stays: from `ventilated`.
        base: stays that make the cohort, by their stay_id.
        intimes: stay_id · intime; a stay that it lacks begins with its ventilation.
        counted: whose days are reported: the most of any stay, or those of the stay that gives the anchor.

    Returns:
        subject_id · hadm_id · anchor (first ventilation in the first such stay) · days.
    """
    placed = stays.join(intimes.select("stay_id", "intime"), on="stay_id", how="left", maintain_order="left")
    begun = placed.with_columns(pl.col("intime").fill_null(pl.col("first"))).sort("hadm_id", "intime", "stay_id")
    cohort = begun.join(base, on="stay_id", how="semi", maintain_order="left")
    first = cohort.unique("hadm_id", keep="first", maintain_order=True)
    admissions = first.select("subject_id", "hadm_id", "days", anchor="first")
    if counted == "any-stay":
        longest = begun.group_by("hadm_id").agg(pl.col("days").max())
        admissions = admissions.drop("days").join(longest, on="hadm_id", maintain_order="left")
    return admissions.select("subject_id", "hadm_id", "anchor", "days")


def _counted(episodes: pl.DataFrame, statuses: tuple[str, ...]) -> pl.DataFrame:
    return episodes.filter(pl.col("status").is_in(statuses) & pl.col("hadm_id").is_not_null())


def _united(episodes: pl.DataFrame) -> pl.DataFrame:
    ordered = episodes.sort("stay_id", "starttime")
    reached = pl.col("endtime").cum_max().shift(1).over("stay_id")
    apart = (pl.col("starttime") > reached).fill_null(True)
    numbered = ordered.with_columns(number=apart.cast(pl.Int64).cum_sum())
    return numbered.group_by(*_STAY, "number").agg(pl.col("starttime").min(), pl.col("endtime").max())
