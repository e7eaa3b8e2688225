"""Coverage: in how many of the admission texts each of the eight sections was found, said and warned of.

Where another hospital's headings are not known, or its notes are in another language, a rule that fits badly looks like
short notes; so what it reached is told.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from chartune.notes.sections import ADMISSION

TEXTS: Final = "texts"
"""How many admissions were read."""
USUAL: Final = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION", "PHYSICAL EXAM")
"""Sections that nearly every discharge summary has; MIMIC-IV masks its social histories."""
RARE: Final = 0.5
"""A usual section in a smaller share of texts is warned of."""
ENOUGH: Final = 10
"""Texts below which nothing is warned of."""


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


def _lines(tasks: Mapping[str, Mapping[str, int]], say: Callable[[Mapping[str, int]], str], line: str) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, found in tasks.items():
        if found.get(TEXTS) and (what := say(found)):
            names.setdefault(what, []).append(name)
    return [line.format(", ".join(who), what) for what, who in names.items()]


def _counts(found: Mapping[str, int]) -> str:
    # Counts, which are shown by their class wherever a sentence is: "<10 %" of 12 would be one patient.
    return f"of {found[TEXTS]} texts " + ", ".join(f"{title.lower()} {found[title]}" for title in ADMISSION)


def _few(found: Mapping[str, int]) -> str:
    few = [title.lower() for title in USUAL if found[title] < RARE * found[TEXTS]]
    return ", ".join(few) if found[TEXTS] >= ENOUGH else ""
