"""Standoff annotations of brat: a line per span, relation or remark, tabs between its parts.

    T1<TAB>Drug 10 17<TAB>aspirin
    T2<TAB>Reason 30 35;48 52<TAB>chest pain         pieces; brat also breaks a span at each line break
    R1<TAB>Reason-Drug Arg1:T2 Arg2:T1
    #1<TAB>AnnotatorNotes T1<TAB>...                 remarks and attributes are passed over, and counted

A line that begins with no id goes on with the words of the line before; some files of n2c2 2018 have such lines.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from chartune.sources.annotated.archives import RawFile
from chartune.sources.annotated.corpus import TEXT, decoded
from chartune.sources.annotated.documents import CONCEPT
from chartune.sources.annotated.findings import Findings, Thing
from chartune.sources.annotated.placing import NOT_READ, Marked
from chartune.sources.annotated.spelling import spelt

MARKS: Final = ".ann"
ONE_BREAK: Final = "offsets count a line break as one character where the file has two; the text was read so"
CONTINUED: Final = "its words go on in a further line of the file"
PASSED_OVER: Final = "a remark, attribute or event of brat, passed over"
STRAY: Final = "a line that belongs to no annotation, passed over"
_ENTITY: Final = re.compile(r"(?P<id>T\S+)\t(?P<type>[^\s]*) (?P<pieces>\d+ \d+(?:;\d+ \d+)*)\t(?P<words>.*)")
_RELATION: Final = re.compile(r"R\S+\t(?P<type>\S+) Arg1:(?P<head>\S+) Arg2:(?P<tail>\S+)\s*")
_OTHER: Final = re.compile(r"([#AMEN*]\S*)\t.*")


@dataclass(frozen=True)
class Standoff:
    """The annotations of a document."""

    entities: tuple[Marked, ...]
    relations: tuple[tuple[str, str, str], ...]
    """Head, tail, type."""


def read_with_text(doc_id: str, files: Mapping[str, RawFile], findings: Findings) -> tuple[str, Standoff]:
    """The text of a document as the offsets of its annotations count it, and these. files: by ending."""
    standoff = read_standoff(decoded(files[MARKS], doc_id, findings), doc_id, findings)
    return _text(decoded(files[TEXT], doc_id, findings), standoff, doc_id, findings), standoff


def _text(text: str, standoff: Standoff, doc_id: str, findings: Findings) -> str:
    """The text as the offsets count it: where lines end in two characters, some tools have counted one."""
    if "\r\n" not in text:
        return text
    unix = text.replace("\r\n", "\n")

    def right(version: str) -> int:
        return sum(spelt(version, entity.pieces, entity.words) for entity in standoff.entities)

    if right(unix) <= right(text):
        return text
    findings.note("documents", ONE_BREAK, doc_id)
    return unix


def read_standoff(content: str, doc_id: str, findings: Findings) -> Standoff:
    """The annotations of an `.ann` file; lines that cannot be read are counted."""
    entities: list[Marked] = []
    relations: list[tuple[str, str, str]] = []
    goes_on = False
    for line in content.split("\n"):
        line = line.removesuffix("\r")
        entity, relation = _ENTITY.fullmatch(line), _RELATION.fullmatch(line)
        if entity:
            entities.append(_marked(entity.groupdict()))
        elif relation:
            relations.append((relation["head"], relation["tail"], relation["type"]))
        elif goes_on and line.strip() and not _begins(line):
            entities[-1] = replace(entities[-1], words=f"{entities[-1].words}\n{line}")
            findings.note("entities", CONTINUED, doc_id)
            continue
        else:
            _other(line, doc_id, findings)
        goes_on = entity is not None
    return Standoff(tuple(entities), tuple(relations))


def _begins(line: str) -> bool:
    return re.match(r"[TR#AMEN*]\S*\t", line) is not None


def _other(line: str, doc_id: str, findings: Findings) -> None:
    if not line.strip():
        return
    if line.startswith(("T", "R")) and "\t" in line:
        what: Thing = "entities" if line.startswith("T") else "relations"
        findings.read(what)
        findings.left_out(what, NOT_READ, doc_id)
        return
    findings.note("entities", PASSED_OVER if _OTHER.fullmatch(line) else STRAY, doc_id)


def _marked(parts: dict[str, str]) -> Marked:
    pieces = sorted((int(start), int(end)) for start, end in (piece.split(" ") for piece in parts["pieces"].split(";")))
    return Marked(parts["id"], CONCEPT, parts["type"], tuple(pieces), parts["words"])
