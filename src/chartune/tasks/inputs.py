"""Inputs: what a model reads of a chart, and from when on it could have been read.

admission-note   sections of the discharge summary that describe the patient on arrival   written after the outcome
whole-summary    the whole discharge summary                                              written after the outcome
bedside-notes    what was stored before the prediction is made                            prospective
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import polars as pl

from chartune.config import Config
from chartune.tasks.attrition import KEY, Attrition, Cohort

EXAMPLES: Final[dict[str, pl.DataType]] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "split": pl.String(),
    "text": pl.String(),
    "asked": pl.List(pl.String()),
    "prediction_time": pl.Datetime("us"),
    "text_time": pl.Datetime("us"),
}
"""Columns of a task's examples, one row per admission. Prepared data have `label` in place of `asked`.

`text_time`: when the latest note of the text was charted or stored, whichever came last; null where the text was
written after the outcome, or nobody knows when."""
TEXT_TIME: Final = "text_time"
NOTES_READ: Final = "notes_read"
"""A further column while examples are being made: how many notes the text comes from, for the attrition."""
SUMMARY: Final = "Discharge summary"
TELLS_DEATH: Final = "tells_death"
READ: Final[dict[str, pl.DataType]] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "text": pl.String(),
    NOTES_READ: pl.UInt32(),
    TELLS_DEATH: pl.Boolean(),
    TEXT_TIME: EXAMPLES[TEXT_TIME],
}
"""Columns of what is read: one row per admission, the notes that it comes from, whether it says that the patient died,
and since when it has been there to be read."""
NOT_PROSPECTIVE: Final = pl.lit(None, EXAMPLES[TEXT_TIME])
"""The time of a note that is not read as of a time."""


@dataclass(frozen=True)
class Seen:
    """An input in words."""

    when: str
    """The moment of the prediction."""
    what: str
    """The text."""
    kind: Literal["retrospective-text", "prospective", "as-given"]
    tells_outcome: bool = False
    """Whether the text says how the stay went."""


class Input(Config, ABC):
    """Base of what a model can read, listed in `tasks.any_input`."""

    shared: ClassVar[bool] = True
    """Whether the notes that it chooses of an admission are the same for every task."""

    @property
    def chosen_first(self) -> bool:
        """Whether notes are chosen of all admissions, whatever their split and answer; else of those that are left."""
        return False

    @abstractmethod
    def seen(self) -> Seen:
        """In words."""

    @abstractmethod
    def categories(self) -> tuple[str, ...]:
        """Categories of the notes that it may want to read."""

    @abstractmethod
    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """The notes that count, and the admissions that have some; admissions get `prediction_time`."""

    @abstractmethod
    def read_notes(self, notes: pl.DataFrame) -> pl.DataFrame:
        """What is read of each admission of a portion (`READ`), from its selected notes with their text."""

    def examples(
        self, admissions: pl.DataFrame, read: pl.DataFrame, attrition: Attrition, *, keep_stated_deaths: bool
    ) -> pl.DataFrame:
        """Examples (`EXAMPLES` and `NOTES_READ`) of a portion, sorted by hadm_id.

        Args:
            admissions: selected.
            read: from `read_notes`; perhaps of more admissions.
            attrition: records what was left out.
            keep_stated_deaths: whether texts that state the death are kept, where the input knows which do.
        """
        return joined(admissions, read).drop(TELLS_DEATH)


def timed(cohort: Cohort, prediction_time: pl.Expr) -> Cohort:
    """The cohort, its admissions with the time of the prediction."""
    return Cohort(cohort.admissions.with_columns(prediction_time=prediction_time), cohort.notes)


def joined(admissions: pl.DataFrame, read: pl.DataFrame) -> pl.DataFrame:
    """Admissions with what is read of them; those of which nothing is read leave."""
    return admissions.join(read, on=KEY).select(*EXAMPLES, NOTES_READ, TELLS_DEATH).sort("hadm_id")


def counted(examples: pl.DataFrame, attrition: Attrition, step: str, why: str) -> pl.DataFrame:
    """The examples (with `NOTES_READ`) that a filter left, recorded by the attrition."""
    attrition.add(step, why, examples["subject_id"].n_unique(), examples.height, int(examples[NOTES_READ].sum()))
    return examples


def dated(notes: pl.DataFrame) -> pl.DataFrame:
    """Notes by date and order of writing: a discharge summary has a date and no clock time.

    The id settles the rest: MIMIC-IV numbers the notes of each patient anew.
    """
    return notes.sort("chartdate", "note_seq", "note_id", nulls_last=False)


def unread(text: str) -> bool:
    """That nobody asks whether this text tells a death: of the living, or of an input that tells it anyway."""
    return False


def texts_of(
    notes: pl.DataFrame,
    read: Callable[[Sequence[str]], str],
    tells_death: Callable[[str], bool],
    known_at: pl.Expr = NOT_PROSPECTIVE,
) -> pl.DataFrame:
    """What is read (`READ`) of the notes of each admission, sorted by hadm_id.

    Args:
        notes: with `text`, in the order in which they are read.
        read: the texts of an admission → one text.
        tells_death: whether a text says that the patient died.
        known_at: from when on a note could be read.
    """
    latest = known_at.max().alias(TEXT_TIME)
    grouped = notes.group_by(KEY, maintain_order=True).agg("text", pl.len().alias(NOTES_READ), latest)
    texts = [read(texts) for texts in grouped["text"].to_list()]
    return (
        grouped.with_columns(
            pl.Series("text", texts, dtype=pl.String),
            pl.Series(TELLS_DEATH, [tells_death(text) for text in texts], dtype=pl.Boolean),
        )
        .select(*READ)
        .sort("hadm_id")
    )
