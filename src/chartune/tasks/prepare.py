"""Preparation: raw tables → prepared data in the store, under a fingerprint of everything that determines it.

source ─load─▶ Records ─stage─▶ Staged ─┬─ task.select ─▶ task.examples ─▶ task.label_space ─▶ mortality.parquet
splits ─assign─────────────────────────┴─ corpus.select ▶ corpus.documents ▶ corpus.parquet    dataset.json
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Self

import polars as pl
from pydantic import Field, model_validator

from chartune.config import Config, fingerprint
from chartune.errors import ConfigError, DataError, LeakageError
from chartune.log import progress
from chartune.notes.clean import copy_key
from chartune.sources.catalog import AnySource, AnySplit
from chartune.sources.facts import TableFacts
from chartune.sources.source import Records
from chartune.sources.splits import CORPUS_ONLY, HELD_OUT, SPLITS, Assignment, HashSplit
from chartune.store import Artefact, Store, write_json
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.catalog import AnyTask, usual_corpus, usual_tasks
from chartune.tasks.corpus import CORPUS_SPLITS, Corpus
from chartune.tasks.frames import read_frame, write_frame, write_joined
from chartune.tasks.labels import LabelSpace
from chartune.tasks.staging import SHARDS, Staged, stage
from chartune.tasks.task import EXAMPLES, NOTES_READ

SHELF: Final = "data"
REVISION: Final = 2
"""Raised when a bug fix changes what prepared data hold."""
DATASET: Final = "dataset.json"


class Preparation(Config):
    """Which source, split how, asked what."""

    source: AnySource
    """Where the raw tables are and how they are read."""
    splits: AnySplit = HashSplit()
    """Who is learnt from and who is asked about."""
    tasks: tuple[AnyTask, ...] = ()
    """What is asked; nothing said: all that the source can answer (`chartune.tasks.catalog.usual_tasks`)."""
    corpus: Corpus | None = Field(default_factory=Corpus)
    """What a language model is adapted on; null: nothing; nothing said: the notes that the source has."""

    @model_validator(mode="before")
    @classmethod
    def _asks_what_the_source_can_answer(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "source" not in data:
            return data
        source = data["source"]
        kind = source.get("kind") if isinstance(source, dict) else getattr(source, "kind", None)
        full = dict(data)
        if not full.get("tasks"):
            full["tasks"] = usual_tasks(str(kind))
        full.setdefault("corpus", usual_corpus(str(kind)))
        return full

    @model_validator(mode="after")
    def _tasks_have_names_of_their_own(self) -> Self:
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError("every task must occur once, because its name is that of its file")
        return self

    def categories(self) -> frozenset[str]:
        """Categories of notes whose text somebody wants."""
        wanted = {category for task in self.tasks for category in task.categories()}
        return frozenset(wanted | set(self.corpus.categories if self.corpus else ()))


def prepare(preparation: Preparation, store: Store) -> Artefact:
    """The prepared data: found in the store if they stand there, else made in one pass over the notes.

    An artefact of kind `data` with `dataset.json`, `splits.parquet`, a file per task and `corpus.parquet`. A task or
    corpus that ends empty is no error: its attrition says where everything went.

    Raises:
        SchemaError: a raw table is missing, damaged or breaks its contract.
        LeakageError: a patient stands in two splits.
        StoreError: the store cannot be written or is in use.
    """
    facts = preparation.source.facts(store)
    files = {table: fact.sha256 for table, fact in sorted(facts.items())}
    parts = {"config": preparation.hashable(), "files": files, "splits": preparation.splits.rule()}
    name = fingerprint(SHELF, REVISION, parts)
    found = store.find(SHELF, name)
    if found:
        return found
    with store.writing(SHELF, name, {"sensitivity": "restricted"}) as folder:
        _make(preparation, facts, folder)
    return Artefact(SHELF, name, store.root / SHELF / name)


def read_dataset(artefact: Artefact) -> dict[str, Any]:
    """What the prepared data are: `dataset.json`."""
    return dict(json.loads((artefact.path / DATASET).read_text(encoding="utf-8")))


def task_named(dataset: Mapping[str, Any], name: str) -> str:
    """The prepared task that a name, its beginning or nothing at all (the first) stands for.

    Raises:
        ConfigError: several begin like that.
        DataError: the data were prepared without it.
    """
    tasks: list[str] = list(dataset["tasks"])
    found = [task for task in tasks if task == name] or [task for task in tasks if task.startswith(name)]
    if name and len(found) > 1:
        raise ConfigError(f"a task must be named without doubt, but {name!r} may be {' or '.join(found)}; say which.")
    if not found:
        raise DataError(
            f"the task must be among those prepared ({', '.join(tasks) or 'none'}), but got {name!r}; "
            f"add it to `tasks` and prepare again."
        )
    return found[0]


def read_task(artefact: Artefact, name: str) -> pl.DataFrame:
    """The examples of a task: subject_id · hadm_id · split · text · label · prediction_time, sorted by hadm_id.

    `label` is the number of the label (i64), or of all that apply (list[i32]) where the task is multilabel.

    Raises:
        DataError: the data were prepared without this task.
        StoreError: the file is damaged.
    """
    return read_frame(artefact.path / f"{task_named(read_dataset(artefact), name)}.parquet")


def label_space(artefact: Artefact, name: str) -> LabelSpace:
    """The answers of a prepared task, in the order of their numbers. Raises DataError as `read_task`."""
    dataset = read_dataset(artefact)
    return LabelSpace.from_json(dataset["tasks"][task_named(dataset, name)])


def read_corpus(artefact: Artefact) -> pl.DataFrame:
    """The documents of the corpus: note_id · subject_id · hadm_id · split · text.

    Raises:
        DataError: the data were prepared without a corpus.
    """
    file = artefact.path / "corpus.parquet"
    if not file.is_file():
        raise DataError("a corpus must have been prepared, but these data have none; set `corpus` and prepare again.")
    return read_frame(file)


def _make(preparation: Preparation, facts: Mapping[str, TableFacts], folder: Path) -> None:
    """Write all files of the artefact into an empty folder."""
    records = preparation.source.load()
    assignment = preparation.splits.assign(records.subjects["subject_id"])
    no_patient_twice(assignment.frame)
    aside = folder / "staged"
    staged = stage(records, preparation.categories(), aside)
    admissions = records.admissions.join(assignment.frame, on="subject_id", how="left", maintain_order="left")
    tasks = {
        task.name: _task(task, records, Cohort(admissions, staged.index), staged, folder) for task in preparation.tasks
    }
    corpus = _corpus(preparation.corpus, assignment.frame, staged, folder) if preparation.corpus else None
    write_frame(assignment.frame, folder / "splits.parquet")
    shutil.rmtree(aside)
    write_json(
        folder / DATASET,
        {
            "source": _source(records, facts, assignment),
            "splits": {"rule": preparation.splits.rule(), "counts": _split_counts(admissions, assignment.frame)},
            "tasks": tasks,
            "corpus": corpus,
            "config": preparation.model_dump(mode="json"),
            "chartune": _version(),
        },
    )


def no_patient_twice(frame: pl.DataFrame) -> None:
    """Refuse an assignment in which a subject_id occurs twice.

    Raises:
        LeakageError: with the number of such patients.
    """
    twice = frame.filter(pl.col("subject_id").is_duplicated())["subject_id"].n_unique()
    if twice:
        raise LeakageError(f"a patient must stand in one split, but {twice} stand in several; correct the split lists.")


def _task(task: AnyTask, records: Records, cohort: Cohort, staged: Staged, folder: Path) -> dict[str, Any]:
    """Write a task's examples; returns its entry in `dataset.json`."""
    attrition = Attrition()
    asked = cohort.admissions.join(task.asked(records), on=["subject_id", "hadm_id"], how="left", maintain_order="left")
    chosen = task.select(Cohort(asked, cohort.notes), attrition)
    parts = []
    with progress(f"preparing {task.name}", SHARDS) as meter:
        for shard in range(SHARDS):
            mine = chosen.admissions.filter(pl.col("subject_id") % SHARDS == shard)
            parts.append(task.examples(mine, staged.read(shard, chosen.notes), attrition))
            meter.advance()
    examples = _without_held_out_copies(pl.concat(parts), attrition).sort("hadm_id")
    space = task.label_space(examples, records)
    labelled = space.number(examples)
    if labelled["label"].has_nulls():
        why = "no training patient has its label"
        labelled = _counted(labelled.drop_nulls("label"), attrition, "label learnt", why)
    written = labelled.select(*(name if name != "asked" else "label" for name in EXAMPLES))
    write_frame(written, folder / f"{task.name}.parquet")
    card = {**task.card().to_json(), **space.to_json()}
    return {**card, "attrition": attrition.to_json(), "counts": _task_counts(written, space)}


