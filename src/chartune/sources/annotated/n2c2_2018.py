"""n2c2 2018 track 2, drugs and adverse events (Henry et al., 2020): discharge summaries of MIMIC-III with brat files.

    training_20180910.zip/training_20180910/100035.txt, 100035.ann        303 notes
    gold-standard-test-data.zip/test/...                                  202 notes

Nine types of entities; a relation joins a strength, form, ... or adverse event to its drug. Reason and ADE overlap.
"""

from collections.abc import Mapping
from typing import Final, Literal

from chartune.sources.annotated.archives import RawFile
from chartune.sources.annotated.brat import MARKS, read_with_text
from chartune.sources.annotated.corpus import N2C2, TEXT, AnnotatedCorpus, Published, notes, split_of
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import NEW_TYPE, place, relate

DRUG: Final = "Drug"
PARTS: Final = ("ADE", "Dosage", "Duration", "Form", "Frequency", "Reason", "Route", "Strength")
"""What may belong to a drug; the relation is called `Form-Drug` and so on."""
TYPES: Final = frozenset({DRUG, *PARTS})
RELATIONS: Final = frozenset(f"{part}-{DRUG}" for part in PARTS)


class N2c2Drugs2018(AnnotatedCorpus):
    """The n2c2 2018 corpus of track 2: drugs, what is said of them, and their adverse events."""

    kind: Literal["n2c2_2018"] = "n2c2_2018"
    published = Published("2018", "n2c2 2018 track 2, adverse drug events", N2C2, {"train": 303, "test": 202})
    endings = (TEXT, MARKS)

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the notes one by one."""
        for doc_id, files in notes(self.folder, self.endings, MARKS, findings).items():
            _add(doc_id, files, rows, findings)


def _add(doc_id: str, files: Mapping[str, RawFile], rows: Rows, findings: Findings) -> None:
    text, standoff = read_with_text(doc_id, files, findings)
    rows.documents.append((doc_id, doc_id, split_of(files[MARKS].path), text))
    kept = place(doc_id, text, standoff.entities, TYPES, rows, findings)
    for head, tail, type_ in standoff.relations:
        if type_ not in RELATIONS:
            findings.note("relations", NEW_TYPE, doc_id)
        relate(doc_id, head, tail, type_, kept, rows, findings)
