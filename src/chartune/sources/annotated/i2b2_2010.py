"""i2b2 2010, concepts, assertions and relations (Uzuner et al., 2011): four text files per note.

    0001.txt   He has    Severe pain .
    0001.con   c="severe pain" 1:2 1:3||t="problem"
    0001.ast   c="severe pain" 1:2 1:3||t="problem"||a="present"
    0001.rel   c="morphine" 2:1 2:1||r="TrAP"||c="severe pain" 1:2 1:3

Lines are counted from 1, tokens from 0, both ends inclusive; a span may cross lines. Words are quoted in lower case and
may hold quotes and bars themselves. Notes without a `.con` (the unannotated folder) are counted and left out.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from chartune.sources.annotated.archives import RawFile
from chartune.sources.annotated.corpus import N2C2, TEXT, AnnotatedCorpus, Published, decoded, notes, split_of
from chartune.sources.annotated.documents import CONCEPT, Rows
from chartune.sources.annotated.findings import Findings, Thing
from chartune.sources.annotated.placing import NEW_TYPE, NO_END, NOT_READ
from chartune.sources.annotated.spelling import NOT_SPELT
from chartune.sources.annotated.tokens import Lines

CONCEPTS: Final = ".con"
TYPES: Final = frozenset({"problem", "test", "treatment"})
RELATIONS: Final = frozenset({"TrIP", "TrWP", "TrCP", "TrAP", "TrNAP", "TeRP", "TeCP", "PIP"})
ASSERTIONS: Final = frozenset({
    "present", "absent", "possible", "conditional", "hypothetical", "associated_with_someone_else",
})  # fmt: skip
ASSERTION: Final = "assertion"
REPEATED: Final = "the same span and type a second time"

_PLACE: Final = r'c="(?P<{0}>.*)" (?P<{0}_from>\d+:\d+) (?P<{0}_to>\d+:\d+)'
_WORDS: Final = _PLACE.format("words")
_CON: Final = re.compile(rf'{_WORDS}\|\|t="(?P<type>[^"]*)"')
_AST: Final = re.compile(rf'{_WORDS}\|\|t="[^"]*"\|\|a="(?P<value>[^"]*)"')
_REL: Final = re.compile(rf'{_PLACE.format("head")}\|\|r="(?P<type>[^"]*)"\|\|{_PLACE.format("tail")}')


class I2b2Relations2010(AnnotatedCorpus):
    """The i2b2 2010 corpus: problems, tests and treatments, their assertions and relations."""

    kind: Literal["i2b2_2010"] = "i2b2_2010"
    published = Published("2010", "i2b2 2010 concepts, assertions and relations", N2C2, {"train": 170, "test": 256})
    endings = (TEXT, CONCEPTS, ".ast", ".rel")

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the notes one by one."""
        for doc_id, files in notes(self.folder, self.endings, CONCEPTS, findings).items():
            _add(doc_id, files, rows, findings)


def _add(doc_id: str, files: Mapping[str, RawFile], rows: Rows, findings: Findings) -> None:
    text = decoded(files[TEXT], doc_id, findings)
    rows.documents.append((doc_id, doc_id, split_of(files[CONCEPTS].path), text))
    note = _Note(doc_id, Lines(text), rows, findings)
    for ending, read in ((CONCEPTS, note.concept), (".ast", note.assertion), (".rel", note.relation)):
        if ending in files:
            for line in decoded(files[ending], doc_id, findings).split("\n"):
                if line.strip():
                    read(line.strip())


class _Note:
    """A note while its annotations are read: concepts first, then what refers to them."""

    def __init__(self, doc_id: str, lines: Lines, rows: Rows, findings: Findings) -> None:
        self._doc_id, self._lines, self._rows, self._findings = doc_id, lines, rows, findings
        self._ids: dict[tuple[str, str], dict[str, str]] = {}
        self._count = 0

    def concept(self, line: str) -> None:
        """A line of `.con`."""
        parts = self._match("entities", _CON, line)
        if parts is None:
            return
        place, type_ = (parts["words_from"], parts["words_to"]), parts["type"].strip().lower()
        ids = self._ids.setdefault(place, {})
        span, misspelt = self._lines.span(*place, parts["words"])
        if type_ in ids or span is None:
            self._findings.left_out("entities", REPEATED if type_ in ids else NOT_SPELT, self._doc_id)
            return
        for remark in (misspelt, "" if type_ in TYPES else NEW_TYPE):
            if remark:
                self._findings.note("entities", remark, self._doc_id)
        self._count += 1
        ids[type_] = f"C{self._count}"
        self._rows.entity(self._doc_id, ids[type_], CONCEPT, type_ or None, [span])

    def assertion(self, line: str) -> None:
        """A line of `.ast`: what is claimed of a problem."""
        parts = self._match("attributes", _AST, line)
        if parts is None:
            return
        entity = self._ids.get((parts["words_from"], parts["words_to"]), {}).get("problem")
        if entity is None:
            self._findings.left_out("attributes", NO_END, self._doc_id)
            return
        if parts["value"] not in ASSERTIONS:
            self._findings.note("attributes", NEW_TYPE, self._doc_id)
        self._rows.attributes.append((self._doc_id, entity, ASSERTION, parts["value"]))

    def relation(self, line: str) -> None:
        """A line of `.rel`: a treatment, test or problem, then the problem to which it has a relation."""
        parts = self._match("relations", _REL, line)
        if parts is None:
            return
        type_ = parts["type"].strip()
        wanted = {"Tr": "treatment", "Te": "test", "PI": "problem"}.get(type_[:2], "")
        head = self._ids.get((parts["head_from"], parts["head_to"]), {}).get(wanted)
        tail = self._ids.get((parts["tail_from"], parts["tail_to"]), {}).get("problem")
        if head is None or tail is None:
            self._findings.left_out("relations", NO_END, self._doc_id)
            return
        if type_ not in RELATIONS:
            self._findings.note("relations", NEW_TYPE, self._doc_id)
        self._rows.relations.append((self._doc_id, head, tail, type_))

    def _match(self, what: Thing, pattern: re.Pattern[str], line: str) -> dict[str, str] | None:
        """The parts of a line; counted if it has none."""
        self._findings.read(what)
        match = pattern.fullmatch(line)
        if match is None:
            self._findings.left_out(what, NOT_READ, self._doc_id)
        return match.groupdict() if match else None
