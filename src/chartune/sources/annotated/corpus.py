"""What the corpora share: their config, which split a path belongs to, which of several copies of a document counts.

i2b2/                                                           split
  concept_assertion_relation_training_data.tar.gz/beth/...      train
  reference_standard_for_test_data.tar.gz/concepts/0001.con     test       a folder or archive is named for it
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

from chartune.config import Config, Unhashed
from chartune.errors import LeakageError, SchemaError
from chartune.names import MaybeTitle, is_title
from chartune.sources.annotated.archives import RawFile, is_archive, raw_files, read_corpus
from chartune.sources.annotated.documents import AnnotatedRecords, Rows, records
from chartune.sources.annotated.findings import Findings
from chartune.sources.facts import TableFacts, content_hash, file_facts
from chartune.sources.marker import MADE_UP, marker, marker_facts
from chartune.sources.source import About, RawPath
from chartune.store import Store

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
_NAMED: Final = re.compile(
    r"(?<![a-z])(?:(train(?:ing)?)|(dev(?:el(?:opment)?)?|val(?:id(?:ation)?)?)|(test(?:ing)?))(?![a-z])"
)
DEV_IS_TEST: Final = "there is no test split, so that the development split is it"
_TEST: Final = re.compile(r"(?<![a-z])(test(ing|s)?|ground[ _-]?truth)(?![a-z])")
REPLACED: Final = "bytes were not UTF-8; each such sequence became U+FFFD"
TEXT: Final = ".txt"
NO_TEXT: Final = "it is annotated and its text is missing"
NO_MARKS: Final = "it has a text and no annotation"
COPY: Final = "a further copy of the same file"
OWN: Final = "own"
"""Version of a corpus that nobody has published."""
N2C2: Final = "n2c2 data use agreement (DBMI Data Portal)"


@dataclass(frozen=True)
class Published:
    """A corpus as its owner ships it."""

    version: str
    title: str
    licence: str
    counts: Mapping[str, int]
    """Split → documents (or pairs)."""


class AnnotatedCorpus(Config, ABC):
    """Base of the annotated corpora: where the downloads lie, and how they become the canonical frames."""

    published: ClassVar[Published]
    endings: ClassVar[tuple[str, ...]]
    """Of the raw files, in lower case."""

    kind: str
    folder: RawPath
    """The folder of the downloads, or one archive."""
    title: Annotated[MaybeTitle, Unhashed()] = ""
    """What to call it in reports; empty: its usual name, of a corpus of one's own that of its folder."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms its text may be used; empty: those of its owner."""

    def files(self) -> dict[str, Path]:
        """Path within the corpus → raw file or archive. Raises SchemaError: there is none."""
        return raw_files(self.folder, self.endings)

    def facts(self, store: Store) -> dict[str, TableFacts]:
        """Archive, or all loose files of an ending, → size and hash. Raises SchemaError as `corpus_facts`."""
        return corpus_facts(self.files(), store) | marker_facts(self.folder, store)

    def about(self) -> About:
        """What the data card says; a made-up corpus says so in a marker that lists its files."""
        manifest = marker(self.folder, self.files().values()) if (self.folder / MADE_UP).is_file() else None
        version, title, licence = self.published.version, self.published.title, self.published.licence
        if version == OWN and is_title(self.folder.resolve().name):
            title = self.folder.resolve().name
        if manifest is not None:
            version, title, licence = "made-up", str(manifest.get("title", "Made-up corpus")), "CC0 1.0"
        return About(self.kind, version, self.title or title, self.licence or licence)

    def load(self) -> AnnotatedRecords:
        """The canonical frames.

        Raises:
            SchemaError: a file is missing, damaged or hostile, or two files could be one document.
            LeakageError: a document or pair is there for training and for testing.
        """
        rows, findings = Rows(), Findings()
        self.fill(rows, findings)
        return records(self.about(), rows, findings, self.published.counts)

    @abstractmethod
    def fill(self, rows: Rows, findings: Findings) -> None:
        """Add all that is annotated, and count what is not. Raises as `load`."""


def split_of(path: str) -> str:
    """`test` if a folder or archive on the way says so (`test_data`, `testing-PHI-Gold-fixed`), else `train`."""
    return TEST if any(map(_TEST.search, path.lower().split("/")[:-1])) else TRAIN


