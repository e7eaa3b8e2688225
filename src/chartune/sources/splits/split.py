"""A split: the names of its parts, who stands where, and what every way of splitting does."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import polars as pl

SPLITS: Final = ("train", "validation", "calibration", "test")
"""The splits of a task, in the order in which tables show them."""
CORPUS_ONLY: Final = "corpus"
"""Patients whose text a language model may be adapted on, and who stand in no task."""
HELD_OUT: Final = ("validation", "calibration", "test")
"""Patients whose text must not be learnt from."""
SCHEMA: Final = {"subject_id": pl.Int64(), "split": pl.String()}
"""Columns of an assignment."""
NAMES: Final = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "tuning": "validation",
    "calibration": "calibration", "calib": "calibration",
    "test": "test", "testing": "test", "held_out": "test",
    "background": CORPUS_ONLY, "corpus": CORPUS_ONLY,
}  # fmt: skip
"""What others call a split → what it is called here; `tuning` and `held_out` are the words of MEDS."""


@dataclass(frozen=True)
class Assignment:
    """Who stands where."""

    frame: pl.DataFrame
    """subject_id i64 (unique, ascending) · split str; patients in no split are left out."""
    warnings: tuple[str, ...] = ()
    """How lists and patients fail to cover each other, and who was left out; counts only."""


class Split(Protocol):
    """What every member of `sources.catalog.AnySplit` does."""

    def rule(self) -> dict[str, Any]:
        """All that determines who stands where, as plain JSON; part of the data's fingerprint."""

    def assign(self, subjects: pl.DataFrame) -> Assignment:
        """The split of each of these patients.

        Args:
            subjects: `Records.subjects`: subject_id i64, and whatever else the source knows of a patient.
        """


def assigned(ids: pl.Series, splits: list[str]) -> pl.DataFrame:
    """The frame of an assignment from subject_ids in any order and their splits."""
    return pl.DataFrame({"subject_id": ids, "split": splits}, schema=SCHEMA).sort("subject_id")
