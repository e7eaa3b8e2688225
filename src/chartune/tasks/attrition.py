"""Attrition: every filter by name, with the subjects, admissions and notes that it left: a paper's flow diagram.

attrition.record("adults", why, cohort.whose(age >= 18))  →  1,233 subjects · 1,233 admissions · 1,640 notes left
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import polars as pl

from chartune.sources.coverage import Coverage, Rule

KEY: Final = ["subject_id", "hadm_id"]
"""Columns that name an admission; a row of which one alone agrees is another's."""


@dataclass(frozen=True)
class Cohort:
    """Whom a task is about, and what of their charts it may read."""

    admissions: pl.DataFrame
    """subject_id · hadm_id · split, and whatever the source knows of the admission."""
    notes: pl.DataFrame
    """What is known of each note, without its text: `chartune.tasks.staging.INDEX`."""

    def whose(self, keep: pl.Expr) -> "Cohort":
        """The admissions for which `keep` is true, and their notes; null counts as false."""
        return self.of(self.admissions.filter(keep))

    def of(self, admissions: pl.DataFrame) -> "Cohort":
        """These admissions and their notes; a note must agree with its admission on the subject, too."""
        notes = self.notes.join(admissions, on=KEY, how="semi")
        return Cohort(admissions, notes)

    def reading(self, keep: pl.Expr) -> "Cohort":
        """The notes for which `keep` is true, and the admissions that still have one; null counts as false."""
        notes = self.notes.filter(keep)
        return Cohort(self.admissions.join(notes, on=KEY, how="semi", maintain_order="left"), notes)


@dataclass(frozen=True)
class Step:
    """What one filter left."""

    why: str
    subjects: int
    admissions: int | None
    notes: int


class Attrition:
    """The filters of a task or corpus, in order."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._finding: dict[str, Rule] = {}

    def record(self, step: str, why: str, cohort: Cohort, finds: Rule | None = None) -> Cohort:
        """Count what is left and hand it on.

        Args:
            step: the filter.
            why: the reason.
            cohort: what it left.
            finds: what it looks for, which may be there unseen; None: it leaves out by choice.
        """
        subjects = cohort.admissions["subject_id"].n_unique()
        self.add(step, why, subjects, cohort.admissions.height, _counted(cohort.notes))
        self._finding |= {step: finds} if finds else {}
        return cohort

    def coverage(self) -> list[Coverage]:
        """What the filters that look for something found; of one that found nothing it is said that it left nobody."""
        rows = pairwise(self._steps.items())
        pairs = [(self._finding[name], before, step) for (_, before), (name, step) in rows if name in self._finding]
        counts = [(rule, getattr(before, rule.unit), getattr(step, rule.unit)) for rule, before, step in pairs]
        return [rule.of(reachable, reached).but(in_flow=True) for rule, reachable, reached in counts if reached]

    def record_notes(self, step: str, why: str, notes: pl.DataFrame) -> pl.DataFrame:
        """Count what is left where there are notes only, some of them of no admission."""
        self.add(step, why, notes["subject_id"].n_unique(), None, _counted(notes))
        return notes

    def add(self, step: str, why: str, subjects: int, admissions: int | None, notes: int) -> None:
        """Add to what a filter left: charts are read in shards of whole patients, so that counts add up."""
        seen = self._steps.get(step, Step(why, 0, None if admissions is None else 0, 0))
        total = None if admissions is None or seen.admissions is None else seen.admissions + admissions
        self._steps[step] = replace(seen, subjects=seen.subjects + subjects, admissions=total, notes=seen.notes + notes)

    def to_json(self) -> list[dict[str, Any]]:
        """A row per filter: step, why, subjects, admissions, notes, removed_admissions, removed_notes."""
        rows: list[dict[str, Any]] = []
        before: Step | None = None
        for name, step in self._steps.items():
            left = {"subjects": step.subjects, "admissions": step.admissions, "notes": step.notes}
            rows.append({"step": name, "why": step.why, **left, **_removed(before or step, step)})
            before = step
        return rows


def _counted(notes: pl.DataFrame) -> int:
    return int(notes["notes"].sum())


def _removed(before: Step, after: Step) -> dict[str, int | None]:
    counted = before.admissions is not None and after.admissions is not None
    return {
        "removed_admissions": (before.admissions or 0) - (after.admissions or 0) if counted else None,
        "removed_notes": before.notes - after.notes,
    }
