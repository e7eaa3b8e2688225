"""Assertions: whether a problem of i2b2 2010 is present, absent, possible, hypothetical or somebody else's.

assertions.parquet  EXAMPLES · doc_id · start, end i64 (within `text`, the lines of the problem; end exclusive)
"""

from typing import ClassVar, Final, Literal

import polars as pl

from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.i2b2_2010 import ASSERTION
from chartune.tasks.annotated.sentences import NoteLines
from chartune.tasks.annotated.task import AnnotatedTask, Apart, Made, as_they_are, card_of, one_label_each
from chartune.tasks.task import Card

SECOND: Final = "a second assertion of the same problem"
_SCHEMA: Final = {
    "split": pl.String(), "text": pl.String(), "answer": pl.String(), "doc_id": pl.String(), "patient": pl.String(),
    "start": pl.Int64(), "end": pl.Int64(),
}  # fmt: skip


class Assertions(AnnotatedTask):
    """What a note claims of each problem."""

    kind: Literal["assertions"] = "assertions"
    beside: ClassVar[tuple[str, ...]] = ("start", "end")

    def card(self, source: str) -> Card:
        """The task in words."""
        return card_of(
            source, title="Assertions on problems", who=f"problems with an assertion in {source}",
            seen="the line of the problem, with its place", asked="whether it is present, absent, possible, ...",
            scored="micro F1",
        )  # fmt: skip

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per problem."""
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
        return one_label_each(frame, "patient", {SECOND: assertions.height - once.height}, apart)
