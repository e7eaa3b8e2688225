"""Assertions: whether a problem of i2b2 2010 is present, absent, possible, hypothetical or somebody else's.

A row per problem that an `.ast` file speaks of; what is read is its line, so that which problem is meant must be seen:

    marked     Denies @ * problem * chest pain @ but has nausea .    (as entities of relations; Zhou and Chen, 2022)
    replaced   Denies @problem$ but has nausea .

    assertions.parquet  EXAMPLES · doc_id · start, end i64 (of the problem or its sign within `text`, end exclusive)
"""

from dataclasses import replace
from typing import Final, Literal

import polars as pl

from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.i2b2_2010 import ASSERTION
from chartune.tasks.annotated.relations import Written
from chartune.tasks.annotated.sentences import NoteLines
from chartune.tasks.annotated.task import AnnotatedTask, Apart, Made, as_they_are, card_of, one_label_each
from chartune.tasks.task import Card

SECOND: Final = "a second assertion of the same problem"
_PROBLEM: Final = "problem"
_SCHEMA: Final = {
    "split": pl.String(), "text": pl.String(), "answer": pl.String(), "doc_id": pl.String(), "patient": pl.String(),
    "start": pl.Int64(), "end": pl.Int64(),
}  # fmt: skip


class Assertions(AnnotatedTask):
    """What a note claims of each problem."""

    kind: Literal["assertions"] = "assertions"
    entities: Written = "marked"
    """How the problem is written: `marked` by signs around it, with its type, or `replaced` by its type."""

    def card(self, source: str) -> Card:
        """The task in words."""
        written = "marked" if self.entities == "marked" else "replaced by a sign"
        return card_of(
            source, title="Assertions on problems", who=f"problems with an assertion in {source}",
            seen=f"the line of the problem, which is {written}", asked="whether it is present, absent, possible, ...",
            scored="micro F1, which is accuracy",
        )  # fmt: skip

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per problem; near-duplicates are told by the lines as they stand, without signs."""
        assertions = records.attributes.filter(pl.col("name") == ASSERTION)
        once = assertions.unique(["doc_id", "entity_id"], keep="first", maintain_order=True)
        spans = records.entities.select("doc_id", "entity_id", "start", "end")
        asked = documents.join(once.join(spans, on=["doc_id", "entity_id"]), on="doc_id")
        rows = []
        for problem in asked.sort("doc_id", "start", "end", "entity_id").iter_rows(named=True):
            lines = NoteLines(problem["text"])
            text, start = lines.excerpt(*lines.lines(problem["start"], problem["end"]))
            place = problem["start"] - start, problem["end"] - start
            rows.append((problem["split"], text, problem["value"], problem["doc_id"], problem["patient"], *place))
        frame = pl.DataFrame(rows, _SCHEMA, orient="row")
        made = one_label_each(frame, "patient", {SECOND: assertions.height - once.height}, apart)
        return replace(made, frame=_written(made.frame, self.entities))


def read_problem(text: str, start: int, end: int, entities: Written) -> tuple[str, int, int]:
    """A line with the problem at `start` to `end` as it is read, and where the problem or its sign then stands."""
    before, problem, after = text[:start], text[start:end], text[end:]
    if entities == "replaced":
        sign = f"@{_PROBLEM}$"
        return f"{before}{sign}{after}", start, start + len(sign)
    opening = f"@ * {_PROBLEM} * "
    return f"{before}{opening}{problem} @{after}", start + len(opening), end + len(opening)


def _written(examples: pl.DataFrame, entities: Written) -> pl.DataFrame:
    places = examples.select("text", "start", "end").iter_rows()
    rows = [read_problem(text, start, end, entities) for text, start, end in places]
    schema = {"text": pl.String(), "start": pl.Int64(), "end": pl.Int64()}
    return examples.with_columns(pl.DataFrame(rows, schema, orient="row"))
