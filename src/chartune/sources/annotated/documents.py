"""The canonical frames of an annotated corpus. Offsets count characters of `text` from 0; the end is exclusive.

    documents   doc_id str · patient str (whom to split by) · split str (as shipped) · text str
    entities    doc_id · entity_id str (of its document) · group str · type str? · start i64 · end i64 · pieces i64
    pieces      doc_id · entity_id · piece i64 (from 1) · start · end           of entities with several pieces only
    attributes  doc_id · entity_id · name str · value str                       such as assertion = absent
    relations   doc_id · head entity_id · tail entity_id · type str?
    pairs       pair_id str · group str (pairs with one premise) · split str · premise str · hypothesis str · label str

`group` is the coarse kind of an entity (`EVENT`, `NAME`; `CONCEPT` where there is one kind only), `type` the fine one;
null: its annotator left it empty. An entity that is broken into pieces ("left … arm") has the start of its first and
the end of its last piece, as the scorer of n2c2 2018 counts it; the pieces stand in `pieces`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from chartune.sources.annotated.findings import Findings
from chartune.sources.source import About

DOCUMENTS: Final = {"doc_id": pl.String(), "patient": pl.String(), "split": pl.String(), "text": pl.String()}
ENTITIES: Final = {
    "doc_id": pl.String(), "entity_id": pl.String(), "group": pl.String(), "type": pl.String(), "start": pl.Int64(),
    "end": pl.Int64(), "pieces": pl.Int64(),
}  # fmt: skip
PIECES: Final = {
    "doc_id": pl.String(), "entity_id": pl.String(), "piece": pl.Int64(), "start": pl.Int64(), "end": pl.Int64(),
}  # fmt: skip
ATTRIBUTES: Final = {"doc_id": pl.String(), "entity_id": pl.String(), "name": pl.String(), "value": pl.String()}
RELATIONS: Final = {"doc_id": pl.String(), "head": pl.String(), "tail": pl.String(), "type": pl.String()}
PAIRS: Final = {
    "pair_id": pl.String(), "group": pl.String(), "split": pl.String(), "premise": pl.String(),
    "hypothesis": pl.String(), "label": pl.String(),
}  # fmt: skip
CONCEPT: Final = "CONCEPT"
"""The group of entities of a corpus that has one kind of them."""

Row = tuple[Any, ...]


@dataclass(repr=False)
class Rows:
    """Rows of the frames while a corpus is read; the columns are those of the schemas above."""

    documents: list[Row] = field(default_factory=list)
    entities: list[Row] = field(default_factory=list)
    pieces: list[Row] = field(default_factory=list)
    attributes: list[Row] = field(default_factory=list)
    relations: list[Row] = field(default_factory=list)
    pairs: list[Row] = field(default_factory=list)

    def entity(
        self, doc_id: str, entity_id: str, group: str, type_: str | None, pieces: Sequence[tuple[int, int]]
    ) -> None:
        """Add an entity and, if it has several, its pieces (ascending)."""
        self.entities.append((doc_id, entity_id, group, type_, pieces[0][0], pieces[-1][1], len(pieces)))
        if len(pieces) > 1:
            self.pieces += [(doc_id, entity_id, n, *piece) for n, piece in enumerate(pieces, start=1)]


@dataclass(frozen=True)
class AnnotatedRecords:
    """The canonical frames of an annotated corpus; each fits into memory many times over."""

    about: About
    documents: pl.DataFrame = field(repr=False)
    entities: pl.DataFrame = field(repr=False)
    pieces: pl.DataFrame = field(repr=False)
    attributes: pl.DataFrame = field(repr=False)
    relations: pl.DataFrame = field(repr=False)
    pairs: pl.DataFrame = field(repr=False)
    findings: Findings = field(repr=False)
    """What was left out, mended or noted, by reason."""
    expected: Mapping[str, int]
    """Split → documents (or pairs) as published."""

    def warnings(self) -> tuple[str, ...]:
        """What a reader of the data card should know: differences from the published counts, then the findings."""
        noun = "pairs" if self.documents.is_empty() else "documents"
        rows = self.pairs if self.documents.is_empty() else self.documents
        here = dict(rows.group_by("split").len().rows())
        short = [
            f"{split}: {count} {noun} are published, here are {here.get(split, 0)}."
            for split, count in self.expected.items()
            if here.get(split, 0) != count
        ]
        return (*short, *self.findings.warnings())


def records(about: About, rows: Rows, findings: Findings, expected: Mapping[str, int]) -> AnnotatedRecords:
    """The frames, sorted.

    Raises:
        DataError: an annotation was read and is neither in a frame nor among the findings.
    """
    kept = AnnotatedRecords(
        about,
        pl.DataFrame(rows.documents, DOCUMENTS, orient="row").sort("doc_id"),
        pl.DataFrame(rows.entities, ENTITIES, orient="row").sort("doc_id", "start", "end", "type", "entity_id"),
        pl.DataFrame(rows.pieces, PIECES, orient="row").sort("doc_id", "entity_id", "piece"),
        pl.DataFrame(rows.attributes, ATTRIBUTES, orient="row").sort("doc_id", "entity_id", "name"),
        pl.DataFrame(rows.relations, RELATIONS, orient="row").sort("doc_id", "head", "tail", "type"),
        pl.DataFrame(rows.pairs, PAIRS, orient="row").sort("split", "pair_id"),
        findings,
        expected,
    )
    findings.reconcile(
        {
            "documents": kept.documents.height,
            "entities": kept.entities.height,
            "relations": kept.relations.height,
            "attributes": kept.attributes.height,
            "pairs": kept.pairs.height,
        }
    )
    return kept
