"""A task of an annotated corpus, and the shape of its examples.

AnnotatedRecords ─make─▶ Made: a frame for parquet, the labels in the order of their numbers, counts per split

Tasks with one label per row have the columns of every other task (`EXAMPLES`), so that any stage can read
them: a row is an example, `subject_id` the number of its patient (or document, or premise), `hadm_id` its own number.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import polars as pl

from chartune.answers import ONE_OF, Answer
from chartune.config import Config
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.ids import numbered, trimmed
from chartune.sources.splits import SPLITS
from chartune.tasks.positive import PositiveBy
from chartune.tasks.task import Card

EXAMPLES: Final[dict[str, pl.DataType]] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "split": pl.String(),
    "text": pl.String(),
    "label": pl.Int64(),
    "prediction_time": pl.Datetime("us"),
    "text_time": pl.Datetime("us"),
}
"""The first columns of a task with one label per row; its own follow."""
NEAR: Final = "training text that holds too much of a held-out text"
"""Why a row is left out."""
_CITED: Final = {
    "i2b2_2010": "Uzuner et al., 2011",
    "i2b2_2012": "Sun et al., 2013",
    "i2b2_2014": "Stubbs & Uzuner, 2015",
    "n2c2_2018": "Henry et al., 2020",
    "mednli": "Romanov & Shivade, 2018",
    "pubmedqa": "Jin et al., 2019",
    "pairs": "as given",
    "conll": "as given",
    "brat": "as given",
}
"""Kind of corpus → who defined what is asked of it."""


Apart: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]
"""Examples (patient · split · text) → the same without training ones that hold too much of a held-out text."""


def as_they_are(examples: pl.DataFrame) -> pl.DataFrame:
    """Near-duplicates stay."""
    return examples


@dataclass(frozen=True)
class Made:
    """The examples of a task."""

    frame: pl.DataFrame = field(repr=False)
    answer: str
    """`spans` or `multiclass`."""
    labels: tuple[str, ...]
    """Sorted; a label's number is its place."""
    counts: dict[str, dict[str, int]]
    """Split → what a data card says of it."""
    left_out: dict[str, int]
    """Why an annotation or example is not in the frame → how many; those with 0 are named, too."""
    positive: tuple[str, PositiveBy] | None = None
    """The outcome of two labels, and who says so."""
    candidates: Mapping[str, Any] | None = None
    """Of relations: which pairs of entities are asked about, and how they are written, as plain data."""

    def to_json(self) -> dict[str, Any]:
        """The entry in `dataset.json`, card and attrition apart."""
        left_out = [{"why": why, "count": count} for why, count in self.left_out.items()]
        labels = list(self.labels)
        return {
            "answer": self.answer, "labels": labels, "titles": labels, "counts": self.counts, "left_out": left_out,
            **({"positive": self.positive[0], "positive_by": self.positive[1]} if self.positive else {}),
            **({"candidates": dict(self.candidates)} if self.candidates else {}),
        }  # fmt: skip


class AnnotatedTask(Config, ABC):
    """Base of what can be asked of an annotated corpus."""

    kind: str

    @property
    def answers(self) -> None:
        """How many answers it has, the data tell."""

    @property
    def name(self) -> str:
        """What its runs and its file in the prepared data are called."""
        return self.kind

    @abstractmethod
    def card(self, source: str) -> Card:
        """The task in words, for the corpus of this kind."""

    @abstractmethod
    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """Its examples.

        Args:
            records: the corpus.
            documents: doc_id · patient · split · text of the documents to use; splits as they are to be.
            apart: leaves out near-duplicates of held-out texts; documents have been apart before, sentences have not.

        A task whose training split is empty is no error: it has no labels, and no stage will learn it.
        """


def card_of(source: str, *, title: str, who: str, seen: str, asked: str, scored: str) -> Card:
    """The card of a task whose text and split are given by the corpus of this kind."""
    return Card(title, who, "as the corpus is", seen, asked, scored, _CITED[source], "as-given")


def one_label_each(
    frame: pl.DataFrame, patient: str, left_out: dict[str, int], apart: Apart = as_they_are, *, form: Answer = ONE_OF,
    first: str | None = None,
) -> Made:  # fmt: skip
    """Examples with one label per row.

    Args:
        frame: split, text, `answer` (the label's name) and a task's own columns, in their final order.
        patient: the column that says whose row it is; rows of one patient are drawn together when scores are sampled.
            It is not in the examples.
        left_out: so far; rows with a label that no training example has are added.
        apart: leaves out near-duplicates of held-out texts.
        form: of the answer.
        first: the label that is number 0, whether or not a training example has it; None: the first in sorting.
    """
    shipped, frame = frame.height, apart(frame.rename({patient: "patient"})).rename({"patient": patient})
    learnt = sorted(frame.filter(pl.col("split") == "train")["answer"].unique())
    labels = (first, *(label for label in learnt if label != first)) if first and learnt else tuple(learnt)
    known = frame.filter(pl.col("answer").is_in(labels))
    unlearnt = {
        **left_out,
        NEAR: shipped - frame.height,
        "no training example has its label": frame.height - known.height,
    }
    numbers = {label: number for number, label in enumerate(labels)}
    examples = known.with_columns(
        numbered(trimmed(known[patient])).alias("subject_id"),
        pl.Series("hadm_id", range(1, known.height + 1), dtype=pl.Int64),
        pl.col("answer").replace_strict(numbers, return_dtype=pl.Int64).alias("label"),
        *(pl.lit(None, EXAMPLES[name]).alias(name) for name in ("prediction_time", "text_time")),
    ).drop("answer", patient)
    rest = [name for name in examples.columns if name not in EXAMPLES]
    return Made(examples.select(*EXAMPLES, *rest), form.kind, labels, per_split(examples, _count), unlearnt)


def per_split(frame: pl.DataFrame, count: Callable[[pl.DataFrame], dict[str, int]]) -> dict[str, dict[str, int]]:
    """Split → its counts, in the order in which tables show them."""
    return {split: count(frame.filter(pl.col("split") == split)) for split in SPLITS}


def _count(examples: pl.DataFrame) -> dict[str, int]:
    return {"subjects": examples["subject_id"].n_unique(), "examples": examples.height}
