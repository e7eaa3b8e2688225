"""Placing: annotations with character offsets (i2b2 2012 and 2014, n2c2 2018) → entities whose offsets are proved."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.spelling import BROKEN, EMPTY, JOINED, MOVED, NOT_SPELT, TRIMMED, found_shift, tidied

NOT_READ: Final = "the line does not read as its format says"
NO_TYPE: Final = "its annotator left the type empty"
NEW_TYPE: Final = "the type is none of the published ones"
TWICE: Final = "its id stands there twice in the document"
NO_OFFSETS: Final = "it has no offsets that are whole numbers"
NO_END: Final = "an end of it is no entity of the document"


@dataclass(frozen=True)
class Marked:
    """An annotation as it stands in the raw file."""

    entity_id: str
    group: str
    type: str
    """Empty: none was given."""
    pieces: tuple[tuple[int, int], ...]
    """Start and end of each piece, ascending; none: there were no whole numbers."""
    words: str = field(repr=False)
    """What the annotation quotes."""


def place(
    doc_id: str, text: str, marked: Iterable[Marked], known: frozenset[str], rows: Rows, findings: Findings
) -> frozenset[str]:
    """Add the entities of a document whose offsets lead to their own words; count all others by reason.

    Args:
        doc_id: the document.
        text: its text.
        marked: its annotations.
        known: the published types; others are kept and counted.
        rows: takes the entities.
        findings: takes the counts.

    Returns:
        The ids of the entities that were kept.
    """
    kept: set[str] = set()
    usual = 0
    for tag in sorted(marked, key=lambda tag: tag.pieces):
        findings.read("entities")
        reason = _cannot_be_placed(tag, kept)
        shift = None if reason else found_shift(text, tag.pieces, tag.words, usual)
        if shift is None:
            findings.left_out("entities", reason or NOT_SPELT, doc_id)
            continue
        usual = shift
        pieces = [(start + shift, end + shift) for start, end in tag.pieces]
        tidy = tidied(text, pieces)
        for remark in _remarks(tag, pieces, tidy, shift, known):
            findings.note("entities", remark, doc_id)
        rows.entity(doc_id, tag.entity_id, tag.group, tag.type or None, tidy)
        kept.add(tag.entity_id)
    return frozenset(kept)


def _cannot_be_placed(tag: Marked, kept: set[str]) -> str:
    if not tag.pieces:
        return NO_OFFSETS
    if any(start >= end for start, end in tag.pieces):
        return EMPTY
    return TWICE if tag.entity_id in kept else ""


def _remarks(
    tag: Marked, pieces: list[tuple[int, int]], tidy: list[tuple[int, int]], shift: int, known: frozenset[str]
) -> list[str]:
    ends = (pieces[0][0], pieces[-1][1]) != (tidy[0][0], tidy[-1][1])
    remarks = {
        MOVED: shift != 0,
        TRIMMED: ends,
        JOINED: len(tidy) < len(pieces),
        BROKEN: len(tidy) > 1,
        NO_TYPE: not tag.type,
        NEW_TYPE: bool(tag.type) and tag.type not in known,
    }
    return [reason for reason, applies in remarks.items() if applies]


def relate(doc_id: str, head: str, tail: str, type_: str, kept: frozenset[str], rows: Rows, findings: Findings) -> None:
    """Add a relation between two entities that were kept; count it otherwise."""
    findings.read("relations")
    if head not in kept or tail not in kept:
        findings.left_out("relations", NO_END, doc_id)
        return
    if not type_:
        findings.note("relations", NO_TYPE, doc_id)
    rows.relations.append((doc_id, head, tail, type_ or None))
