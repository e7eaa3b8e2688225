"""Columns of one's own: a word and its tag in each line, as CoNLL has them, in files that are named for their split.

    train.tsv, devel.tsv, test.tsv            chest   B-Problem        a blank line ends a sentence
    (.conll, .bio, .iob, .tsv, .txt; .gz)     pain    I-Problem        -DOCSTART- begins a document
                                              .       O                the first column is the word, the last its tag

Tags may be IOB1, IOB2, BIOES or BILOU. The text is made of the words, with a blank between them and a line for each
sentence; offsets are those of that text. In a file without -DOCSTART- nobody says where a document ends: each sentence
is read by itself, and fifty that follow each other are one patient, so that a split cuts few documents.

A folder without a test file has its development file as test split, and validation is taken from training.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final, Literal

from chartune.errors import SchemaError
from chartune.sources.annotated.archives import LARGEST, RawFile, read_corpus
from chartune.sources.annotated.corpus import (
    DEV_IS_TEST,
    OWN,
    TEST,
    VALIDATION,
    AnnotatedCorpus,
    Published,
    decoded,
    named_split,
)
from chartune.sources.annotated.documents import CONCEPT, Rows
from chartune.sources.annotated.findings import Findings

ENDINGS: Final = tuple(
    f"{ending}{packed}" for ending in (".conll", ".bio", ".iob", ".iob2", ".tsv", ".txt") for packed in ("", ".gz")
)
BLOCK: Final = 50
"""Sentences that count as one patient where a file does not say where documents begin."""
BEGINS: Final = "-DOCSTART-"
NO_TAGS: Final = "a file whose first lines are no words with tags, passed over"
ILL_FORMED: Final = "its first tag does not begin a span in IOB2 or BIOES; read as its beginning, as in IOB1"
_TAG: Final = re.compile(r"O|(?P<begins>[BIESLUM])[-_](?P<type>\S+)")
_BEGIN, _ALONE, _LAST = "BSU", "SU", "ESLU"

Sentence = list[tuple[str, str]]


class Conll(AnnotatedCorpus):
    """Words and tags of one's own."""

    kind: Literal["conll"] = "conll"
    published = Published(OWN, "Tagged words of one's own", "as its owner says", {})
    endings = ENDINGS

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the files one by one. Raises SchemaError, too, where a line or a file's name says too little."""
        every = [RawFile(file.path, unpacked(file)) for file in read_corpus(self.folder, self.endings)]
        for file in every:
            if not looks_tagged(file.content):
                findings.note("documents", NO_TAGS, file.path)
        files = [(split_of(file), file) for file in every if looks_tagged(file.content)]
        tested = any(split == TEST for split, _ in files)
        for split, file in files:
            _Reader(rows, findings, TEST if split == VALIDATION and not tested else split, split).read(file)


def split_of(file: RawFile) -> str:
    """The split that a path says. Raises SchemaError: it says none."""
    if split := named_split(file.path):
        return split
    raise SchemaError(
        f"a file of tagged words must be named for its split (train, dev or test), but {file.path} is not; rename it, "
        f"or leave it out."
    )


def looks_tagged(content: bytes) -> bool:
    """Whether the first lines of a file are words with tags."""
    lines = [line.split() for line in content.decode("utf-8", "replace").split("\n")[:50]]
    filled = [line for line in lines if line and line[0] != BEGINS]
    return bool(filled) and all(len(line) > 1 and _TAG.fullmatch(line[-1]) for line in filled[:-1] or filled)


def unpacked(file: RawFile) -> bytes:
    """The content of a file, taken out of gzip. Raises SchemaError: it is damaged, or too large."""
    if not file.name.lower().endswith(".gz"):
        return file.content
    try:
        inflate = zlib.decompressobj(wbits=31)
        content = inflate.decompress(file.content, LARGEST)
    except zlib.error:
        raise SchemaError(f"{file.path} must be in gzip as its name says, but cannot be read; get it again.") from None
    if inflate.unconsumed_tail or not inflate.eof:
        raise SchemaError(f"{file.path} must unpack to at most {LARGEST >> 20} MiB, and end; get it again.")
    return content


class _Reader:
    """Reads a file into the frames."""

    def __init__(self, rows: Rows, findings: Findings, split: str, shipped: str) -> None:
        self._rows, self._findings, self._split, self._shipped = rows, findings, split, shipped

    def read(self, file: RawFile) -> None:
        """All its documents."""
        text = decoded(file, file.path, self._findings)
        name = file.path.removesuffix(".gz").rpartition(".")[0]
        marked = any(line.startswith(BEGINS) for line in text.split("\n"))
        for number, document in enumerate(_documents(text, file.path, marked=marked)):
            doc_id = f"{name}-{number + 1:06}"
            patient = doc_id if marked else f"{name}-block-{number // BLOCK + 1:04}"
            self._add(doc_id, patient, document)

    def _add(self, doc_id: str, patient: str, sentences: list[Sentence]) -> None:
        self._findings.read("documents")
        if self._split != self._shipped:
            self._findings.note("documents", DEV_IS_TEST, doc_id)
        lines: list[str] = []
        reached = 0
        for sentence in sentences:
            for start, end, type_, well_formed in spans_of(sentence):
                self._findings.read("entities")
                if not well_formed:
                    self._findings.note("entities", ILL_FORMED, doc_id)
                number = len(self._rows.entities) + 1
                self._rows.entity(doc_id, f"T{number}", CONCEPT, type_, [(reached + start, reached + end)])
            lines.append(" ".join(word for word, _ in sentence))
            reached += len(lines[-1]) + 1
        self._rows.documents.append((doc_id, patient, self._split, "\n".join(lines)))


def _documents(text: str, path: str, *, marked: bool) -> Iterator[list[Sentence]]:
    """Sentences document by document; where no document is marked, each sentence is one."""
    document: list[Sentence] = []
    for sentence in _sentences(text, path):
        if sentence is None or not marked:
            if document:
                yield document
            document = []
        if sentence:
            document.append(sentence)
    if document:
        yield document


def _sentences(text: str, path: str) -> Iterator[Sentence | None]:
    """The sentences of a file; None: a document begins. Raises SchemaError: a line has no word, or no tag."""
    sentence: Sentence = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        cells = line.split()
        begins = bool(cells) and cells[0] == BEGINS
        if cells and not begins:
            if len(cells) < 2 or not _TAG.fullmatch(cells[-1]):
                raise SchemaError(
                    f"a line must be a word and its tag (O, B-type, I-type; E-, S-, L- and U- too), but line {number} "
                    f"of {path} is none; correct it."
                )
            sentence.append((cells[0], cells[-1]))
            continue
        if sentence:
            yield sentence
        sentence = []
        if begins:
            yield None


def spans_of(sentence: Sentence) -> Iterator[tuple[int, int, str, bool]]:
    """Start, end, type of each span in the line that the words make, and whether its first tag begins one."""
    span: tuple[int, int, str, bool] | None = None
    place, last = 0, True
    for word, tag in sentence:
        match = _TAG.fullmatch(tag)
        begins, type_ = (match["begins"], match["type"]) if match else (None, None)
        goes_on = span is not None and begins is not None and begins not in _BEGIN and type_ == span[2] and not last
        if span is not None and not goes_on:
            yield span
            span = None
        if begins is not None:
            start, formed = (span[0], span[3]) if span is not None else (place, begins in _BEGIN)
            span = (start, place + len(word), str(type_), formed)
            last = begins in _LAST
        place += len(word) + 1
    if span is not None:
        yield span
