"""A folder of one's own that was annotated with brat: a text and its standoff annotations, side by side.

    train/report-17.txt, train/report-17.ann      folders may be called train, dev and test; where none is called
    test/report-18.txt, test/report-18.ann        test, dev is; where no split is named, a hash draws the test split

Types, and the types of the ends of a relation, are those that stand there. A document is a patient of its own.
"""

from collections.abc import Mapping
from typing import Final, Literal

from chartune.quantities import Fraction
from chartune.sources.annotated.archives import RawFile
from chartune.sources.annotated.brat import MARKS, read_with_text
from chartune.sources.annotated.corpus import (
    DEV_IS_TEST,
    OWN,
    TEST,
    TEXT,
    TRAIN,
    VALIDATION,
    AnnotatedCorpus,
    Published,
    named_split,
    notes,
)
from chartune.sources.annotated.dev import drawn_test
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import place, relate

DRAWN: Final = "no folder names a split, so that a hash of its name drew the test split"


class BratFolder(AnnotatedCorpus):
    """Documents of one's own with brat's annotations."""

    kind: Literal["brat"] = "brat"
    published = Published(OWN, "Annotations of one's own", "as its owner says", {})
    endings = (TEXT, MARKS)
    test: Fraction = 0.2
    """Share of the documents that is the test split, where no folder is called train, dev or test."""
    salt: str = "chartune"
    """Another salt, another test split."""

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the documents one by one."""
        documents = notes(self.folder, self.endings, MARKS, findings)
        named = {doc_id: named_split(files[MARKS].path) for doc_id, files in documents.items()}
        for doc_id, files in documents.items():
            _add(doc_id, self._split(doc_id, named, findings), files, rows, findings)

    def _split(self, doc_id: str, named: Mapping[str, str | None], findings: Findings) -> str:
        if not any(named.values()):
            findings.note("documents", DRAWN, doc_id)
            drawn = drawn_test(self.salt, self.test)
            return drawn.drawn(doc_id)
        if named[doc_id] == VALIDATION and TEST not in named.values():
            findings.note("documents", DEV_IS_TEST, doc_id)
            return TEST
        return named[doc_id] or TRAIN


def _add(doc_id: str, split: str, files: Mapping[str, RawFile], rows: Rows, findings: Findings) -> None:
    text, standoff = read_with_text(doc_id, files, findings)
    rows.documents.append((doc_id, doc_id, split, text))
    known = frozenset(entity.type for entity in standoff.entities)
    kept = place(doc_id, text, standoff.entities, known, rows, findings)
    for head, tail, type_ in standoff.relations:
        relate(doc_id, head, tail, type_, kept, rows, findings)
