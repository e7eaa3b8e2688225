"""Episodes: what the rules of both releases find, in one shape."""

from typing import Final

import polars as pl

EPISODES: Final[dict[str, pl.DataType]] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "stay_id": pl.Int64(),
    "status": pl.String(),
    "starttime": pl.Datetime("us"),
    "endtime": pl.Datetime("us"),
}
"""One row per episode, sorted by stay_id, starttime and status. `hadm_id` is null where the table of ICU stays lacks
the stay. `status`: `ventilated` by the rules for MIMIC-III, which do not tell masks from tubes; by those for MIMIC-IV
`invasive`, `non-invasive`, `tracheostomy`, `high-flow`, `oxygen` or `none` (room air)."""


def placed(found: list[pl.DataFrame], stays: pl.DataFrame) -> pl.DataFrame:
    """Episodes (`EPISODES` without `hadm_id`) with the admission of their ICU stay, in order.

    Args:
        found: by group of patients.
        stays: `chartune.sources.source.Records.stays`.
    """
    none = pl.DataFrame(schema={name: dtype for name, dtype in EPISODES.items() if name != "hadm_id"})
    whole = pl.concat([none, *(part.select(none.columns) for part in found)])
    whole = whole.join(stays.select("stay_id", "hadm_id"), on="stay_id", how="left")
    return whole.select(*EPISODES).sort("stay_id", "starttime", "status")
