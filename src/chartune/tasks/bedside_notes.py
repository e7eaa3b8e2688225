"""Bedside notes: what had been stored in the chart when the prediction is made. The prospective input.

    admission ──┬── notes ──┬── prediction_time = anchor + hours ──▶ outcome
                └ anchor: admittime, or what the task says (first ventilation)

MIMIC-III has nursing, physician, respiratory and radiology notes; MIMIC-IV-Note has radiology reports only. A note
counts from the later of its charttime and its storetime; a radiology report of MIMIC-III has a charttime only. A
discharge summary never counts, whatever times it bears.
"""

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

import polars as pl
from pydantic import Field, field_validator

from chartune.sources.coverage import Rule
from chartune.tasks.attrition import KEY, Attrition, Cohort
from chartune.tasks.inputs import SUMMARY, Input, Seen, texts_of, timed, unread

ANCHOR: Final = "anchor"
"""Column of admissions from which hours are counted; where a task has none, it is admittime."""
KNOWN_AT: Final = pl.max_horizontal("storetime", "charttime")
"""From when on a note could be read; a note that bears a time after the prediction never counts."""

_BEDSIDE: Final = Rule(
    "a bedside note", "admissions", 0.25,
    "Do notes name their admission (hadm_id), and are their categories among `reads.types`?",
)  # fmt: skip
_TIMED: Final = Rule("a time", "notes", 0.5, "Are charttime and storetime filled, or is there only a date?")
_IN_TIME: Final = Rule(
    "a note stored by the prediction", "admissions", 0.25,
    "Are the times of notes and of admissions of one clock, or is `reads.hours` short?",
)  # fmt: skip


class BedsideNotes(Input):
    """The notes that were stored in the first hours."""

    kind: Literal["bedside-notes"] = "bedside-notes"
    shared: ClassVar[bool] = False
    """The anchor is the task's."""
    hours: float = Field(24, gt=0, le=24 * 36500)
    """From the anchor to the prediction."""
    since: Literal["admission", "anchor"] = "admission"
    """Whether notes before the anchor count; `anchor` is the window of Clinical XLNet (Huang et al., 2020)."""
    types: tuple[str, ...] = ("Nursing", "Nursing/other", "Physician", "Respiratory", "Radiology")
    """Categories of notes, trailing blanks stripped."""
    order: Literal["latest-first", "oldest-first"] = "latest-first"
    """A model that reads the first tokens only should read the latest news."""

    @field_validator("types")
    @classmethod
    def _no_summary(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if SUMMARY in types:
            raise ValueError("a discharge summary is written after the outcome and is no bedside note; leave it out")
        return types

    def seen(self) -> Seen:
        """What the model reads, in words."""
        names = ", ".join(self.types).lower()
        since = "" if self.since == "admission" else " since then"
        return Seen(
            when=f"{self.hours:g} hours after admission, or after the event that the task names",
            what=f"notes stored until the prediction{since} ({names}), {self.order.replace('-', ' ')}",
            kind="prospective",
        )

    def categories(self) -> tuple[str, ...]:
        """The types."""
        return self.types

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """Admissions that still last when the prediction is made, and their notes known by then."""
        predicted = pl.col(ANCHOR) + pl.duration(minutes=round(self.hours * 60))
        cohort = timed(_anchored(cohort), predicted)
        # Who leaves in this minute is still there: cohorts of readmission predict at discharge.
        lasts = (pl.col("dischtime") >= pl.col("prediction_time")) & (
            pl.col("deathtime").is_null() | (pl.col("deathtime") > pl.col("prediction_time"))
        )
        why = "who has left or died by then is not asked about"
        cohort = attrition.record("still there at the prediction", why, cohort.whose(lasts))
        types = ", ".join(self.types)
        bedside = cohort.reading(pl.col("category").is_in(self.types))
        cohort = attrition.record("bedside note", types, bedside, _BEDSIDE)
        why = "its author marked it as an error"
        cohort = attrition.record("not withdrawn", why, cohort.reading(~pl.col("is_error")))
        cohort = attrition.record("has text", "a note without words", cohort.reading(pl.col("words") > 0))
        why = "of others nobody knows when"
        cohort = attrition.record("has a time", why, cohort.reading(KNOWN_AT.is_not_null()), _TIMED)
        return attrition.record("stored in time", "written later", self._in_time(cohort), _IN_TIME)

    def read_notes(self, notes: pl.DataFrame) -> pl.DataFrame:
        """The notes of each admission of a portion, joined in order; all are alive then, and no text tells a death."""
        latest = self.order == "latest-first"
        ordered = notes.with_columns(known=KNOWN_AT).sort(
            "hadm_id", "known", "note_seq", descending=[False, latest, latest]
        )
        return texts_of(ordered, _joined, unread, KNOWN_AT)

    def _in_time(self, cohort: Cohort) -> Cohort:
        times = cohort.admissions.select("subject_id", "hadm_id", "prediction_time", "admittime", ANCHOR)
        known = cohort.notes.join(times, on=KEY, maintain_order="left")
        begins = pl.col(ANCHOR) if self.since == "anchor" else pl.col("admittime")
        in_time = (pl.col("prediction_time") >= KNOWN_AT) & (pl.coalesce("charttime", "storetime") >= begins)
        kept = known.filter(in_time).drop("prediction_time", "admittime", ANCHOR)
        return Cohort(cohort.admissions, kept).reading(pl.lit(True))


def _anchored(cohort: Cohort) -> Cohort:
    if ANCHOR in cohort.admissions.columns:
        return cohort
    return Cohort(cohort.admissions.with_columns(pl.col("admittime").alias(ANCHOR)), cohort.notes)


def _joined(texts: Sequence[str]) -> str:
    return "\n\n".join(text.strip() for text in texts)
