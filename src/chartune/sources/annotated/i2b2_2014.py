"""i2b2 2014, de-identification (Stubbs & Uzuner, 2015): names, dates and places of longitudinal records, in XML.

    <NAME id="P3" start="212" end="224" text="..." TYPE="DOCTOR" comment="" />

A file is called `patient-record.xml`; all records of a patient stand in one split. Two files are known to be wrong:
after one line of 180-03 the offsets are off by four, and 188-05 quotes a company with "and" that the text writes with
`&`. Both are mended by the rules for any file (`chartune.sources.annotated.spelling`).
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from chartune.config import Config, Unhashed
from chartune.sources.annotated.archives import raw_files
from chartune.sources.annotated.corpus import corpus_facts
from chartune.sources.annotated.documents import N2C2, AnnotatedRecords, Rows, about, records
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import place
from chartune.sources.annotated.tagged import ENDING, Tagged, annotated, marked, read_tagged
from chartune.sources.facts import TableFacts
from chartune.sources.source import RawPath
from chartune.store import Store

ROOT: Final = "deIdi2b2"
GROUPS: Final = frozenset({"NAME", "PROFESSION", "LOCATION", "AGE", "DATE", "CONTACT", "ID"})
TYPES: Final = frozenset({
    "PATIENT", "DOCTOR", "USERNAME", "PROFESSION", "ROOM", "DEPARTMENT", "HOSPITAL", "ORGANIZATION", "STREET", "CITY",
    "STATE", "COUNTRY", "ZIP", "LOCATION-OTHER", "AGE", "DATE", "PHONE", "FAX", "EMAIL", "URL", "IPADDR", "SSN",
    "MEDICALRECORD", "HEALTHPLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE", "BIOID", "IDNUM",
})  # fmt: skip
EXPECTED: Final = {"train": 790, "test": 514}
OTHER_TAG: Final = "a tag that is no protected health information, passed over"
NO_DASH: Final = "its file is not named patient-record, so it counts as a patient of its own"


class I2b2Deid2014(Config):
    """The i2b2 2014 corpus: protected health information in seven groups and some 25 types."""

    kind: Literal["i2b2_2014"] = "i2b2_2014"
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
        usual = ("2014", "i2b2 2014 de-identification", N2C2)
        return records(about(self.kind, self.folder, usual, self.title, self.licence), rows, findings, EXPECTED)


def _add(document: Tagged, rows: Rows, findings: Findings) -> None:
    doc_id, text = document.doc_id, document.text
    patient, dash, _ = doc_id.partition("-")
    if not dash:
        findings.note("documents", NO_DASH, doc_id)
    rows.documents.append((doc_id, patient, document.split, text))
    found = [marked(tag, tag.attributes.get("TYPE", "")) for tag in document.tags if tag.name in GROUPS]
    place(doc_id, text, found, TYPES, rows, findings)
    for tag in document.tags:
        if tag.name not in GROUPS:
            findings.note("entities", OTHER_TAG, doc_id)
