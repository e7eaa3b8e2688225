"""Chart tasks: a question about a stay in hospital, whose answer the tables tell and of which notes are read.

    stays (who) ─▶ known (what is asked has an answer) ─▶ reads (which notes, and when) ─▶ examples

Members say what is asked. Who is asked about and what is read are choices of their own, the same for all.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import polars as pl

from chartune.config import Config
from chartune.sources.source import Records
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.any_input import AnyInput
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.labels import LabelSpace
from chartune.tasks.stays import Stays
from chartune.tasks.task import Card

MACRO: Final = "auroc, macro average of each class against the rest"


@dataclass(frozen=True)
class Question:
    """What a chart task asks, in words."""

    title: str
    asked: str
    """The label."""
    known: tuple[str, str]
    """The filter that leaves the admissions with an answer: its name, and why some have none."""
    citation: str
    scored: str = "auroc"
    whose: str = "with a text"
    """What the cohort has, beside being stays."""


class ChartTask(Config, ABC):
    """Base of the tasks that are asked of a chart."""

    stays: Stays = Stays()
    """Which admissions are asked about."""
    reads: AnyInput = AdmissionNote()
    """What the model reads."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What its runs and its file in the prepared data are called."""

    @abstractmethod
    def question(self) -> Question:
        """What is asked, in words."""

    @abstractmethod
    def asked(self, records: Records) -> pl.DataFrame:
        """What applies to each admission (`chartune.tasks.labels.ASKED`)."""

    @abstractmethod
    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """The answers to learn, from all examples."""

    @property
    def death_is_asked(self) -> bool:
        """Whether a text that tells the death gives the answer away and is left out."""
        return False

    @property
    def needs_events(self) -> bool:
        """Whether the answer stands in the bedside chart, the largest table."""
        return False

    def card(self) -> Card:
        """The task in words."""
        seen, question = self.reads.seen(), self.question()
        return Card(
            title=question.title, who=f"{self.stays.who()}, {question.whose}", when=seen.when, seen=seen.what,
            asked=question.asked, scored=question.scored, citation=question.citation, kind=seen.kind,
        )  # fmt: skip

    def categories(self) -> tuple[str, ...]:
        """Categories of the notes that it reads."""
        return self.reads.categories()

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """Admissions whose answer is known, and their notes."""
        step, why = self.question().known
        known = self.stays.select(cohort, attrition).whose(pl.col("asked").is_not_null())
        return self.reads.select(attrition.record(step, why, known), attrition)

    def examples(self, admissions: pl.DataFrame, read: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """One example per admission of which something is read."""
        return self.reads.examples(admissions, read, attrition, death_told=not self.death_is_asked)
