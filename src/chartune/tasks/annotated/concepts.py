"""Concepts: which characters of a note are a problem, a drug, an event, a name, and of which type.

A row is a whole note with its spans in characters; nothing on disk depends on a tokenizer. Windows, word pieces and
tags are made from it for each base model, and predictions are mapped back and scored in characters
(`chartune.metrics.spans`).

    concepts.parquet   subject_id i64 · hadm_id i64 · split · doc_id · patient · text
                       · entities list[struct[start i32, end i32, type str]], sorted
"""

from typing import Final, Literal

import polars as pl

from chartune.answers import SPANS
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.ids import numbered, trimmed
from chartune.tasks.annotated.task import AnnotatedTask, Apart, Made, as_they_are, card_of, per_split
from chartune.tasks.task import Card

Level = Literal["type", "group"]
USUAL_GROUPS: Final = {"i2b2_2012": ("EVENT",)}
"""Corpora of which only some kinds of entities are asked, as in the published comparisons."""
_SPAN: Final = pl.Struct({"start": pl.Int32, "end": pl.Int32, "type": pl.String})
_TITLES: Final = {
    "i2b2_2010": "Problems, tests and treatments",
    "i2b2_2012": "Clinical events",
    "n2c2_2018": "Drugs and adverse drug events",
}


class Concepts(AnnotatedTask):
    """Spans and their types (named entity recognition) of i2b2 2010, i2b2 2012 or n2c2 2018."""

    kind: Literal["concepts"] = "concepts"
    groups: tuple[str, ...] = ()
    """Groups of entities that are asked, such as `EVENT` and `TIMEX3`; none: `USUAL_GROUPS`, else all."""

    def card(self, source: str) -> Card:
        """The task in words."""
        return _card(_TITLES.get(source, "Concepts"), "which characters are a concept, and of which type", source)

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per document."""
        return span_examples(records, documents, self.groups or USUAL_GROUPS.get(records.about.kind, ()), "type")


class Entities(AnnotatedTask):
    """Spans and their types of a corpus of one's own (named entity recognition)."""

    kind: Literal["ner"] = "ner"

    def card(self, source: str) -> Card:
        """The task in words."""
        return _card("Named entities", "which characters name something, and of which type", source)

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per document."""
        return span_examples(records, documents, (), "type")


class Deidentification(AnnotatedTask):
    """Protected health information of i2b2 2014: which characters would tell who the patient is."""

    kind: Literal["deidentification"] = "deidentification"
    level: Level = "type"
    """`type`: some 25 (`DOCTOR`, `ZIP`); `group`: seven (`NAME`, `LOCATION`)."""

    def card(self, source: str) -> Card:
        """The task in words."""
        return _card("De-identification", f"which characters tell who the patient is, by {self.level}", source)

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per document."""
        return span_examples(records, documents, (), self.level)


def _card(title: str, asked: str, source: str) -> Card:
    return card_of(
        source, title=title, who="annotated notes of the corpus", seen="the whole note", asked=asked,
        scored="strict span F1",
    )  # fmt: skip


def span_examples(records: AnnotatedRecords, documents: pl.DataFrame, groups: tuple[str, ...], level: Level) -> Made:
    """A row per document with its spans.

    Args:
        records: the corpus.
        documents: doc_id · patient · split · text.
        groups: of entities that are asked; none: all.
        level: what the label is.
    """
    entities = records.entities.join(documents.select("doc_id", "split"), on="doc_id")
    asked = entities.filter(pl.col("group").is_in(groups)) if groups else entities
    typed = asked.drop_nulls(level).with_columns(pl.col(level).alias("label"))
    spans = typed.unique(["doc_id", "start", "end", "label"], keep="first", maintain_order=True)
    labels = tuple(sorted(spans.filter(pl.col("split") == "train")["label"].unique()))
    frame = _with_spans(documents, spans)
    left_out = {
        "of a group that is not asked": entities.height - asked.height,
        "its annotator left the type empty": asked.height - typed.height,
        "the same span and label a second time": typed.height - spans.height,
    }
    return Made(frame, SPANS.kind, labels, per_split(_overlaps(frame, labels), _count), left_out)


def _with_spans(documents: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    struct = pl.struct(pl.col("start"), pl.col("end"), pl.col("label").alias("type")).cast(_SPAN)
    lists = spans.group_by("doc_id").agg(entities=struct.sort())
    joined = documents.sort("doc_id").join(lists, on="doc_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("entities").fill_null(pl.lit([], dtype=pl.List(_SPAN))),
        numbered(trimmed(joined["patient"])).alias("subject_id"),
        pl.Series("hadm_id", range(1, joined.height + 1), dtype=pl.Int64),
    ).select("subject_id", "hadm_id", "split", "doc_id", "patient", "text", "entities")


def _overlaps(frame: pl.DataFrame, labels: tuple[str, ...]) -> pl.DataFrame:
    """Per document: its spans, those that begin within an earlier one, those whose label is never learnt."""
    rows = []
    for (spans,) in frame.select("entities").iter_rows():
        reached, overlapping = 0, 0
        for span in spans:
            overlapping += span["start"] < reached
            reached = max(reached, span["end"])
        rows.append((len(spans), overlapping, sum(span["type"] not in labels for span in spans)))
    schema = {"spans": pl.Int64, "overlapping": pl.Int64, "unlearnt": pl.Int64}
    return pl.concat([frame.select("split", "subject_id"), pl.DataFrame(rows, schema, orient="row")], how="horizontal")


def _count(documents: pl.DataFrame) -> dict[str, int]:
    """What a data card says of a split; `overlapping` spans cannot all be represented by one tag per word."""
    return {
        "subjects": documents["subject_id"].n_unique(), "documents": documents.height,
        "spans": int(documents["spans"].sum()),
        "overlapping": int(documents["overlapping"].sum()), "of_unlearnt_labels": int(documents["unlearnt"].sum()),
    }  # fmt: skip
