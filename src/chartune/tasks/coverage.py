"""Coverage of sections: in how many of the admission texts each of the eight was found, and which headings are unknown.

Where another hospital's headings are not known, or its notes are in another language, a rule that fits badly looks like
short notes; so the report states what it reached, and which headings it does not know.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from chartune.disclosure import SMALL
from chartune.notes.headings import Known
from chartune.notes.sections import ADMISSION
from chartune.notes.unknown_headings import unknown_headings
from chartune.sources.coverage import Coverage, Rule
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.attrition import KEY
from chartune.tasks.inputs import Input

TEXTS: Final = "texts"
"""How many admissions were read."""
USUAL: Final = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION", "PHYSICAL EXAM")
"""Sections that nearly every discharge summary has; MIMIC-IV masks its social histories."""
RARE: Final = 0.5
"""A usual section in a smaller share of texts is warned of."""
MOST_LISTED: Final = 12
"""Unknown headings that are listed."""
_WHY: Final = (
    "Their headings may be others than are known, or the notes in another language than English, which is not read."
)
_UNIT: Final = "summaries that were read"


@dataclass(frozen=True)
class Reading:
    """What the rule of sections reached in notes that were read, whichever task asks about them."""

    sections: pl.DataFrame
    """subject_id · hadm_id · for each title of the admission text whether it has words: an admission a row."""
    headings: pl.DataFrame
    """subject_id · hadm_id · heading: the headings of the summaries that no rule knows."""


@dataclass
class Reached:
    """What the rule of sections reached in the texts of a task, added up over portions of whole patients."""

    sections: Counter[str] = field(default_factory=Counter)
    """Title of the admission text → admissions that have words under it, and `TEXTS`, how many were read; empty: the
    task reads something else."""
    headings: Counter[str] = field(default_factory=Counter)
    """Unknown heading → patients in whose texts it stands."""

    def add(self, admissions: pl.DataFrame, reading: Reading) -> None:
        """Add a portion.

        Args:
            admissions: selected.
            reading: perhaps of more admissions.
        """
        sections = reading.sections.join(admissions, on=KEY, how="semi")
        self.sections.update({TEXTS: sections.height, **sections.select(pl.col(*ADMISSION).sum()).row(0, named=True)})
        headings = reading.headings.join(admissions, on=KEY, how="semi")
        patients = headings.select("subject_id", "heading").unique()
        self.headings.update(dict(patients["heading"].value_counts().iter_rows()))

    def to_json(self) -> dict[str, Any]:
        """`sections` and `headings`: the most frequent unknown ones, none that fewer than ten patients' texts hold."""
        often = [(heading, n) for heading, n in self.headings.items() if n >= SMALL]
        listed = sorted(often, key=lambda row: (-row[1], row[0]))[:MOST_LISTED]
        return {"sections": dict(self.sections), "headings": dict(listed)}


def reading_of(reads: Input, notes: pl.DataFrame, read: pl.DataFrame) -> Reading | None:
    """What the rule of sections reached, once for all tasks that read these notes; None: no admission notes are read.

    Args:
        reads: the input.
        notes: of a portion, with `text`.
        read: of these notes (`chartune.tasks.inputs.READ`).
    """
    if not isinstance(reads, AdmissionNote):
        return None
    worded = [pl.col("text").str.contains(rf"(?:^|\n\n){title}: \S").alias(title) for title in ADMISSION]
    known = reads.headings if reads.sections == "chartune" else "core"
    return Reading(read.select(*KEY, *worded), _headings_unknown(notes, known))


def _headings_unknown(notes: pl.DataFrame, known: Known) -> pl.DataFrame:
    unknown_of_texts = [sorted(unknown_headings(text or "", known)) for text in notes["text"].to_list()]
    headings = pl.Series("heading", unknown_of_texts, dtype=pl.List(pl.String))
    return notes.select(*KEY, headings).explode("heading").drop_nulls("heading")


def of_sections(reached: Mapping[str, int]) -> list[Coverage]:
    """What the rule of each section reached.

    Args:
        reached: `sections` of `Reached`; empty: the task reads something else.
    """
    usual = {title: Rule(title.lower(), _UNIT, RARE, _WHY) for title in USUAL}
    rules = {title: usual.get(title, Rule(title.lower(), _UNIT)) for title in ADMISSION}
    return [rule.of(reached[TEXTS], reached[title]) for title, rule in rules.items()] if reached else []


def unknown(tasks: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The most frequent headings that no rule knows, with the patients whose texts hold them.

    A count stands apart from its heading, whose last word could make it a year or a row ("medication before 23").

    Args:
        tasks: name → `headings` of `Reached.to_json`.
    """
    names: dict[str, list[str]] = {}
    for name, patients in tasks.items():
        if listed := ", ".join(f"{heading} ({n})" for heading, n in patients.items()):
            names.setdefault(listed, []).append(name)
    line = "{}: the most frequent headings that no rule knows, with the patients whose texts hold them: {}."
    return [line.format(", ".join(who), listed) for listed, who in names.items()]
