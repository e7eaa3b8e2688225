"""A task: who is asked about, when, what is seen, what is asked and how it is scored.

Records ─asked─▶ what applies to each admission, by name
Cohort ─select─▶ the admissions and notes it wants (no text read yet)
       ─reads.read_notes─▶ what is read of each admission          (some patients at a time, once for all tasks)
       ─examples─▶ subject_id · hadm_id · split · text · asked · prediction_time · text_time
       ─label_space─▶ the names in the order of their numbers ─▶ label
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from chartune.config import Config
from chartune.sources.coverage import Coverage
from chartune.sources.source import Records
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.inputs import Input
from chartune.tasks.labels import LabelSpace

CORE: Final = "van Aken et al. (2021), Clinical Outcome Prediction from Admission Notes, EACL"
"""Who defined the outcomes that are asked on arrival."""


ANSWER_TOLD: Final = (
    "The texts were written when the label was known and may state it: these scores say nothing of a prediction."
)
"""What is said beside the scores of a task whose card has `answer_told`."""


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
    kind: Literal["retrospective-text", "prospective", "as-given"]
    """`retrospective-text`: the text was written after the outcome, even if it tells what was known before;
    `as-given`: when it was written, only its owner knows."""
    answer_told: bool = False
    """Whether what is read tells the answer: such scores say nothing of a prediction."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


class Task(Config, ABC):
    """Base of all tasks: a value with a `kind`, listed in `tasks.catalog`."""

    if TYPE_CHECKING:  # a field in some members and a property in others: pydantic would take it for a default

        @property
        def kind(self) -> str:
            """What it goes by in configs."""

        @property
        def name(self) -> str:
            """What its runs and its file in the prepared data are called."""

        @property
        def reads(self) -> Input:
            """What the model reads."""

    @property
    def needs_events(self) -> bool:
        """Whether the answer stands in the bedside chart, the largest table."""
        return False

    @property
    def answers(self) -> int | None:
        """How many answers it has; None where only the data tell."""
        return None

    @abstractmethod
    def card(self) -> Card:
        """The task in words."""

    @abstractmethod
    def asked(self, records: Records) -> pl.DataFrame:
        """What applies to each admission (`chartune.tasks.labels.ASKED`)."""

    @abstractmethod
    def select(self, cohort: Cohort, attrition: Attrition, *, labelled: bool = True) -> Cohort:
        """Apply every filter that needs no text; admissions have a column `asked`, null where it is not known.

        Args:
            cohort: everybody.
            attrition: records each filter.
            labelled: whether only admissions with an answer stay; else those without one stay beside them, by the
                same filters but those that need it, as for a prediction.
        """

    @abstractmethod
    def examples(self, admissions: pl.DataFrame, read: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """Examples (`EXAMPLES` and `NOTES_READ`) of a portion: selected admissions, and what `reads` reads of them."""

    @abstractmethod
    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """The answers to learn, from all examples.

        Raises:
            LabelError: they are no labels, for example because nearly every example has one of its own.
        """

    def coverage(self, records: Records) -> list[Coverage]:
        """What rules reached by which the answer is found in the source."""
        return []

    def warnings(self, records: Records, splits: pl.DataFrame) -> tuple[str, ...]:
        """What the tables give reason to warn of, reported before chart and notes are read; counts only.

        Args:
            records: of the source.
            splits: subject_id · split, as the source is split.
        """
        return ()
