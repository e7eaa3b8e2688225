"""i2b2 2012, temporal relations (Sun et al., 2013): events, times and how they follow each other, in XML.

    <EVENT id="E1" start="1" end="10" text="Admission" modality="FACTUAL" polarity="POS" type="OCCURRENCE" />
    <TIMEX3 id="T0" start="18" end="28" text="09/29/1993" type="DATE" val="1993-09-29" mod="NA" />
    <TLINK id="TL1" fromID="E1" fromText="Admission" toID="T0" toText="09/29/1993" type="OVERLAP" />
    <SECTIME id="S0" start="18" end="28" text="09/29/1993" type="ADMISSION" dvalue="1993-09-29" />

The text begins with the line break after CDATA, and `&apos;` in it counts as six characters: the text is kept as it
stands, so that the published offsets hold. Fourteen files are not well-formed; they are mended and counted.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from chartune.config import Config, Unhashed
from chartune.sources.annotated.archives import raw_files
from chartune.sources.annotated.corpus import corpus_facts
from chartune.sources.annotated.documents import N2C2, AnnotatedRecords, Rows, about, records
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import NEW_TYPE, place, relate
from chartune.sources.annotated.tagged import ENDING, Tagged, annotated, marked, read_tagged
from chartune.sources.annotated.xml import Element
from chartune.sources.facts import TableFacts
from chartune.sources.source import RawPath
from chartune.store import Store

ROOT: Final = "ClinicalNarrativeTemporalAnnotation"
GROUPS: Final = frozenset({"EVENT", "TIMEX3", "SECTIME"})
LINK: Final = "TLINK"
EVENTS: Final = frozenset({"PROBLEM", "TEST", "TREATMENT", "CLINICAL_DEPT", "EVIDENTIAL", "OCCURRENCE"})
TYPES: Final = EVENTS | {"DATE", "TIME", "DURATION", "FREQUENCY", "ADMISSION", "DISCHARGE"}
LINKS: Final = frozenset({
    "BEFORE", "AFTER", "OVERLAP", "SIMULTANEOUS", "BEGUN_BY", "ENDED_BY", "DURING", "BEFORE_OVERLAP",
})  # fmt: skip
"""The eight relations of the annotation; the shared task scored the first three, to which the others were merged."""
ATTRIBUTES: Final = ("modality", "polarity", "val", "mod", "dvalue")
EXPECTED: Final = {"train": 190, "test": 120}
OTHER_TAG: Final = "a tag of another kind, passed over"


class I2b2Temporal2012(Config):
    """The i2b2 2012 corpus: EVENT, TIMEX3, SECTIME as entities, TLINK as relations."""

    kind: Literal["i2b2_2012"] = "i2b2_2012"
    folder: RawPath
    """The folder of the downloads, or one archive."""
    title: Annotated[str, Unhashed()] = ""
    """What to call it in reports; empty: its usual name."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms its text may be used; empty: those of its owner."""

    def files(self) -> dict[str, Path]:
        """Path within the corpus → raw file or archive. Raises SchemaError: there is none."""
        return raw_files(self.folder, (ENDING,))

    def facts(self, store: Store) -> dict[str, TableFacts]:
        """Archive, or all loose XML files, → size and hash. Raises SchemaError: a file cannot be read."""
        return corpus_facts(self.files(), store)

    def load(self) -> AnnotatedRecords:
        """The canonical frames.

        Raises:
            SchemaError: a file is damaged or hostile, or stands there in two versions.
            LeakageError: a document is there for training and for testing.
        """
        rows, findings = Rows(), Findings()
        for document in annotated(read_tagged(self.folder, ROOT, GROUPS, findings), GROUPS, findings):
            _add(document, rows, findings)
        usual = ("2012", "i2b2 2012 temporal relations", N2C2)
        return records(about(self.kind, self.folder, usual, self.title, self.licence), rows, findings, EXPECTED)


def _add(document: Tagged, rows: Rows, findings: Findings) -> None:
    doc_id, text = document.doc_id, document.text
    rows.documents.append((doc_id, doc_id, document.split, text))
    entities = [tag for tag in document.tags if tag.name in GROUPS]
    found = [marked(tag, tag.attributes.get("type", "")) for tag in entities]
    kept = place(doc_id, text, found, TYPES, rows, findings)
    told: set[str] = set()
    for tag in entities:
        _describe(doc_id, tag, kept - told, rows, findings)
        told.add(tag.attributes.get("id", ""))
    for tag in document.tags:
        if tag.name == LINK:
            _link(doc_id, tag, kept, rows, findings)
        elif tag.name not in GROUPS:
            findings.note("entities", OTHER_TAG, doc_id)


def _describe(doc_id: str, tag: Element, kept: frozenset[str], rows: Rows, findings: Findings) -> None:
    """Add polarity, modality, value and the like of an entity."""
    for name in ATTRIBUTES:
        value = tag.attributes.get(name, "").strip()
        if not value:
            continue
        findings.read("attributes")
        if tag.attributes.get("id", "") in kept:
            rows.attributes.append((doc_id, tag.attributes["id"], name, value))
        else:
            findings.left_out("attributes", "its entity was left out", doc_id)


def _link(doc_id: str, tag: Element, kept: frozenset[str], rows: Rows, findings: Findings) -> None:
    cells = tag.attributes
    type_ = cells.get("type", "").strip().upper()
    if type_ and type_ not in LINKS:
        findings.note("relations", NEW_TYPE, doc_id)
    relate(doc_id, cells.get("fromID", ""), cells.get("toID", ""), type_, kept, rows, findings)
