"""Relations: what a treatment, test or strength has to do with a problem or drug in the same sentence, if anything.

Only relations that hold are annotated. Every other ordered pair of entities whose types could be related, and that
stand in one sentence, is an example of `no relation`. A sentence is a line of i2b2 2010; notes of n2c2 2018 are broken
at a fixed width, so there a pair may lie within a few lines.

    relations.parquet  EXAMPLES · doc_id · head_start, head_end, tail_start, tail_end i64 (within `text`, end exclusive)
                       · head_type, tail_type str
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import polars as pl
from pydantic import Field

from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.n2c2_2018 import DRUG, PARTS
from chartune.tasks.annotated.sentences import NoteLines
from chartune.tasks.annotated.task import AnnotatedTask, Apart, Made, as_they_are, card_of, one_label_each
from chartune.tasks.task import Card

NO_RELATION: Final = "no relation"
ADMISSIBLE: Final[dict[str, frozenset[tuple[str, str]]]] = {
    "i2b2_2010": frozenset({("treatment", "problem"), ("test", "problem"), ("problem", "problem")}),
    "n2c2_2018": frozenset((part, DRUG) for part in PARTS),
}
"""Types of head and tail that the annotators could relate; the order counts."""
USUAL_LINES: Final = {"i2b2_2010": 1, "n2c2_2018": 3}
_SCHEMA: Final = {
    "split": pl.String(), "text": pl.String(), "answer": pl.String(), "doc_id": pl.String(), "patient": pl.String(),
    "head_start": pl.Int64(), "head_end": pl.Int64(), "tail_start": pl.Int64(), "tail_end": pl.Int64(),
    "head_type": pl.String(), "tail_type": pl.String(),
}  # fmt: skip

FAR: Final = "a relation whose ends lie in different sentences"
ODD: Final = "a relation between types that the annotation does not relate"
SECOND: Final = "a second relation between the same two entities"
UNTYPED: Final = "a relation without a type"


class Relations(AnnotatedTask):
    """The relation of each pair of entities in a sentence, or that there is none."""

    kind: Literal["relations"] = "relations"
    beside: ClassVar[tuple[str, ...]] = ("head_start", "head_end", "tail_start", "tail_end")
    lines: int | None = Field(None, ge=1)
    """Lines of the note within which both entities must lie; null: 1 for i2b2 2010, 3 for n2c2 2018."""

    def card(self, source: str) -> Card:
        """The task in words."""
        return card_of(
            source, title="Relations between concepts",
            who="ordered pairs of concepts in a sentence that may be related",
            seen="the sentence, with the places of both", asked="their relation, if any",
            scored="micro F1 over relations",
        )  # fmt: skip

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per pair."""
        kind = records.about.kind
        pairs = _Pairs(ADMISSIBLE[kind], self.lines or USUAL_LINES[kind])
        entities = _by_document(records.entities)
        relations = _by_document(records.relations)
        rows = [
            (split, text, answer, doc_id, patient, *places)
            for doc_id, patient, split, note in documents.sort("doc_id").iter_rows()
            for text, answer, places in pairs.of(note, entities.get(doc_id, []), relations.get(doc_id, []))
        ]
        left_out = {why: pairs.left_out[why] for why in (FAR, ODD, SECOND, UNTYPED)}
        return one_label_each(pl.DataFrame(rows, _SCHEMA, orient="row"), "patient", left_out, apart)


Named = dict[str, Any]


def _by_document(frame: pl.DataFrame) -> dict[str, list[Named]]:
    by_document: defaultdict[str, list[Named]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        by_document[row["doc_id"]].append(row)
    return by_document


@dataclass(frozen=True)
class _Placed:
    """An entity with the lines that it touches."""

    id: str
    type: str
    start: int
    end: int
    first: int
    last: int


class _Pairs:
    """Candidate pairs, document by document, and what of the annotation they cannot hold."""

    def __init__(self, admissible: frozenset[tuple[str, str]], lines: int) -> None:
        self._admissible, self._lines = admissible, lines
        self.left_out: Counter[str] = Counter()

    def of(
        self, note: str, entities: list[Named], relations: list[Named]
    ) -> Iterator[tuple[str, str, tuple[int | str, ...]]]:
        """Sentence, answer, and the places and types of head and tail, of each pair of a note."""
        lines = NoteLines(note)
        placed = [
            _Placed(
                row["entity_id"], str(row["type"]), row["start"], row["end"], *lines.lines(row["start"], row["end"])
            )
            for row in entities
        ]
        answers = self._answers(relations, {entity.id: entity.type for entity in placed})
        for head, tail in self._candidates(placed):
            text, start = lines.excerpt(min(head.first, tail.first), max(head.last, tail.last))
            places = (head.start - start, head.end - start, tail.start - start, tail.end - start, head.type, tail.type)
            yield text, answers.pop((head.id, tail.id), NO_RELATION), places
        self.left_out[FAR] += len(answers)

    def _answers(self, relations: list[Named], types: dict[str, str]) -> dict[tuple[str, str], str]:
        """(head, tail) → type of the relation, for those that a candidate pair could have."""
        answers: dict[tuple[str, str], str] = {}
        for relation in relations:
            ends, type_ = (relation["head"], relation["tail"]), relation["type"]
            if type_ is None:
                self.left_out[UNTYPED] += 1
            elif (types[ends[0]], types[ends[1]]) not in self._admissible or ends[0] == ends[1]:
                self.left_out[ODD] += 1
            elif ends in answers:
                self.left_out[SECOND] += 1
            else:
                answers[ends] = type_
        return answers

    def _candidates(self, placed: list[_Placed]) -> Iterator[tuple[_Placed, _Placed]]:
        """Ordered pairs of admissible types within so many lines, in the order of their heads, then tails."""
        ordered = sorted(placed, key=lambda entity: (entity.first, entity.start, entity.end, entity.id))
        firsts = [entity.first for entity in ordered]
        for head in ordered:
            from_, to = head.last - self._lines + 1, head.first + self._lines
            for tail in ordered[bisect_left(firsts, from_) : bisect_left(firsts, to)]:
                span = max(head.last, tail.last) - min(head.first, tail.first) + 1
                if span <= self._lines and head.id != tail.id and (head.type, tail.type) in self._admissible:
                    yield head, tail
