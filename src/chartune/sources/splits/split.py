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
OUT_OF_YEARS: Final = "other years"
"""Stands in place of the split of an admission or note whose year its patient's split leaves out."""
STRAYS: Final = (
    "may lie in the years of the test and is not learnt from, or surely lies before them and is not asked about"
)
"""Why they are left out."""
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
    """How lists and patients fail to cover each other, and of whom too little is known; counts only."""
    notices: tuple[str, ...] = ()
    """Who was left out because the split asks for it; counts only."""
    years: pl.DataFrame | None = None
    """Of a split by time, which years of a patient count, as the source shifts them: subject_id i64 (unique) ·
    from_year i64? · to_year i64? (null: no bound); None: all."""

    def placed(self, rows: pl.DataFrame, time: str) -> pl.DataFrame:
        """Rows with the `split` of their patient: null where it has none, `OUT_OF_YEARS` where that leaves them out.

        Args:
            rows: subject_id i64, and whatever else.
            time: their column with a date or time; rows without one are of no year and stay.
        """
        placed = rows.join(self.frame, on="subject_id", how="left", maintain_order="left")
        if self.years is None:
            return placed
        year = pl.col(time).dt.year()
        out = pl.any_horizontal(year < pl.col("from_year"), year > pl.col("to_year")).fill_null(False)
        bounded = placed.join(self.years, on="subject_id", how="left", maintain_order="left")
        split = pl.when(out).then(pl.lit(OUT_OF_YEARS)).otherwise("split")
        return bounded.with_columns(split=split).drop("from_year", "to_year")


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


def left_out(count: int, every: int, why: str) -> tuple[str, ...]:
    """That so many of all patients are in no split, and why; empty: it is nobody."""
    return (f"splits: {count} of {every} patients {why} and are left out.",) if count else ()