def named_split(path: str) -> str | None:
    """The split that a corpus of one's own names, the file's name before its folders; None: it names none."""
    for part in reversed(path.lower().split("/")):
        if named := {match.lastindex or 1 for match in _NAMED.finditer(part)}:
            return (TRAIN, VALIDATION, TEST)[min(named) - 1]
    return None


def decoded(file: RawFile, doc_id: str, findings: Findings) -> str:
    """The text of a file; a byte order mark is dropped, bytes that are not UTF-8 are replaced and counted."""
    try:
        return file.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        findings.note("documents", REPLACED, doc_id)
    return file.content.decode("utf-8-sig", errors="replace")


def notes(folder: Path, endings: tuple[str, ...], marks: str, findings: Findings) -> dict[str, dict[str, RawFile]]:
    """Document → ending → its file, of notes that have a text (`.txt`) and annotations; sorted by document.

    A text and its annotations may lie in different archives. Byte-equal copies count once. Texts without annotations,
    among them any `README.txt`, and annotations without a text are counted as left out.

    Args:
        folder: the corpus.
        endings: of a note's files.
        marks: the ending of the file that makes it an annotated note.
        findings: takes the counts.

    Raises:
        SchemaError: a file is damaged, an archive is hostile, or two files could be one document.
        LeakageError: a document is there for training and for testing.
    """
    versions: defaultdict[str, list[RawFile]] = defaultdict(list)
    for file in read_corpus(folder, endings):
        versions[file.name.rpartition(".")[0]].append(file)
    documents: dict[str, dict[str, RawFile]] = {}
    for doc_id, several in sorted(versions.items()):
        findings.read("documents")
        present = {_ending(file) for file in several}
        if {marks, TEXT} <= present:
            documents[doc_id] = {
                ending: _only(doc_id, ending, several, findings) for ending in endings if ending in present
            }
        else:
            findings.left_out("documents", NO_TEXT if marks in present else NO_MARKS, doc_id)
    return documents


def _ending(file: RawFile) -> str:
    return f".{file.name.rpartition('.')[2].lower()}"


def _only(doc_id: str, ending: str, several: Iterable[RawFile], findings: Findings) -> RawFile:
    """The one file of a document with that ending; all files of the document must be of one split."""
    first, *others = [file for file in several if _ending(file) == ending]
    for other in others:
        if other.content != first.content:
            raise two_versions(first.path, other.path)
        findings.note("documents", COPY, doc_id)
    for other in several:
        same_split(first.path, other.path)
    return first


def same_split(path: str, other: str) -> None:
    """Refuse copies of a document of which one is for training and one for testing."""
    if split_of(path) != split_of(other):
        raise LeakageError(
            f"a document must stand in one split, but {path} and {other} are the same, one for training and one for "
            f"testing by their folders; remove one of them."
        )


def two_versions(path: str, other: str) -> SchemaError:
    """That two files could be the same document."""
    return SchemaError(f"one file must hold a document, but {path} and {other} differ; move one of them away.")


def same_first_text(text: str) -> str:
    """Pairs with the same first text belong together: 64 bits of BLAKE2b over it, case and blanks apart."""
    return hashlib.blake2b(" ".join(text.casefold().split()).encode(), digest_size=8).hexdigest()


def corpus_facts(files: Mapping[str, Path], store: Store) -> dict[str, TableFacts]:
    """Archive → size and hash; loose files, of which there may be a thousand, are reported together by their ending.

    The hash of many files is that of their paths and hashes, sorted by path.

    Raises:
        SchemaError: a file cannot be read, or an archive is not the one that `SHA256SUMS.txt` lists.
    """
    facts = {path: file_facts(file, store) for path, file in files.items() if is_archive(file)}
    loose = {path: file for path, file in files.items() if path not in facts}
    for ending in sorted({Path(path).suffix.lower() for path in loose}):
        alike = {path: file for path, file in loose.items() if path.lower().endswith(ending)}
        digest = hashlib.sha256()
        for path, file in sorted(alike.items()):
            digest.update(f"{path}\0{content_hash(file)}\n".encode())
        size = sum(file.stat().st_size for file in alike.values())
        facts[f"*{ending}"] = TableFacts(f"{len(alike)} files *{ending}", size, digest.hexdigest())
    return facts
