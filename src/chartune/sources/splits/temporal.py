"""A split by time: learn from earlier patients, ask about later ones (MIMIC-IV).

    2008 - 2010  2011 - 2013  2014 - 2016 │ 2017 - 2019  2020 - 2022
    └─ train, validation ───────────────┘ │ └─ test ──────────────┘

Dates in MIMIC are shifted by patient, so only `anchor_year_group` says in which years a patient came. It is the group
of one year of that patient: some of their admissions may be earlier or later than it.
"""

import re
from typing import Any, Final, Literal, Self

import polars as pl
from pydantic import field_validator, model_validator

from chartune.config import Config
from chartune.errors import DataError
from chartune.quantities import Fraction
from chartune.sources.splits.hashed import BITS, digest, share_at
from chartune.sources.splits.split import Assignment, assigned

COLUMN: Final = "anchor_year_group"
_YEARS: Final = r"^\s*(\d{4})\s*-\s*(\d{4})\s*$"


class TemporalSplit(Config):
    """Groups of years decide; within the earlier ones a hash sets patients aside for validation."""

    kind: Literal["temporal"] = "temporal"
    salt: str = "chartune"
    """Another salt, other validation patients."""
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
        return _written(groups) if isinstance(groups, str) else tuple(sorted({_written(group) for group in groups}))

    @model_validator(mode="after")
    def _train_is_before_test(self) -> Self:
        if not self.train or self.train[-1] >= self.test:
            raise ValueError(
                f"train must name groups before test, but {', '.join(self.train) or 'none'} do not all lie before "
                f"{self.test}"
            )
        if self.validation + self.calibration >= 1:
            raise ValueError(
                f"validation + calibration must be below 1, so that somebody is learnt from, but are "
                f"{self.validation + self.calibration:g}"
            )
        return self

    def rule(self) -> dict[str, Any]:
        """The config itself: the groups are in the source's files, which are hashed."""
        return self.hashable()

    def assign(self, subjects: pl.DataFrame) -> Assignment:
        """The split of each of these patients; those without a group, or of a group that is not named, stand in none.

        Raises:
            DataError: the source knows no groups, or nobody is of a group to learn from or to be asked about.
        """
        if COLUMN not in subjects.columns:
            raise DataError(
                f"a temporal split needs the column {COLUMN}, but this source has none; only MIMIC-IV has it: use "
                f"another kind of split."
            )
        grouped = subjects.unique("subject_id").select("subject_id", group=_group(pl.col(COLUMN)))
        placed = grouped.filter(pl.col("group").is_in(self.train) | (pl.col("group") >= self.test))
        learnt = placed.filter(pl.col("group") < self.test).height
        if subjects.height and not 0 < learnt < placed.height:
            groups = ", ".join(grouped["group"].drop_nulls().unique().sort()) or "none"
            raise DataError(
                f"a temporal split needs patients before and after, but {learnt} patients are of its groups to learn "
                f"from and {placed.height - learnt} of those from {self.test} on; the source's groups are: {groups}. "
                f"Choose `train` and `test` among them."
            )
        frame = assigned(placed["subject_id"], [self._split_of(*row) for row in placed.iter_rows()])
        return Assignment(frame, _left_out(grouped, placed.height))

    def _split_of(self, subject_id: int, group: str) -> str:
        if group >= self.test:
            return "test"
        place = digest(f"{self.salt}:{subject_id}") / 2**BITS
        kept = 1 - self.validation - self.calibration
        return share_at(place, {"train": kept, "validation": self.validation, "calibration": self.calibration})


def _left_out(grouped: pl.DataFrame, placed: int) -> tuple[str, ...]:
    unknown = grouped["group"].null_count()
    between = grouped.height - unknown - placed
    counts = {f"have no {COLUMN}": unknown, "are of a group that is in neither part": between}
    told = ((count, f"of {grouped.height} patients {why} and are left out.") for why, count in counts.items())
    return tuple(f"splits: {count} {said}" for count, said in told if count)


def _group(cell: pl.Expr) -> pl.Expr:
    """A group as MIMIC-IV writes it, such as `2008 - 2010`; null where the cell is none."""
    return pl.when(cell.str.contains(_YEARS)).then(cell.str.replace(_YEARS, "$1 - $2"))


def _written(group: str) -> str:
    found = re.match(_YEARS, group)
    if not found:
        raise ValueError("a group of years must read like 2008 - 2010")
    return f"{found[1]} - {found[2]}"
