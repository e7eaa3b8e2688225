"""Soundness: what gives reason for a warning, of the raw tables as they are read and of the datasets that come out.

    read: bytes, rows, keys ─▶ a warning each ─┬─▶ dataset.json, and shown to who prepares
    made: nobody is left    ─▶ a warning each ─┘   strict: refused, as soon as one is known

No word of a patient is in them: a category of notes is named where the release has it, or where it was asked for.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from chartune.errors import DataError, LeakageError
from chartune.notes.line_breaks import Breaks
from chartune.sources.coverage import Coverage, Whose
from chartune.sources.facts import TableFacts
from chartune.sources.source import Records
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.corpus import Corpus
from chartune.tasks.coverage import of_sections
from chartune.tasks.dataset import Part, StepEntry, TaskEntry
from chartune.tasks.staging import Staged
from chartune.tasks.task import Task


def source_entry(
    records: Records, facts: Mapping[str, TableFacts], warnings: Sequence[str], notices: Sequence[str], coverage: Whose
) -> dict[str, Any]:
    """What `dataset.json` says of the source.

    Args:
        records: of it.
        facts: of its tables.
        warnings: what `strict` refuses.
        notices: what a reader should know, and is as asked for.
        coverage: `tables_covered`.
    """
    tables = {table: replace(fact, rows=_rows(records, table)).to_json() for table, fact in facts.items()}
    reached = {whose: [rule.to_json() for rule in rules] for whose, rules in coverage.items()}
    remarks = {"warnings": list(warnings), "notices": list(notices), "coverage": reached}
    return {**records.about.to_json(), "tables": tables, **remarks}


def tables_covered(records: Records, staged: Staged) -> dict[str, list[Coverage]]:
    """Table → what rules reached that can miss without a word; `notes`: in the texts that somebody wanted."""
    tables = {table: tally.coverage() for table, tally in records.tallies.items() if tally.reached}
    return {**tables, "notes": [staged.masked()]}


def tasks_covered(parts: Mapping[str, Part]) -> dict[str, list[Coverage]]:
    """Task → what its rules reached, the sections first.

    Args:
        parts: `Dataset.parts`.
    """
    tasks = {name: part for name, part in parts.items() if isinstance(part, TaskEntry)}
    return {name: [*of_sections(task.sections), *task.coverage] for name, task in tasks.items()}


def raw_warnings(records: Records, tables: Iterable[str]) -> list[str]:
    """What the raw tables give reason to warn of.

    Args:
        records: of the source.
        tables: that have been read to their end; of others nothing is known yet.
    """
    read = set(tables)
    counted = [text for table, tally in records.tallies.items() if table in read for text in tally.warnings(table)]
    released = [
        f"{table}: {records.about.version} has {' or '.join(map(str, expected))} rows, this file {rows}."
        for table, expected in records.expected_rows.items()
        if table in read and (rows := _rows(records, table)) not in (None, *expected)
    ]
    return [*records.warnings, *counted, *released]


def tables_read(records: Records) -> list[str]:
    """The tables of which rows have been counted."""
    return [table for table, tally in records.tallies.items() if tally.rows]


def absent_categories(records: Records, staged: Staged, tasks: Sequence[Task], corpus: Corpus | None) -> list[str]:
    """The warning that no note has a category that somebody named; empty: all are there, or nobody named one."""
    named = {kind for task in tasks if isinstance(task.reads, BedsideNotes) for kind in _named(task.reads, "types")}
    named |= set(_named(corpus, "categories")) if corpus else set()
    absent = sorted(named - staged.categories())
    if not absent:
        return []
    categories: Counter[str] = sum((Counter(tally.kinds) for tally in records.tallies.values()), Counter())
    present = f"there are {', '.join(sorted(categories))}" if categories else "there are none that a release knows"
    return [f"notes: none is of the category {' or '.join(absent)}, which was asked for; {present}."]


def breaks_reported(texts: int, breaks: Breaks) -> list[str]:
    r"""How many texts had their line breaks written out, and what became of them; empty: none had.

    Args:
        texts: `Staged.written_out`.
        breaks: what became of them.
    """
    if not texts:
        return []
    became = (
        "these were made line breaks" if breaks == "repaired"
        else "these are read as they stand, so that few sections are found (`line_breaks: repaired` mends them)"
    )  # fmt: skip
    return [rf"notes: {texts} texts held more written-out line breaks (\n) than line breaks; {became}."]


def emptied(parts: Mapping[str, Part]) -> dict[str, str]:
    """Name of each task without examples, and `corpus` if it has no documents → the filter that left nothing.

    A task in the version of codes that a source lacks is none of them, as long as the same is asked in its own version.

    Args:
        parts: `Dataset.parts`.
    """
    filters = {name: _emptied(part.attrition) for name, part in parts.items() if name not in of_other_codes(parts)}
    return {name: f"{name}: {why}" for name, why in filters.items() if why}


def who_left(part: Part) -> str:
    """Of a task or corpus with too few examples, the filter that left nobody, or else the one that left out most.

    Empty: no filter left anybody out. No count is in it.
    """
    if why := _emptied(part.attrition):
        return why
    most = max(part.attrition, key=_removed, default=None)
    return f"most are left out by the filter `{most.step}` ({most.why})." if most and _removed(most) else ""


def _removed(row: StepEntry) -> int:
    return (row.removed_notes if row.admissions is None else row.removed_admissions) or 0


def of_other_codes(parts: Mapping[str, Part]) -> set[str]:
    """Tasks about a version of codes in which nobody is coded, while others are in the version beside it."""
    coded = {name: part for name, part in parts.items() if isinstance(part, TaskEntry) and _version(part)}
    absent = {name for name, part in coded.items() if _without_codes(part)}
    answered = {_asked(part) for name, part in coded.items() if not _emptied(part.attrition)}
    return {name for name in absent if _asked(coded[name]) in answered}


def _version(task: TaskEntry) -> int | None:
    return (task.config or {}).get("icd_version")


def _asked(task: TaskEntry) -> str:
    return str((task.config or {}).get("kind"))


def _without_codes(task: TaskEntry) -> bool:
    """Whether the first filter that leaves nobody is that of the version."""
    first = next((row.step for row in task.attrition if not row.admissions), "")
    return first == f"coded in ICD-{_version(task)}"


def refuse(warnings: Sequence[str]) -> None:
    """Refuse data that give reason for a warning. Raises DataError: there is one."""
    if warnings:
        raise DataError(
            f"with `strict` nothing may give reason for a warning, but this does: "
            f"{' '.join(warnings)} Mend what they name, or leave `strict` out."
        )


def no_patient_twice(frame: pl.DataFrame) -> None:
    """Refuse an assignment in which a subject_id occurs twice.

    Raises:
        LeakageError: with the number of such patients.
    """
    twice = frame.filter(pl.col("subject_id").is_duplicated())["subject_id"].n_unique()
    if twice:
        raise LeakageError(f"a patient must stand in one split, but {twice} stand in several; correct the split lists.")


def _rows(records: Records, table: str) -> int | None:
    return records.tallies[table].rows if table in records.tallies else None


def _named(config: BedsideNotes | Corpus, field: str) -> set[str]:
    """Categories that somebody named: the usual ones are reported nowhere, because not every source has all of them."""
    named, usual = getattr(config, field), type(config).model_fields[field].default
    return set(named) if named != usual else set()


def _emptied(attrition: Sequence[StepEntry]) -> str:
    """Which filter left nothing; empty: none did."""
    for row in attrition:
        if not (row.notes if row.admissions is None else row.admissions):
            return f"nobody is left by the filter `{row.step}` ({row.why})."
    return ""
