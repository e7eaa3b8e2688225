"""Chart tasks: a question about a stay in hospital, whose answer the tables tell and of which notes are read.

    stays (who) ─▶ known (what is asked has an answer) ─▶ reads (which notes, and when) ─▶ examples

Members say what is asked. Who is asked about and what is read are choices of their own, the same for all.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Self

import polars as pl
from pydantic import model_validator

from chartune.answers import BINARY, ONE_OF, Answer
from chartune.config import Unhashed
from chartune.sources.coverage import Rule
from chartune.sources.source import Records
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.any_input import AnyInput
from chartune.tasks.attrition import KEY, Attrition, Cohort
from chartune.tasks.inputs import timed
from chartune.tasks.labels import LabelSpace
from chartune.tasks.stays import Stays
from chartune.tasks.task import Card, Task

MACRO: Final = "auroc, macro average of each class against the rest"
NOT_YET: Final = pl.datetime(9999, 1, 1)
"""The end of a stay that goes on, while its notes are chosen."""
Filter = tuple[str, str, pl.Expr]
"""A filter of admissions: its name, why some are left out, and whom it keeps."""


@dataclass(frozen=True)
class Question:
    """What a chart task asks, in words."""

    title: str
    asked: str
    """The label."""
    known: tuple[str, str]
    """The filter that leaves the admissions with an answer: its name, and why some have none."""
    citation: str
    scored: str = BINARY.headline.metric
    finds: Rule | None = None
    """What that filter looks for, where it may be there unseen."""
    whose: str = "with a text"
    """What the cohort has, beside being stays."""


class ChartTask(Task):
    """Base of the tasks that are asked of a chart."""

    stays: Stays = Stays()
    """Which admissions are asked about."""
    reads: AnyInput = AdmissionNote()
    """What the model reads."""
    allow_retrospective: Annotated[bool, Unhashed()] = False
    """Whether a text that tells the answer may be read all the same; the card says so. It stays out of the name:
    where it matters, there is no task without it."""
    asks_outcome: ClassVar[bool] = False
    """Whether the answer is how the stay went: the whole discharge summary tells it, and is refused as input."""

    @model_validator(mode="after")
    def _answer_is_not_read(self) -> Self:
        if self.answer_told and not self.allow_retrospective:
            raise ValueError(
                "what is read must not tell the answer, but this task asks how the stay went, which reads.kind="
                "whole-summary tells; read admission-note or bedside-notes, or say allow_retrospective=true and the "
                "card will tell"
            )
        return self

    @abstractmethod
    def question(self) -> Question:
        """What is asked, in words."""

    @property
    def death_is_asked(self) -> bool:
        """Whether a text that tells the death gives the answer away and is left out."""
        return False

    @property
    def answer_told(self) -> bool:
        """Whether what is read tells the answer."""
        return self.asks_outcome and self.reads.seen().tells_outcome

    def usable(self, *, labelled: bool) -> tuple[Filter, ...]:
        """Filters before that of the answer: of admissions that have none for a reason of its own.

        Args:
            labelled: whether the answer must be known; else only filters that do not need it, and, of a task that is
                not asked of every stay, that of its cohort.
        """
        return ()

    def card(self) -> Card:
        """The task in words."""
        seen, question = self.reads.seen(), self.question()
        card = Card(
            title=question.title, who=f"{self.stays.who()}, {question.whose}", when=seen.when, seen=seen.what,
            asked=question.asked, scored=question.scored, citation=question.citation, kind=seen.kind,
        )  # fmt: skip
        if not self.answer_told:
            return card
        return replace(card, seen=f"{seen.what}, which is asked (allow_retrospective)", answer_told=True)

    def select(self, cohort: Cohort, attrition: Attrition, *, labelled: bool = True) -> Cohort:
        """Admissions whose answer is known, or all that it could be asked of, and their notes."""
        question = self.question()
        chosen = answered(self.stays, cohort, question.known, self.reads, Attrition() if not labelled else attrition,
                          self.usable(labelled=True), question.finds)  # fmt: skip
        if labelled:
            return chosen
        return and_unanswered(chosen, self.stays, cohort, self.reads, attrition, self.usable(labelled=False))

    def examples(self, admissions: pl.DataFrame, read: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """One example per admission of which something is read."""
        return self.reads.examples(admissions, read, attrition, keep_stated_deaths=not self.death_is_asked)


class ClassTask(ChartTask):
    """Base of those that ask which one of some classes applies, known before anybody has looked at the data."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Their names in the order of their numbers; of two the second is the outcome."""

    @property
    def answers(self) -> int:
        """One for each class."""
        return len(self.classes)

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """The classes, whether or not they occur."""
        return LabelSpace(self.form.kind, self.classes, self.classes)

    @property
    def form(self) -> Answer:
        """The form of its answer."""
        return BINARY if self.answers == 2 else ONE_OF


def answered(
    stays: Stays, cohort: Cohort, known: tuple[str, str], reads: AnyInput, attrition: Attrition,
    usable: Sequence[Filter] = (), finds: Rule | None = None,
) -> Cohort:  # fmt: skip
    """Of these stays those with an answer, and the notes that are read of them.

    Args:
        stays: who is asked about.
        cohort: everybody, admissions with `asked`.
        known: the filter that leaves those with an answer: its name, and why others have none.
        reads: chooses the notes.
        attrition: records each filter.
        usable: filters before `known`.
        finds: what `known` looks for.
    """
    known_last = (*usable, (*known, pl.col("asked").is_not_null()))
    return _selected(stays, cohort, reads, attrition, known_last, {known[0]: finds})


def and_unanswered(
    chosen: Cohort, stays: Stays, cohort: Cohort, reads: AnyInput, attrition: Attrition, usable: Sequence[Filter] = (),
) -> Cohort:  # fmt: skip
    """Those with an answer as they are, and beside them those of whom only it is not known.

    What is read of the former must not depend on the latter: of identical texts the latest counts. A stay that goes on
    has no end yet and counts as one that lasts.

    Args:
        chosen: what `answered` has left.
        stays: who is asked about.
        cohort: everybody, admissions with `asked`.
        reads: chooses the notes.
        attrition: records each filter.
        usable: filters that do not need the answer.
    """
    ends = pl.when(pl.col("asked").is_null()).then(pl.col("dischtime").fill_null(NOT_YET)).otherwise("dischtime")
    lasting = Cohort(cohort.admissions.with_columns(dischtime=ends), cohort.notes)
    every = _selected(stays, lasting, reads, attrition, usable, {})
    others = every.of(every.admissions.join(chosen.admissions, on=KEY, how="anti"))
    when = pl.col("prediction_time")
    others = timed(others, pl.when(when != NOT_YET).then(when))
    return Cohort(*(pl.concat(both) for both in zip(_frames(chosen), _frames(others), strict=True)))


def _frames(cohort: Cohort) -> tuple[pl.DataFrame, pl.DataFrame]:
    return cohort.admissions, cohort.notes


def _selected(
    stays: Stays, cohort: Cohort, reads: AnyInput, attrition: Attrition, filters: Sequence[Filter],
    finds: Mapping[str, Rule | None],
) -> Cohort:  # fmt: skip
    """Of these stays those that the filters keep, and the notes that are read of them."""
    cohort = stays.select(cohort, attrition, reads.select if reads.chosen_first else None)
    for step, why, keep in filters:
        cohort = attrition.record(step, why, cohort.whose(keep), finds.get(step))
    return cohort if reads.chosen_first else reads.select(cohort, attrition)
