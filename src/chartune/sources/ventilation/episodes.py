"""Episodes: what the rules of both releases find, in one shape."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, Literal, Protocol, get_args

import polars as pl

OxygenJoin = Literal["fixed", "mimic-code"]
"""Whether, in MIMIC-IV, an oxygen device counts where no oxygen flow was charted. `fixed`: yes; `mimic-code`: no, by an
oversight of the published query, which joins devices to flows and then filters on the flows (its issue 1570)."""
OXYGEN_JOINS: Final[tuple[OxygenJoin, ...]] = get_args(OxygenJoin)
ON_MACHINE: Final = "on-machine"
"""Status of an episode that is no part of the published ones, but lies beside them."""
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
`invasive`, `non-invasive`, `tracheostomy`, `high-flow`, `oxygen` or `none` (room air). Beside these, of stays with a
tracheostomy in MIMIC-IV, `on-machine`: a machine through whatever airway, at the time of published episodes."""


class Ventilation(Protocol):
    """The episodes of a source; whoever asks first reads the chart, for both joins at once."""

    def __call__(self, oxygen_join: OxygenJoin = "fixed") -> pl.DataFrame:
        """`EPISODES`; those of MIMIC-III are the same by both."""


def once(derive: Callable[[], Mapping[OxygenJoin, pl.DataFrame]]) -> Ventilation:
    """Episodes by both joins, derived when somebody asks first."""
    by_join = cache(derive)
    return lambda oxygen_join="fixed": by_join()[oxygen_join]


def placed(groups: list[pl.DataFrame], stays: pl.DataFrame) -> pl.DataFrame:
    """Episodes (`EPISODES` without `hadm_id`) with the admission of their ICU stay, in order.

    Args:
        groups: by group of patients.
        stays: `chartune.sources.source.Records.stays`.
    """
    none = pl.DataFrame(schema={name: dtype for name, dtype in EPISODES.items() if name != "hadm_id"})
    whole = pl.concat([none, *(part.select(none.columns) for part in groups)])
    whole = whole.join(stays.select("stay_id", "hadm_id"), on="stay_id", how="left")
    return whole.select(*EPISODES).sort("stay_id", "starttime", "status")
