"""A split by time: learn from earlier patients, ask about later ones (MIMIC-IV).

    2008 - 2010  2011 - 2013  2014 - 2016 │ 2017 - 2019  2020 - 2022
    └─ train, validation ───────────────┘ │ └─ test ──────────────┘

Dates in MIMIC are shifted by patient, so only `anchor_year_group` says in which years a patient came. It is the group
of one year, `anchor_year`: an admission in another year was as many years earlier or later, which tells three years of
which one is meant. Admissions to learn from that may lie in the years of the test, and those to ask about that surely
lie before them, count nowhere.

    anchor_year 2150, of 2014 - 2016    admitted in 2150    2014 to 2016    learnt from
                                                    2152    2016 to 2018    left out: may lie in 2017
"""

from typing import Final, Literal, Self

import polars as pl
from pydantic import field_validator, model_validator

from chartune.errors import DataError
from chartune.quantities import Fraction
from chartune.sources.splits.hashed import SaltedSplit, learnt_from
from chartune.sources.splits.split import Assignment, assigned, left_out
from chartune.sources.years import YEARS, as_written, written

COLUMN: Final = "anchor_year_group"
ANCHOR: Final = "anchor_year"


class TemporalSplit(SaltedSplit):
    """Groups of years decide; within the earlier ones a hash sets patients aside for validation."""

    kind: Literal["temporal"] = "temporal"
    train: tuple[str, ...] = ("2008 - 2010", "2011 - 2013", "2014 - 2016")
    """The groups to learn from; a group between them and `test` is left out."""
    test: str = "2017 - 2019"
    """The first group that is asked about; all later ones are, too."""
    validation: Fraction = 0.1
    """Share of the patients of `train` to choose settings and the moment to stop by."""
    calibration: Fraction = 0.0
    """Share of the patients of `train` to fit probabilities on."""

    @field_validator("train", "test")
    @classmethod
    def _as_mimic_writes_it(cls, groups: tuple[str, ...] | str) -> tuple[str, ...] | str:
        return written(groups) if isinstance(groups, str) else tuple(sorted({written(group) for group in groups}))

    @model_validator(mode="after")
    def _train_is_before_test(self) -> Self:
        if not self.train or self.train[-1] >= self.test:
            raise ValueError(
                f"train must name groups before test, but {', '.join(self.train) or 'none'} do not all lie before "
                f"{self.test}"
            )
        return self

    def shares(self) -> dict[str, float]:
        """Split → its share of the patients of `train`."""
        return learnt_from(self.validation, self.calibration)

    def assign(self, subjects: pl.DataFrame) -> Assignment:
        """The split of each of these patients; those without a group or year, or of a group not named, stand in none.

        Raises:
            DataError: the source knows no groups, or nobody is of a group to learn from or to be asked about.
        """
        if not {COLUMN, ANCHOR} <= set(subjects.columns):
            raise DataError(
                f"a temporal split needs the columns {COLUMN} and {ANCHOR}, but this source lacks them; only MIMIC-IV "
                f"has them: use another kind of split."
            )
        known = pl.when(pl.col(ANCHOR).is_not_null()).then(_group(pl.col(COLUMN)))
        grouped = subjects.unique("subject_id").select("subject_id", ANCHOR, group=known)
        placed = grouped.filter(pl.col("group").is_in(self.train) | (pl.col("group") >= self.test))
        learnt = placed.filter(pl.col("group") < self.test).height
        if subjects.height and not 0 < learnt < placed.height:
            groups = ", ".join(grouped["group"].drop_nulls().unique().sort()) or "none"
            raise DataError(
                f"a temporal split needs patients before and after, but {learnt} patients are of its groups to learn "
                f"from and {placed.height - learnt} of those from {self.test} on; the source's groups are: {groups}. "
                f"Choose `train` and `test` among them."
            )
        every, unknown = grouped.height, grouped["group"].null_count()
        rows = placed.select("subject_id", "group").iter_rows()
        splits = ["test" if group >= self.test else self.split_of(who) for who, group in rows]
        return Assignment(
            assigned(placed["subject_id"], splits),
            warnings=left_out(unknown, every, f"have no {COLUMN} or {ANCHOR}"),
            notices=left_out(every - unknown - placed.height, every, "are of a group that is in neither part"),
            years=self._years(placed),
        )

    def _years(self, placed: pl.DataFrame) -> pl.DataFrame:
        """The years of each patient that count (`Assignment.years`): those to learn from end before any of the test."""
        first = pl.col(ANCHOR) + int(self.test[:4]) - pl.col("group").str.tail(4).cast(pl.Int64)
        tested = pl.col("group") >= self.test
        return placed.select(
            "subject_id", from_year=pl.when(tested).then(first), to_year=pl.when(~tested).then(first - 1)
        )


def _group(cell: pl.Expr) -> pl.Expr:
    """A group as MIMIC-IV writes it, such as `2008 - 2010`; null where the cell is none."""
    return pl.when(cell.str.contains(YEARS)).then(as_written(cell))
