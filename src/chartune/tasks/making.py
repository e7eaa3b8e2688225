"""Making prepared data: one pass over each big table, then every task from what that pass left.

    notes ──stage──▶ shards of patients ─┬─ reads.read_notes, once per way of reading ─▶ examples of each task
    chart events ──▶ episodes            │                                          (portion by portion)
                     (shelf `events`)

What is finished stays when a preparation is cut off: the staged notes, each group of tasks, the episodes. The same
command then goes on from there.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import polars as pl

from chartune.log import progress
from chartune.notes.line_breaks import Breaks
from chartune.sources.source import Records
from chartune.sources.splits import CORPUS_ONLY, SPLITS, Assignment
from chartune.sources.tables import Tally
from chartune.store import opened, write_json
from chartune.tasks.attrition import KEY, Attrition, Cohort
from chartune.tasks.characteristics import characteristics, groups_of
from chartune.tasks.containment.examples import without_copies, without_near_copies
from chartune.tasks.containment.settings import NearCopies
from chartune.tasks.corpus import Corpus
from chartune.tasks.coverage import Reached, reading_of
from chartune.tasks.frames import write_frame
from chartune.tasks.inputs import EXAMPLES, counted
from chartune.tasks.labels import LabelSpace
from chartune.tasks.staging import SHARDS, Staged, of_shards, stage
from chartune.tasks.task import Task

T = TypeVar("T")
STAGED: Final = "staged"
"""Folder of the notes while tasks are made."""
TALLIES: Final = "tallies.json"


@dataclass
class _Making:
    """A task under way."""

    task: Task
    chosen: Cohort
    attrition: Attrition
    parts: list[pl.DataFrame]
    reached: Reached = field(default_factory=Reached)
    """By the rule of sections."""


def staged_notes(
    records: Records, categories: frozenset[str], corpus: Corpus | None, folder: Path, breaks: Breaks = "repaired"
) -> Staged:
    """All notes, read once; found where an earlier attempt has read them to the end.

    The tallies of `records` are then those of that attempt.
    """
    aside, done = folder / STAGED, folder / STAGED / TALLIES
    if done.is_file():
        read_tallies(records, done)
        return Staged(aside)
    shutil.rmtree(aside, ignore_errors=True)
    staged = stage(records, categories, corpus, aside, breaks)
    write_tallies(records, done)
    return staged


def make_tasks(
    tasks: Sequence[Task], records: Records, admissions: pl.DataFrame, staged: Staged, folder: Path, *, copies: bool,
    near: NearCopies | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Write the examples of all tasks; returns their entries in `dataset.json`.

    Args:
        tasks: in the order of the entries.
        records: of the source.
        admissions: with `split`.
        staged: the notes.
        folder: gets a parquet file per task.
        copies: whether training texts that a held-out chart repeats are kept.
        near: which training texts hold too much of a held-out text of their task; None: they are kept.
    """
    entries: dict[str, dict[str, Any]] = {}
    for group in _groups(tasks):
        missing = [task for task in group if not _entry(folder, task).is_file()]
        for making in _examples(missing, records, admissions, staged) if missing else ():
            write_json(_entry(folder, making.task), _finished(making, records, folder, copies=copies, near=near))
        entries |= {task.name: json.loads(_entry(folder, task).read_text(encoding="utf-8")) for task in group}
    return {task.name: entries[task.name] for task in tasks}


def forget_steps(folder: Path) -> None:
    """Remove what was kept for the case of an interruption only."""
    shutil.rmtree(folder / STAGED, ignore_errors=True)
    for entry in folder.glob(".*.entry.json"):
        entry.unlink()


def split_counts(admissions: pl.DataFrame, assignment: Assignment) -> dict[str, dict[str, int]]:
    """Patients and admissions of each split."""
    placed = assignment.placed(admissions, "admittime")

    def count(split: str) -> dict[str, int]:
        of_split = pl.col("split") == split
        return {"subjects": assignment.frame.filter(of_split).height, "admissions": placed.filter(of_split).height}

    return {split: count(split) for split in (*SPLITS, CORPUS_ONLY)}


def write_tallies(records: Records, file: Path) -> None:
    """What was counted while tables were read; written last, it says that a step is finished."""
    write_json(file, {table: vars(tally) for table, tally in records.tallies.items() if tally.rows})


def read_tallies(records: Records, file: Path, tables: Collection[str] | None = None) -> None:
    """Take over what was counted by an earlier attempt, of these tables or of all."""
    for table, tally in json.loads(opened(file).read_text(encoding="utf-8")).items():
        if tables is None or table in tables:
            records.tallies[table] = Tally(**tally)


