"""Documents of one XML file each, a text and a list of tags with offsets into it: i2b2 2012 and 2014.

    <root><TEXT><![CDATA[...]]></TEXT><TAGS><EVENT id="E1" start="1" end="10" text="..." type="..."/></TAGS></root>

Releases overlap: without tags, with some, with all. Of files that hold the same text the one with the most tags counts.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chartune.sources.annotated.archives import RawFile, read_corpus
from chartune.sources.annotated.corpus import decoded, same_split, split_of, two_versions
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import Marked
from chartune.sources.annotated.xml import Element, Malformed, mended, parse

ENDING: Final = ".xml"
MENDED: Final = "the XML was not well-formed (a bare &, a < in an attribute, a control character) and was mended"
UNREADABLE: Final = "the XML is not well-formed and could not be mended"
FOREIGN: Final = "the XML file is of another kind of corpus"
VERSION: Final = "a further file with the same text and fewer tags, or as many"
NO_TAGS: Final = "it has a text and no annotation"


@dataclass(frozen=True)
class Tagged:
    """A document as it stands in its file."""

    doc_id: str
    path: str
    text: str = field(repr=False)
    tags: tuple[Element, ...] = field(repr=False)

    @property
    def split(self) -> str:
        """As shipped."""
        return split_of(self.path)


def read_tagged(folder: Path, root: str, groups: frozenset[str], findings: Findings) -> list[Tagged]:
    """The documents of a corpus that have tags of these groups, sorted by id, each in the version with the most.

    Those without are counted as left out.

    Raises:
        SchemaError: a file or archive is damaged or hostile, or two files hold different texts of one document.
        LeakageError: a document is there for training and for testing.
    """
    versions: defaultdict[str, list[Tagged]] = defaultdict(list)
    for file in read_corpus(folder, (ENDING,)):
        document = _read(file, root, findings)
        if document is not None:
            versions[document.doc_id].append(document)
    chosen = []
    for doc_id, several in sorted(versions.items()):
        best = _chosen(several, groups, findings)
        findings.read("documents")
        if _weight(best, groups):
            chosen.append(best)
        else:
            findings.left_out("documents", NO_TAGS, doc_id)
    return chosen


def _read(file: RawFile, root: str, findings: Findings) -> Tagged | None:
    doc_id = file.name[: -len(ENDING)]
    content = decoded(file, doc_id, findings)
    try:
        tree = parse(content, file.path)
    except Malformed:
        tree = None
    if tree is None:
        try:
            tree = parse(mended(content), file.path)
        except Malformed:
            findings.read("documents")
            findings.left_out("documents", UNREADABLE, doc_id)
            return None
        findings.note("documents", MENDED, doc_id)
    if tree.name != root:
        findings.note("documents", FOREIGN, doc_id)
        return None
    text, tags = tree.first("TEXT"), tree.first("TAGS")
    return Tagged(doc_id, file.path, text.text if text else "", tuple(tags.children) if tags else ())


def _chosen(several: list[Tagged], groups: frozenset[str], findings: Findings) -> Tagged:
    best = max(several, key=lambda file: (_weight(file, groups), file.path))
    for other in several:
        if other is best:
            continue
        same_split(best.path, other.path)
        if other.text.split() != best.text.split():
            raise two_versions(best.path, other.path)
        findings.note("documents", VERSION, best.doc_id)
    return best


def _weight(document: Tagged, groups: frozenset[str]) -> int:
    return sum(tag.name in groups for tag in document.tags)


def marked(tag: Element, type_: str) -> Marked:
    """A tag as an annotation; its offsets are those of one piece."""
    cells = tag.attributes
    return Marked(cells.get("id", ""), tag.name, type_.strip().upper(), _offsets(cells), cells.get("text", ""))


def _offsets(cells: Mapping[str, str]) -> tuple[tuple[int, int], ...]:
    start, end = cells.get("start", "").strip(), cells.get("end", "").strip()
    return ((int(start), int(end)),) if start.isdecimal() and end.isdecimal() else ()
