"""Repeated k-fold by patient: every patient is asked about once in each repeat.

    repeat 1   fold 1  [test][ train, validation of the rest            ]
               fold 2  [ train, ...  ][test][ ... train, validation     ]
               fold 5  [ train, validation of the rest           ][ test]
    repeat 2   the same with other folds

One config is one fold; a study runs over `splits.fold`. A hash decides, so that new patients never move old ones; the
folds are therefore of nearly, not exactly, the same size.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from chartune.quantities import Fraction
from chartune.sources.splits.hashed import BITS, SaltedSplit, learnt_from


class KFoldSplit(SaltedSplit):
    """One fold is asked about, the others are learnt from."""

    kind: Literal["kfold"] = "kfold"
    folds: int = Field(5, ge=2)
    """How many folds there are."""
    fold: int = Field(1, ge=1)
    """Which of them is the test split, counted from 1."""
    repeat: int = Field(1, ge=1)
    """Which division into folds this is, counted from 1; each is drawn anew."""
    validation: Fraction = 0.1
    """Share of the other folds to choose settings and the moment to stop by."""
    calibration: Fraction = 0.0
    """Share of the other folds to fit probabilities on."""

    @model_validator(mode="after")
    def _there_is_such_a_fold(self) -> Self:
        if self.fold > self.folds:
            raise ValueError(f"fold must be from 1 to {self.folds}, the number of folds, but is {self.fold}")
        return self

    def shares(self) -> dict[str, float]:
        """Split → its share of the other folds."""
        return learnt_from(self.validation, self.calibration)

    def split_of(self, subject_id: int) -> str:
        """The split of one patient: `test` in its own fold, elsewhere as a hash of its own for that fold says."""
        if self.fold_of(subject_id) == self.fold:
            return "test"
        return self.drawn(f"{self.repeat}:{self.fold}:rest:{subject_id}")

    def fold_of(self, subject_id: int) -> int:
        """The fold of one patient in this repeat, counted from 1."""
        return 1 + (self.bits(f"{self.repeat}:{subject_id}") * self.folds >> BITS)
