"""i2b2 2012, temporal relations (Sun et al., 2013): events, times and how they follow each other, in XML.

    <EVENT id="E1" start="1" end="10" text="Admission" modality="FACTUAL" polarity="POS" type="OCCURRENCE" />
    <TIMEX3 id="T0" start="18" end="28" text="09/29/1993" type="DATE" val="1993-09-29" mod="NA" />
    <TLINK id="TL1" fromID="E1" fromText="Admission" toID="T0" toText="09/29/1993" type="OVERLAP" />
    <SECTIME id="S0" start="18" end="28" text="09/29/1993" type="ADMISSION" dvalue="1993-09-29" />

The text begins with the line break after CDATA, and `&apos;` in it counts as six characters: the text is kept as it
stands, so that the published offsets hold. Fourteen files are not well-formed; they are mended and counted.
"""

from typing import Final, Literal

from chartune.sources.annotated.corpus import N2C2, AnnotatedCorpus, Published
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import NEW_TYPE, place, relate
from chartune.sources.annotated.tagged import ENDING, Tagged, marked, read_tagged
from chartune.sources.annotated.xml import Element

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
OTHER_TAG: Final = "a tag of another kind, passed over"


class I2b2Temporal2012(AnnotatedCorpus):
    """The i2b2 2012 corpus: EVENT, TIMEX3, SECTIME as entities, TLINK as relations."""

    kind: Literal["i2b2_2012"] = "i2b2_2012"
    published = Published("2012", "i2b2 2012 temporal relations", N2C2, {"train": 190, "test": 120})
    endings = (ENDING,)

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the documents one by one."""
        for document in read_tagged(self.folder, ROOT, GROUPS, findings):
            _add(document, rows, findings)


def _add(document: Tagged, rows: Rows, findings: Findings) -> None:
    doc_id, text = document.doc_id, document.text
    rows.documents.append((doc_id, doc_id, document.split, text))
    entities = [tag for tag in document.tags if tag.name in GROUPS]
    marked_spans = [marked(tag, tag.attributes.get("type", "")) for tag in entities]
    kept = place(doc_id, text, marked_spans, TYPES, rows, findings)
    described: set[str] = set()
    for tag in entities:
        _describe(doc_id, tag, kept - described, rows, findings)
        described.add(tag.attributes.get("id", ""))
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
