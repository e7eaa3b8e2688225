"""Pairs of texts: does a hypothesis follow (MedNLI), what does an abstract say to a question, what a table asks.

    pairs.parquet       the same of other corpora: both texts · pair_id
    inference.parquet   EXAMPLES, of which `text` is the premise · text_pair str?, the hypothesis · pair_id

The public code of Taylor et al. (2024) hands the premise alone to the model: its pair flag is off. As every premise has
one hypothesis of each label, nothing can be learnt from it; `premise-only` shows that number.
"""

from dataclasses import replace
from typing import Literal

import polars as pl

from chartune.answers import BINARY
from chartune.errors import LabelError
from chartune.notes.text_pair import SECOND
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.tasks.annotated.task import AnnotatedTask, Apart, Made, as_they_are, card_of, one_label_each
from chartune.tasks.positive import PositiveBy, positive_of
from chartune.tasks.task import Card


class Inference(AnnotatedTask):
    """The label of each pair of sentences."""

    kind: Literal["inference"] = "inference"
    pairs: Literal["both", "premise-only"] = "both"
    """`both`: premise and hypothesis; `premise-only`: as the public code of Taylor et al. (2024) does."""

    def card(self, source: str) -> Card:
        """The task in words."""
        alone = "the premise alone, as the public code of Taylor et al. (2024) does"
        seen = "premise and hypothesis" if self.pairs == "both" else alone
        return card_of(
            source, title="Natural language inference", who=f"pairs of sentences of {source}", seen=seen,
            asked="entailment, neutral or contradiction", scored="accuracy",
        )  # fmt: skip

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per pair; `documents` is not read."""
        made = one_label_each(_rows(records), "group", {}, apart)
        if self.pairs == "both":
            return made
        return replace(made, frame=made.frame.with_columns(pl.lit(None, pl.String).alias(SECOND)))


class Pairs(AnnotatedTask):
    """The label of each pair of texts; of two labels one is asked about."""

    kind: Literal["pairs"] = "pairs"
    positive: str | None = None
    """Of two labels the one that is asked about; null: as is usual (`chartune.tasks.positive.CONVENTIONS`), else the
    later in sorting."""

    def card(self, source: str) -> Card:
        """The task in words."""
        return card_of(
            source, title="Pairs of texts", who=f"pairs of texts of {source}", seen="both texts",
            asked="the label of the pair", scored="accuracy",
        )  # fmt: skip

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per pair; `documents` is not read. Raises LabelError: `positive` is none of two labels."""
        made = one_label_each(_rows(records), "group", {}, apart)
        if self.positive is not None and (len(made.labels) != 2 or self.positive not in made.labels):
            raise LabelError(
                f"`positive` must be one of two labels, but the training pairs have {len(made.labels)} and "
                f"{self.positive!r} is {'one' if self.positive in made.labels else 'none'} of them."
            )
        return _of_one_outcome(made, *positive_of(made.labels, self.positive)) if len(made.labels) == 2 else made


def _rows(records: AnnotatedRecords) -> pl.DataFrame:
    return records.pairs.select(
        "split", pl.col("premise").alias("text"), pl.col("label").alias("answer"),
        pl.col("hypothesis").alias(SECOND), "pair_id", "group",
    )  # fmt: skip


def _of_one_outcome(made: Made, positive: str, by: PositiveBy) -> Made:
    """The same with that label as the outcome, which is number 1."""
    labels = tuple(sorted(made.labels, key=lambda name: name == positive))
    numbers = {number: labels.index(name) for number, name in enumerate(made.labels)}
    frame = made.frame.with_columns(pl.col("label").replace_strict(numbers, return_dtype=pl.Int64))
    return replace(made, frame=frame, labels=labels, answer=BINARY.kind, positive=(positive, by))
