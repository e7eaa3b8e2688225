"""n2c2 2018 track 2, drugs and adverse events (Henry et al., 2020): discharge summaries of MIMIC-III with brat files.

    training_20180910.zip/training_20180910/100035.txt, 100035.ann        303 notes
    gold-standard-test-data.zip/test/...                                  202 notes

Nine types of entities; a relation joins a strength, form, ... or adverse event to its drug. Reason and ADE overlap.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from chartune.config import Config, Unhashed
from chartune.sources.annotated.archives import RawFile, raw_files
from chartune.sources.annotated.brat import Standoff, read_standoff
from chartune.sources.annotated.corpus import TEXT, corpus_facts, decoded, notes, split_of
from chartune.sources.annotated.documents import N2C2, AnnotatedRecords, Rows, about, records
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import NEW_TYPE, place, relate
from chartune.sources.annotated.spelling import spelt
from chartune.sources.facts import TableFacts
from chartune.sources.source import RawPath
from chartune.store import Store

MARKS: Final = ".ann"
ENDINGS: Final = (TEXT, MARKS)
DRUG: Final = "Drug"
PARTS: Final = ("ADE", "Dosage", "Duration", "Form", "Frequency", "Reason", "Route", "Strength")
"""What may belong to a drug; the relation is called `Form-Drug` and so on."""
TYPES: Final = frozenset({DRUG, *PARTS})
RELATIONS: Final = frozenset(f"{part}-{DRUG}" for part in PARTS)
EXPECTED: Final = {"train": 303, "test": 202}
ONE_BREAK: Final = "offsets count a line break as one character where the file has two; the text was read so"


class N2c2Drugs2018(Config):
    """The n2c2 2018 corpus of track 2: drugs, what is said of them, and their adverse events."""

    kind: Literal["n2c2_2018"] = "n2c2_2018"
    folder: RawPath
    """The folder of the downloads, or one archive."""
    title: Annotated[str, Unhashed()] = ""
    """What to call it in reports; empty: its usual name."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms its text may be used; empty: those of its owner."""

    def files(self) -> dict[str, Path]:
        """Path within the corpus → raw file or archive. Raises SchemaError: there is none."""
        return raw_files(self.folder, ENDINGS)

    def facts(self, store: Store) -> dict[str, TableFacts]:
        """Archive, or kind of loose file, → size and hash. Raises SchemaError: a file cannot be read."""
        return corpus_facts(self.files(), store)

    def load(self) -> AnnotatedRecords:
        """The canonical frames.

        Raises:
            SchemaError: a file is damaged, an archive is hostile, or two files could be one document.
            LeakageError: a document is there for training and for testing.
        """
        rows, findings = Rows(), Findings()
        for doc_id, files in notes(self.folder, ENDINGS, MARKS, findings).items():
            _add(doc_id, files, rows, findings)
        usual = ("2018", "n2c2 2018 track 2, adverse drug events", N2C2)
        return records(about(self.kind, self.folder, usual, self.title, self.licence), rows, findings, EXPECTED)


def _add(doc_id: str, files: Mapping[str, RawFile], rows: Rows, findings: Findings) -> None:
    found = read_standoff(decoded(files[MARKS], doc_id, findings), doc_id, findings)
    text = _text(decoded(files[TEXT], doc_id, findings), found, doc_id, findings)
    rows.documents.append((doc_id, doc_id, split_of(files[MARKS].path), text))
    kept = place(doc_id, text, found.entities, TYPES, rows, findings)
    for head, tail, type_ in found.relations:
        if type_ not in RELATIONS:
            findings.note("relations", NEW_TYPE, doc_id)
        relate(doc_id, head, tail, type_, kept, rows, findings)


def _text(text: str, found: Standoff, doc_id: str, findings: Findings) -> str:
    """The text as the offsets count it: where lines end in two characters, some tools have counted one."""
    if "\r\n" not in text:
        return text
    unix = text.replace("\r\n", "\n")

    def right(version: str) -> int:
        return sum(spelt(version, one.pieces, one.words) for one in found.entities)

    if right(unix) <= right(text):
        return text
    findings.note("documents", ONE_BREAK, doc_id)
    return unix
