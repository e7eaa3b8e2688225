"""Inference: does the hypothesis follow from the premise, contradict it, or neither (MedNLI)?

    inference.parquet   EXAMPLES, of which `text` is the premise · hypothesis str? · pair_id

The public code of Taylor et al. (2024) hands the premise alone to the model: its pair flag is off. As every premise has
one hypothesis of each label, nothing can be learnt from it; `premise-only` shows that number.
"""

from typing import ClassVar, Literal

import polars as pl

from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.tasks.annotated.task import AnnotatedTask, Apart, Made, as_they_are, card_of, one_label_each
from chartune.tasks.task import Card


class Inference(AnnotatedTask):
    """The label of each pair of sentences."""

    kind: Literal["inference"] = "inference"
    beside: ClassVar[tuple[str, ...]] = ("hypothesis",)
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
        hypothesis = pl.col("hypothesis") if self.pairs == "both" else pl.lit(None, pl.String).alias("hypothesis")
        frame = records.pairs.select(
            "split", pl.col("premise").alias("text"), pl.col("label").alias("answer"), hypothesis, "pair_id", "group"
        )
        return one_label_each(frame, "group", {}, apart)
