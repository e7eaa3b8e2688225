"""Coverage: in how many of the admission texts each of the eight sections was found, said and warned of.

Where another hospital's headings are not known, or its notes are in another language, a rule that fits badly looks like
short notes; so what it reached is told, and which headings it does not know.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from chartune.disclosure import SMALL
from chartune.notes.sections import ADMISSION
from chartune.notes.unknown_headings import unknown_headings
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.inputs import Input

TEXTS: Final = "texts"
"""How many admissions were read."""
USUAL: Final = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION", "PHYSICAL EXAM")
"""Sections that nearly every discharge summary has; MIMIC-IV masks its social histories."""
RARE: Final = 0.5
"""A usual section in a smaller share of texts is warned of."""
MOST_LISTED: Final = 12
"""Unknown headings that are listed."""
ENOUGH: Final = 10
"""Texts below which nothing is warned of."""


@dataclass
class Reached:
    """What the rule of sections reached in the texts of a task, added up over shards of whole patients."""

    sections: Counter[str] = field(default_factory=Counter)
    """As `sections_found`; empty: the task reads something else."""
    headings: Counter[str] = field(default_factory=Counter)
    """Unknown heading → patients in whose texts it stands."""

    def add(self, admissions: pl.DataFrame, read: pl.DataFrame, unknown: pl.DataFrame | None) -> None:
        """Add a shard.

        Args:
            admissions: selected.
            read: as for `sections_found`.
            unknown: of `headings_unknown`; None: no admission notes are read.
        """
        if unknown is None:
            return
        self.sections.update(sections_found(admissions, read))
        mine = unknown.join(admissions, on=["subject_id", "hadm_id"], how="semi")
        patients = mine.select("subject_id", "heading").unique()
        self.headings.update(dict(patients["heading"].value_counts().iter_rows()))

    def to_json(self) -> dict[str, Any]:
        """`sections` and `headings`: the most frequent unknown ones, none that fewer than ten patients' texts hold."""
        often = [(heading, n) for heading, n in self.headings.items() if n >= SMALL]
        listed = sorted(often, key=lambda row: (-row[1], row[0]))[:MOST_LISTED]
        return {"sections": dict(self.sections), "headings": dict(listed)}


def headings_unknown(reads: Input, notes: pl.DataFrame) -> pl.DataFrame | None:
    """The headings of these summaries that no rule knows: subject_id · hadm_id · heading; None: none are looked for.

    Args:
        reads: the input.
        notes: of a shard, with `text`.
    """
    if not isinstance(reads, AdmissionNote):
        return None
    known = reads.headings if reads.sections == "chartune" else "core"
    found = [sorted(unknown_headings(text or "", known)) for text in notes["text"].to_list()]
    headings = pl.Series("heading", found, dtype=pl.List(pl.String))
    return notes.select("subject_id", "hadm_id", headings).explode("heading").drop_nulls("heading")


def sections_found(admissions: pl.DataFrame, read: pl.DataFrame) -> Counter[str]:
    """How many of these admissions have words under each title of the admission text, and `TEXTS`, how many were read.

    Args:
        admissions: selected.
        read: `chartune.tasks.inputs.READ` of admission notes; perhaps of more admissions.
    """
    texts = read.join(admissions, on=["subject_id", "hadm_id"], how="semi")["text"]
    found = {title: int(texts.str.contains(rf"(?:^|\n\n){title}: \S").sum()) for title in ADMISSION}
    return Counter({TEXTS: len(texts), **found})


def told(tasks: Mapping[str, Mapping[str, int]]) -> list[str]:
    """In how many of the texts each section was found; tasks that agree share a line.

    Args:
        tasks: name → what `sections_found` counted; empty: it reads something else.
    """
    return _lines(tasks, _counts, "{}: sections found in the summaries that were read: {}.")


def rare(tasks: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The warning that usual sections are rare, where enough texts were read. Args as `told`."""
    why = (
        "Their headings may be others than are known, or the notes in another language than English, which is not read."
    )
    return _lines(tasks, _few, f"{{}}: in fewer than half of the summaries was found: {{}}. {why}")


def unknown(tasks: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The most frequent headings that no rule knows, with the patients whose texts hold them.

    Args:
        tasks: name → `headings` of `Reached.to_json`.
    """
    line = "{}: the most frequent headings that no rule knows, with the patients whose texts hold them: {}."
    return _lines(tasks, lambda found: ", ".join(f"{heading} {n}" for heading, n in found.items()), line)


def _lines(tasks: Mapping[str, Mapping[str, int]], say: Callable[[Mapping[str, int]], str], line: str) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, found in tasks.items():
        if what := say(found):
            names.setdefault(what, []).append(name)
    return [line.format(", ".join(who), what) for what, who in names.items()]


def _counts(found: Mapping[str, int]) -> str:
    if not found.get(TEXTS):
        return ""
    # Counts, which are shown by their class wherever a sentence is: "<10 %" of 12 would be one patient.
    return f"of {found[TEXTS]} texts " + ", ".join(f"{title.lower()} {found[title]}" for title in ADMISSION)


def _few(found: Mapping[str, int]) -> str:
    few = [title.lower() for title in USUAL if found.get(title, 0) < RARE * found.get(TEXTS, 0)]
    return ", ".join(few) if found.get(TEXTS, 0) >= ENOUGH else ""