def _groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks that read the same of the same notes, so that a text is taken apart once for all of them."""
    return _grouped(tasks, lambda task, other: task.reads.shared and task.reads == other.reads)


def _grouped(items: Sequence[T], fits: Callable[[T, T], bool]) -> list[list[T]]:
    """Each in the first group whose members all fit it, else in one of its own."""
    groups: list[list[T]] = []
    for item in items:
        group = next((group for group in groups if all(fits(item, other) for other in group)), None)
        if group is None:
            groups.append([item])
        else:
            group.append(item)
    return groups


def with_asked(task: Task, records: Records, admissions: pl.DataFrame) -> pl.DataFrame:
    """The admissions with `asked`: what a task asks of them, null where it is not known."""
    return admissions.join(task.asked(records), on=KEY, how="left", maintain_order="left")


def readable(task: Task, asked: pl.DataFrame, staged: Staged) -> Iterator[pl.DataFrame]:
    """What a task reads of everybody, whether or not the answer is known: `EXAMPLES`, a portion of the patients each.

    The rows with `asked` are the task's examples before held-out texts are looked for in training texts.

    Args:
        task: that reads.
        asked: from `with_asked`, of admissions with `split`.
        staged: the notes.
    """
    making = _chosen(task, asked, staged.index(task.reads.categories()), labelled=False)
    for _ in _portions([making], staged):
        yield making.parts.pop().select(*EXAMPLES)


def _examples(
    group: Sequence[Task], records: Records, admissions: pl.DataFrame, staged: Staged
) -> list[_Making]:  # fmt: skip
    """The examples of tasks that read alike."""
    index = staged.index(group[0].reads.categories())
    makings = [_chosen(task, with_asked(task, records, admissions), index, labelled=True) for task in group]
    for same in _reading_the_same(makings):
        for _ in _portions(same, staged):
            pass
    return makings


def _reading_the_same(makings: Sequence[_Making]) -> list[list[_Making]]:
    """Makings that chose the same notes wherever they share an admission.

    Nearly always all of them. But of identical summaries the latest counts, and which is the latest depends on whom a
    task asks about; what a task reads must not depend on the tasks that are prepared beside it.
    """
    return _grouped(makings, _agree)


def _agree(first: _Making, other: _Making) -> bool:
    def chosen(making: _Making, beside: _Making) -> pl.Series:
        shared = making.chosen.notes.join(beside.chosen.admissions, on=KEY, how="semi")
        return shared["note_id"].sort()

    return chosen(first, other).equals(chosen(other, first))


def _portions(makings: Sequence[_Making], staged: Staged) -> Iterator[range]:
    """Read the notes of these tasks once: the shards of each portion of the patients, when its part has been added."""
    wanted = pl.concat([making.chosen.notes for making in makings]).unique("note_id", maintain_order=True)
    with progress(f"preparing {', '.join(making.task.name for making in makings)}", SHARDS) as meter:
        for shards in staged.portions():
            notes, reads = staged.read(shards, wanted), makings[0].task.reads
            read = reads.read_notes(notes)
            reading = reading_of(reads, notes, read)
            for making in makings:
                admissions = making.chosen.admissions.filter(of_shards(shards))
                making.parts.append(making.task.examples(admissions, read, making.attrition))
                if reading:
                    making.reached.add(admissions, reading)
            meter.advance(len(shards))
            yield shards


def _chosen(task: Task, asked: pl.DataFrame, index: pl.DataFrame, *, labelled: bool) -> _Making:
    attrition = Attrition()
    return _Making(task, task.select(Cohort(asked, index), attrition, labelled=labelled), attrition, [])


def _finished(
    making: _Making, records: Records, folder: Path, *, copies: bool, near: NearCopies | None
) -> dict[str, Any]:
    """Write a task's examples; returns its entry in `dataset.json`."""
    task, attrition = making.task, making.attrition
    read = pl.concat(making.parts)
    examples = _of_no_held_out_text(read, attrition, folder / f".{task.name}.pile", copies, near).sort("hadm_id")
    space = task.label_space(examples, records)
    labelled = space.number(examples)
    if labelled["label"].has_nulls():
        repeated = _training(read) and not _training(examples)
        why = "no training patient has its label"
        why = "every training text repeats a held-out one, so that no label is learnt" if repeated else why
        labelled = counted(labelled.drop_nulls("label"), attrition, "label learnt", why)
    written = labelled.select(*(name if name != "asked" else "label" for name in EXAMPLES))
    write_frame(written, folder / f"{task.name}.parquet")
    card = {**task.card().to_json(), **space.to_json(), "config": task.model_dump(mode="json")}
    coverage = attrition.coverage() + task.coverage(records)
    counts = {"counts": _task_counts(written, space), **making.reached.to_json()}
    who = [known.to_json() for known in characteristics(written, records, space)]
    counts |= {"groups": groups_of(written, space) if who else {}, "characteristics": who}
    counts["coverage"] = [rule.to_json() for rule in coverage]
    return {**card, "attrition": attrition.to_json(), **counts}


def _of_no_held_out_text(
    examples: pl.DataFrame, attrition: Attrition, pile: Path, copies: bool, near: NearCopies | None
) -> pl.DataFrame:
    """The examples without training texts that a held-out one is in; as for `make_tasks`, `pile` for shingles."""
    if not copies:
        why = "training text that a held-out chart repeats"
        examples = counted(without_copies(examples), attrition, "not in a held-out chart", why)
    if not near:
        return examples
    why = f"training text that holds {near.containment:.0%} or more of a held-out text"
    return counted(without_near_copies(examples, near, pile), attrition, "no near-duplicate of a held-out text", why)


def _training(examples: pl.DataFrame) -> bool:
    return "train" in examples["split"]


def _entry(folder: Path, task: Task) -> Path:
    return folder / f".{task.name}.entry.json"


def _task_counts(examples: pl.DataFrame, space: LabelSpace) -> dict[str, dict[str, int]]:
    def count(rows: pl.DataFrame) -> dict[str, int]:
        counts = {"subjects": rows["subject_id"].n_unique(), "admissions": rows.height}
        return counts | space.counts(rows["label"])

    return {split: count(examples.filter(pl.col("split") == split)) for split in SPLITS}
