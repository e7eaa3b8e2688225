"""A task: who is asked about, when, what is seen, what is asked and how it is scored.

Cohort ─select─▶ the admissions and notes it wants (no text read yet)
       ─examples─▶ subject_id · hadm_id · split · text · label · prediction_time   (one shard of patients at a time)
"""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol

import polars as pl

from chartune.tasks.attrition import Attrition, Cohort

EXAMPLES: Final[dict[str, pl.DataType]] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "split": pl.String(),
    "text": pl.String(),
    "label": pl.Int64(),
    "prediction_time": pl.Datetime("us"),
}
"""Columns of a task's examples: one row per admission."""
NOTES_READ: Final = "notes_read"
"""A further column while examples are being made: how many notes the text comes from, for the attrition."""


@dataclass(frozen=True)
class Card:
    """A task in words, for data cards and tables."""

    title: str
    who: str
    """The cohort."""
    when: str
    """The moment at which the prediction is made."""
    seen: str
    """What the model reads."""
    asked: str
    """The label."""
    scored: str
    """The metric that decides."""
    citation: str
    """Who defined it."""
    kind: Literal["retrospective-text", "prospective"]
    """`retrospective-text`: the text was written after the outcome, even if it tells what was known before."""
    labels: tuple[str, ...]
    """Names of the classes, in the order of their numbers."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self) | {"labels": list(self.labels)}


class Task(Protocol):
    """What every member of `tasks.catalog.AnyTask` does."""

    @property
    def kind(self) -> str:
        """Its name, and that of its file in the prepared data."""

    def card(self) -> Card:
        """The task in words."""

    def categories(self) -> tuple[str, ...]:
        """Categories of the notes that it may want to read."""

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """Apply every filter that needs no text."""

    def examples(self, admissions: pl.DataFrame, notes: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """Examples (`EXAMPLES` and `NOTES_READ`) of a shard: selected admissions, selected notes with their text."""
