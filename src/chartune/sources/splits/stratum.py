"""A stratum: a part of the test split on which another question can be asked."""

from dataclasses import replace
from typing import Final

import polars as pl

from chartune.errors import DataError
from chartune.sources.splits.split import Assignment

CAREVUE: Final = "carevue"


def carevue_only(assignment: Assignment, stays: pl.DataFrame | None) -> Assignment:
    """The assignment with those test patients of MIMIC-III only who cannot stand in MIMIC-IV.

    MIMIC-III and MIMIC-IV hold the same admissions of 2008 to 2012. Whose ICU stays were all charted in CareVue, which
    was replaced in 2008, was there before, so that text of MIMIC-IV tells nothing of them. The others leave the test
    split, and with it the data: they are not learnt from either.

    Args:
        assignment: of any split.
        stays: `Records.stays`: subject_id i64 · dbsource str? (carevue, metavision, both), a row per ICU stay.

    Raises:
        DataError: the source knows no stays or not in which system they were charted, or no test patient is left.
    """
    if stays is None or stays["dbsource"].null_count() == stays.height:
        raise DataError(
            "the CareVue stratum needs ICUSTAYS with its column DBSOURCE, but this source does not have it; only "
            "MIMIC-III does: leave `stratum` out."
        )
    pure = pl.col("dbsource").str.to_lowercase().str.strip_chars().eq_missing(CAREVUE).all()
    charted = stays.group_by("subject_id").agg(pure.alias("pure"))
    known = assignment.frame.join(charted, on="subject_id", how="left", maintain_order="left")
    tested = known.filter(pl.col("split") == "test")
    kept = known.filter((pl.col("split") != "test") | pl.col("pure").fill_null(False))
    stayless = tested["pure"].null_count()
    others = known.height - kept.height - stayless
    if tested.height and others + stayless == tested.height:
        raise DataError(
            f"the CareVue stratum must leave somebody in the test split, but of {tested.height} test patients {others} "
            f"have stays charted elsewhere and {stayless} none at all; leave `stratum` out, or use other splits."
        )
    notice = (
        f"splits: {others} of {tested.height} test patients have an ICU stay that was not charted in CareVue and are "
        f"left out, and {stayless} who have no ICU stay.",
    )
    return replace(assignment, frame=kept.select("subject_id", "split"), notices=(*assignment.notices, *notice))
