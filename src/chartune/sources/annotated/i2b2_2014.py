"""i2b2 2014, de-identification (Stubbs & Uzuner, 2015): names, dates and places of longitudinal records, in XML.

    <NAME id="P3" start="212" end="224" text="..." TYPE="DOCTOR" comment="" />

A file is called `patient-record.xml`; all records of a patient stand in one split. Two files are known to be wrong:
after one line of 180-03 the offsets are off by four, and 188-05 quotes a company with "and" that the text writes with
`&`. Both are mended by the rules for any file (`chartune.sources.annotated.spelling`).
"""

from typing import Final, Literal

from chartune.sources.annotated.corpus import N2C2, AnnotatedCorpus, Published
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import place
from chartune.sources.annotated.tagged import ENDING, Tagged, marked, read_tagged

ROOT: Final = "deIdi2b2"
GROUPS: Final = frozenset({"NAME", "PROFESSION", "LOCATION", "AGE", "DATE", "CONTACT", "ID"})
TYPES: Final = frozenset({
    "PATIENT", "DOCTOR", "USERNAME", "PROFESSION", "ROOM", "DEPARTMENT", "HOSPITAL", "ORGANIZATION", "STREET", "CITY",
    "STATE", "COUNTRY", "ZIP", "LOCATION-OTHER", "AGE", "DATE", "PHONE", "FAX", "EMAIL", "URL", "IPADDR", "SSN",
    "MEDICALRECORD", "HEALTHPLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE", "BIOID", "IDNUM",
})  # fmt: skip
OTHER_TAG: Final = "a tag that is no protected health information, passed over"
NO_DASH: Final = "its file is not named patient-record, so it counts as a patient of its own"


class I2b2Deid2014(AnnotatedCorpus):
    """The i2b2 2014 corpus: protected health information in seven groups and some 25 types."""

    kind: Literal["i2b2_2014"] = "i2b2_2014"
    published = Published("2014", "i2b2 2014 de-identification", N2C2, {"train": 790, "test": 514})
    endings = (ENDING,)

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the documents one by one."""
        for document in read_tagged(self.folder, ROOT, GROUPS, findings):
            _add(document, rows, findings)


def _add(document: Tagged, rows: Rows, findings: Findings) -> None:
    doc_id, text = document.doc_id, document.text
    patient, dash, _ = doc_id.partition("-")
    if not dash:
        findings.note("documents", NO_DASH, doc_id)
    rows.documents.append((doc_id, patient, document.split, text))
    marked_spans = [marked(tag, tag.attributes.get("TYPE", "")) for tag in document.tags if tag.name in GROUPS]
    place(doc_id, text, marked_spans, TYPES, rows, findings)
    for tag in document.tags:
        if tag.name not in GROUPS:
            findings.note("entities", OTHER_TAG, doc_id)
