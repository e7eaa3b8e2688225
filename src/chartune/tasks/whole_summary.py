"""The whole discharge summary, as published work on triage read it: it tells the course and the outcome."""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from chartune.tasks.admission_note import SummaryInput
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.inputs import Seen, dated, texts_of, unread


class WholeSummary(SummaryInput):
    """All discharge summaries of an admission, joined."""

    kind: Literal["whole-summary"] = "whole-summary"

    def seen(self) -> Seen:
        """What the model reads, in words."""
        return Seen(
            when="after discharge (dischtime)",
            what="the whole discharge summary, which tells the course and the outcome",
            kind="retrospective-text",
            tells_outcome=True,
        )

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """The discharge summaries that count; admissions without one leave."""
        return self.summaries(cohort, attrition, "dischtime")

    def read_notes(self, notes: pl.DataFrame) -> pl.DataFrame:
        """All summaries of each admission of a portion, blanks and line breaks collapsed."""
        return texts_of(dated(notes), _joined, unread)


def _joined(texts: Sequence[str]) -> str:
    return " ".join(" ".join(texts).split())
