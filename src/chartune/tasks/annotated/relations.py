"""Relations: what a treatment, test or strength has to do with a problem or drug in the same sentence, if anything.

Only relations that hold are annotated. Every other ordered pair of entities whose types could be related, and that
stand in one sentence, is an example of `no relation`. A sentence is a line; notes of n2c2 2018 are broken at a fixed
width, so there a pair may lie within a few lines. Which types can be related is published; of a brat folder of one's
own they are those that a training document relates.

    marked     Took @ * Drug * aspirin @ for # ^ Reason ^ pain # .       (typed entity markers; Zhou and Chen, 2022)
    replaced   Took @Drug$ for @Reason$ .                       (Peng et al., 2019, BLUE; so Taylor et al., 2024)

    relations.parquet  EXAMPLES · doc_id · head_start, head_end, tail_start, tail_end i64 (within `text`, end exclusive)
                       · head_type, tail_type str
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple

import polars as pl
from pydantic import Field

from chartune.answers import RELATION
from chartune.config import Config
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
USUAL_LINES: Final = {"i2b2_2010": 1, "n2c2_2018": 3, "brat": 1}
Written = Literal["marked", "replaced"]
PLACES: Final = ("head_start", "head_end", "tail_start", "tail_end")
_SCHEMA: Final = {
    "split": pl.String(), "text": pl.String(), "answer": pl.String(), "doc_id": pl.String(), "patient": pl.String(),
    **dict.fromkeys(PLACES, pl.Int64()), "head_type": pl.String(), "tail_type": pl.String(),
}  # fmt: skip

FAR: Final = "a relation whose ends lie in different sentences"
ODD: Final = "a relation between types that the annotation does not relate"
SECOND: Final = "a second relation between the same two entities"
UNTYPED: Final = "a relation without a type"


class Candidates(Config):
    """Which pairs of entities are asked about, and how a model reads them."""

    admissible: tuple[tuple[str, str], ...]
    """Types of head and tail."""
    lines: int = Field(1, ge=1)
    """Within which both must lie."""
    entities: Written = "marked"


class Relations(AnnotatedTask):
    """The relation of each pair of entities in a sentence, or that there is none."""

    kind: Literal["relations"] = "relations"
    lines: int | None = Field(None, ge=1)
    """Lines of the note within which both entities must lie; null: 3 for n2c2 2018, else 1."""
    entities: Written = "marked"
    """How both are written: `marked` by signs around them, with types, or `replaced` by their types, as published."""
    admissible: tuple[tuple[str, str], ...] | None = None
    """Types of head and tail that are asked about; null: as published, of a brat folder those that training documents
    relate."""

    def card(self, source: str) -> Card:
        """The task in words."""
        written = "both marked, with their types" if self.entities == "marked" else "both replaced by their types"
        return card_of(
            source, title="Relations between concepts",
            who="ordered pairs of concepts in a sentence that may be related", seen=f"the sentence, {written}",
            asked="their relation, if any", scored="micro F1 over relations",
        )  # fmt: skip

    def make(self, records: AnnotatedRecords, documents: pl.DataFrame, apart: Apart = as_they_are) -> Made:
        """A row per pair."""
        candidates = self._candidates(records, documents)
        pairs = _Pairs(candidates)
        entities = _by_document(records.entities)
        relations = _by_document(records.relations)
        rows = [
            (split, pair.text, answer, doc_id, patient, *pair.places, pair.head.type, pair.tail.type)
            for doc_id, patient, split, note in documents.sort("doc_id").iter_rows()
            for pair, answer in pairs.answered(note, entities.get(doc_id, []), relations.get(doc_id, []))
        ]
        left_out = {why: pairs.left_out[why] for why in (FAR, ODD, SECOND, UNTYPED)}
        frame = pl.DataFrame(rows, _SCHEMA, orient="row")
        made = one_label_each(frame, "patient", left_out, apart, form=RELATION, first=NO_RELATION)
        written = _written(made.frame, self.entities)
        return replace(made, frame=written, candidates=candidates.model_dump(mode="json"))

    def _candidates(self, records: AnnotatedRecords, documents: pl.DataFrame) -> Candidates:
        kind = records.about.kind
        asked = self.admissible or ADMISSIBLE.get(kind) or _related_types(records, documents)
        return Candidates(
            admissible=tuple(sorted(asked)), lines=self.lines or USUAL_LINES[kind], entities=self.entities
        )


def _related_types(records: AnnotatedRecords, documents: pl.DataFrame) -> set[tuple[str, str]]:
    """Types of head and tail that a relation of a training document joins."""
    trained = documents.filter(pl.col("split") == "train")["doc_id"].implode()
    types = records.entities.select("doc_id", "entity_id", "type")
    joined = records.relations.filter(pl.col("doc_id").is_in(trained) & pl.col("type").is_not_null())
    for end in ("head", "tail"):
        joined = joined.join(types.rename({"entity_id": end, "type": f"{end}_type"}), on=["doc_id", end], how="inner")
    return set(joined.select("head_type", "tail_type").drop_nulls().unique().rows())


class Pair(NamedTuple):
    """A candidate: a sentence and two entities in it."""

    text: str
    """The sentence as it stands."""
    places: tuple[int, int, int, int]
    """`PLACES` within it."""
    head: "Placed"
    tail: "Placed"


def read_pair(pair: Pair, entities: Written) -> str:
    """What a model reads of a candidate."""
    return _marked(pair.text, pair.places, (pair.head.type, pair.tail.type), entities)[0]


def _written(examples: pl.DataFrame, entities: Written) -> pl.DataFrame:
    """Examples with both entities marked in `text`, or replaced, and the places where they then stand."""
    rows = examples.select("text", *PLACES, "head_type", "tail_type").iter_rows()
    made = [_marked(text, places, types, entities) for text, *places, types in ((*r[:5], r[5:]) for r in rows)]
    schema = {"text": pl.String(), **dict.fromkeys(PLACES, pl.Int64())}
    written = pl.DataFrame([(text, *places) for text, places in made], schema, orient="row")
    return examples.with_columns(written)


def _marked(
    text: str, places: Iterable[int], types: tuple[str, str], entities: Written
) -> tuple[str, tuple[int, int, int, int]]:
    """A sentence with two entities as they are read, and their places in it.

    Where both share characters, signs stand within each other; where both are replaced, one type follows the other.
    """
    head_start, head_end, tail_start, tail_end = places
    if entities == "marked":
        opening = {0: (head_start, f"@ * {types[0]} * "), 1: (tail_start, f"# ^ {types[1]} ^ ")}
        closing = {0: (head_end, " @"), 1: (tail_end, " #")}
        return _with_signs(text, opening, closing)
    (first, start, end), (second, later, until) = sorted(
        ((0, head_start, head_end), (1, tail_start, tail_end)), key=lambda side: side[1:]
    )
    signs = [f"@{types[side]}$" for side in (first, second)]
    between = text[end:later] if later >= end else " "
    made = f"{text[:start]}{signs[0]}{between}{signs[1]}{text[max(end, until) :]}"
    begun = start, start + len(signs[0]) + len(between)
    spans = {side: (at, at + len(sign)) for side, at, sign in zip((first, second), begun, signs, strict=True)}
    return made, (*spans[0], *spans[1])


def _with_signs(
    text: str, opening: Mapping[int, tuple[int, str]], closing: Mapping[int, tuple[int, str]]
) -> tuple[str, tuple[int, int, int, int]]:
    """A text with signs put before and behind two sides; at one place what closes stands before what opens."""
    ends = [(at, 0, -opening[side][0], side, sign) for side, (at, sign) in closing.items()]
    begins = [(at, 1, -closing[side][0], side, sign) for side, (at, sign) in opening.items()]
    parts, reached, size = list[str](), 0, 0
    starts, stops = dict[int, int](), dict[int, int]()
    for at, begun, _, side, sign in sorted([*ends, *begins]):
        parts += [text[reached:at], sign]
        size += at - reached
        if not begun:
            stops[side] = size
        size += len(sign)
        if begun:
            starts[side] = size
        reached = at
    return "".join([*parts, text[reached:]]), (starts[0], stops[0], starts[1], stops[1])


Named = dict[str, Any]


def _by_document(frame: pl.DataFrame) -> dict[str, list[Named]]:
    by_document: defaultdict[str, list[Named]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        by_document[row["doc_id"]].append(row)
    return by_document


@dataclass(frozen=True)
class Placed:
    """An entity with the lines that it touches."""

    id: str
    type: str
    start: int
    end: int
    first: int
    last: int


def candidate_pairs(note: str, entities: Iterable[Named], candidates: Candidates) -> Iterator[Pair]:
    """Ordered pairs of entities of a note that are asked about, in the order of their heads, then tails.

    Args:
        note: the text.
        entities: entity_id, type, start, end of each.
        candidates: which are asked about.
    """
    lines = NoteLines(note)
    for head, tail in _ordered(_placed(lines, entities), candidates):
        text, start = lines.excerpt(min(head.first, tail.first), max(head.last, tail.last))
        places = (head.start - start, head.end - start, tail.start - start, tail.end - start)
        yield Pair(text, places, head, tail)


def _placed(lines: NoteLines, entities: Iterable[Named]) -> list[Placed]:
    return [
        Placed(row["entity_id"], str(row["type"]), row["start"], row["end"], *lines.lines(row["start"], row["end"]))
        for row in entities
    ]


def _ordered(placed: list[Placed], candidates: Candidates) -> Iterator[tuple[Placed, Placed]]:
    """Pairs of admissible types within so many lines."""
    admissible, most = set(candidates.admissible), candidates.lines
    ordered = sorted(placed, key=lambda entity: (entity.first, entity.start, entity.end, entity.id))
    firsts = [entity.first for entity in ordered]
    for head in ordered:
        from_, to = head.last - most + 1, head.first + most
        for tail in ordered[bisect_left(firsts, from_) : bisect_left(firsts, to)]:
            span = max(head.last, tail.last) - min(head.first, tail.first) + 1
            if span <= most and head.id != tail.id and (head.type, tail.type) in admissible:
                yield head, tail


class _Pairs:
    """Candidate pairs with their answers, document by document, and what of the annotation they cannot hold."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates, self._admissible = candidates, set(candidates.admissible)
        self.left_out: Counter[str] = Counter()

    def answered(self, note: str, entities: list[Named], relations: list[Named]) -> Iterator[tuple[Pair, str]]:
        """Each pair of a note with its relation."""
        answers = self._answers(relations, {row["entity_id"]: str(row["type"]) for row in entities})
        for pair in candidate_pairs(note, entities, self._candidates):
            yield pair, answers.pop((pair.head.id, pair.tail.id), NO_RELATION)
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