def _counted(examples: pl.DataFrame, attrition: Attrition, step: str, why: str) -> pl.DataFrame:
    counts = examples["subject_id"].n_unique(), examples.height, int(examples[NOTES_READ].sum())
    attrition.add(step, why, *counts)
    return examples


def _without_held_out_copies(examples: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
    """Examples without training texts that a held-out patient's text repeats but for case, blanks and masks."""
    keyed = examples.with_columns(copy_key=copy_key(pl.col("text")))
    held = keyed.filter(pl.col("split").is_in(HELD_OUT))["copy_key"].unique()
    kept = keyed.filter((pl.col("split") != "train") | ~pl.col("copy_key").is_in(held.implode()))
    return _counted(kept, attrition, "not in a held-out chart", "training text that a held-out chart repeats")


def _corpus(corpus: Corpus, splits: pl.DataFrame, staged: Staged, folder: Path) -> dict[str, Any]:
    """Write the corpus shard by shard; returns its entry in `dataset.json`."""
    attrition = Attrition()
    chosen = corpus.select(staged.index.join(splits, on="subject_id", how="left", maintain_order="left"), attrition)
    parts = staged.folder / "corpus"
    parts.mkdir()
    with progress("preparing corpus", SHARDS) as meter:
        for shard in range(SHARDS):
            write_frame(corpus.documents(staged.read(shard, chosen)), parts / f"{shard:02}.parquet")
            meter.advance()
    write_joined(sorted(parts.glob("*.parquet")), folder / "corpus.parquet")
    return {"title": corpus.title(), "attrition": attrition.to_json(), "counts": _corpus_counts(chosen)}


def _source(records: Records, facts: Mapping[str, TableFacts], assignment: Assignment) -> dict[str, Any]:
    tables = {table: replace(fact, rows=records.tallies[table].rows) for table, fact in facts.items()}
    read = [text for table, tally in records.tallies.items() for text in tally.warnings(table)]
    released = [
        f"{table}: {records.about.version} has {expected} rows, this file {tables[table].rows}."
        for table, expected in records.expected_rows.items()
        if table in tables and tables[table].rows != expected
    ]
    return {
        **records.about.to_json(),
        "tables": {table: fact.to_json() for table, fact in tables.items()},
        "warnings": [*records.warnings, *read, *released, *assignment.warnings],
    }


def _split_counts(admissions: pl.DataFrame, splits: pl.DataFrame) -> dict[str, dict[str, int]]:
    def count(split: str) -> dict[str, int]:
        mine = pl.col("split") == split
        return {"subjects": splits.filter(mine).height, "admissions": admissions.filter(mine).height}

    return {split: count(split) for split in (*SPLITS, CORPUS_ONLY)}


def _task_counts(examples: pl.DataFrame, space: LabelSpace) -> dict[str, dict[str, int]]:
    def count(mine: pl.DataFrame) -> dict[str, int]:
        there = {"subjects": mine["subject_id"].n_unique(), "admissions": mine.height}
        return there | space.counts(mine["label"])

    return {split: count(examples.filter(pl.col("split") == split)) for split in SPLITS}


def _corpus_counts(chosen: pl.DataFrame) -> dict[str, dict[str, int]]:
    def count(mine: pl.DataFrame) -> dict[str, int]:
        words = int(mine["words"].sum())
        return {"subjects": mine["subject_id"].n_unique(), "documents": mine.height, "words": words}

    return {split: count(chosen.filter(pl.col("split") == split)) for split in CORPUS_SPLITS}


def _version() -> str:
    try:
        return version("chartune")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"
