"""Preparation of charts and of tables: raw tables → prepared data.

source ─load─▶ Records ─stage─▶ Staged ─┬─ task.select ─▶ task.examples ─▶ task.label_space ─▶ mortality.parquet
splits ─assign─────────────────────────┴─ corpus.select ▶ corpus.documents ▶ corpus.parquet    dataset.json
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

import polars as pl
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from chartune.config import Unhashed
from chartune.mapping import merged
from chartune.notes.line_breaks import Breaks
from chartune.sources.catalog import AnySource, AnySplit
from chartune.sources.coverage import described, rare
from chartune.sources.facts import TableFacts
from chartune.sources.source import Records
from chartune.sources.splits import Assignment, HashSplit, carevue_only
from chartune.store import Store
from chartune.tasks.catalog import AnyTask, Preset, usual_corpus, usual_tasks, with_switches
from chartune.tasks.containment.settings import NearCopies, near_copies_kept
from chartune.tasks.corpus import Corpus
from chartune.tasks.coverage import unknown
from chartune.tasks.dataset import CorpusEntry, Dataset, Part, TaskEntry
from chartune.tasks.frames import write_frame
from chartune.tasks.kept_episodes import with_kept_episodes
from chartune.tasks.lineage import inputs
from chartune.tasks.making import forget_steps, make_tasks, split_counts, staged_notes
from chartune.tasks.making_corpus import make_corpus
from chartune.tasks.prepared import BasePreparation, named_once
from chartune.tasks.soundness import (
    absent_categories,
    breaks_reported,
    emptied,
    no_patient_twice,
    raw_warnings,
    refuse,
    source_entry,
    tables_covered,
    tables_read,
    tasks_covered,
)
from chartune.tasks.staging import Staged
from chartune.tasks.subgroups import SUBGROUPS, subgroups

REVISION: Final = 16
"""Raised when a bug fix changes what prepared data hold."""
_SOURCE: Final[TypeAdapter[Any]] = TypeAdapter(AnySource)


class Preparation(BasePreparation):
    """Which source of charts or which table, split how, asked what.

    A task or corpus that ends empty is an error only if `strict`: its attrition says where everything went.
    """

    revision: ClassVar[int] = REVISION
    resumes: ClassVar[bool] = True

    source: AnySource
    """Where the raw tables are and how they are read."""
    splits: AnySplit = HashSplit()
    """Who is learnt from and who is asked about."""
    stratum: Literal["all", "carevue"] = "all"
    """`carevue`: tested are only patients of MIMIC-III whose every ICU stay was charted in CareVue, before 2008: of
    them none stands in MIMIC-IV."""
    tasks: tuple[AnyTask, ...] = ()
    """What is asked; nothing said: all that the source can answer (`chartune.tasks.catalog.usual_tasks`)."""
    corpus: Corpus | None = Field(default_factory=Corpus)
    """What a language model is adapted on; null: nothing; nothing said: the notes that the source has."""

    held_out_copies: Literal["left-out", "kept"] = "left-out"
    """Training texts that a held-out chart repeats."""
    line_breaks: Breaks = "repaired"
    r"""A backslash and an n in place of each line break of a text, as some exports write it
    (`chartune.notes.line_breaks`): repaired, or read as it is written, as by CORe's code."""
    near_copies: NearCopies | None = NearCopies()
    """Which training texts hold too much of a held-out text of their task; null: they are kept, as always where
    `held_out_copies` are."""
    preset: Annotated[Preset, Unhashed()] = "sound"
    """Whose switches the tasks and the corpus have where nothing is said of them (`chartune.tasks.catalog`). It stays
    out of the name: the switches themselves are in it."""

    strict: Annotated[bool, Unhashed()] = False
    """Whether data that give reason for a warning are refused: rows missing, bytes that are not UTF-8, nobody left. It
    happens as early as it is known, and before anything counts as prepared."""

    @model_validator(mode="before")
    @classmethod
    def _asks_what_the_source_can_answer(cls, data: Any) -> Any:
        return _with_usual(data) if isinstance(data, dict) and "source" in data else data

    @model_validator(mode="before")
    @classmethod
    def _near_copies_are_kept_where_copies_are(cls, data: Any) -> Any:
        kept = isinstance(data, dict) and _keeps_copies(data)
        return near_copies_kept(data, "`held_out_copies: left-out`") if kept else data

    @model_validator(mode="after")
    def _tasks_have_names_of_their_own(self) -> Self:
        named_once([task.name for task in self.tasks])
        return self

    @model_validator(mode="after")
    def _source_has_the_stratum(self) -> Self:
        if self.stratum == "carevue" and self.source.kind != "mimic3":
            raise ValueError(
                f"the CareVue stratum needs ICU stays that say where they were charted, and only MIMIC-III has them, "
                f"but the source is {self.source.kind}; leave `stratum` out"
            )
        return self

    @property
    def needs_events(self) -> bool:
        """Whether a task asks the bedside chart."""
        return any(task.needs_events for task in self.tasks)

    def facts(self, store: Store) -> Mapping[str, TableFacts]:
        """Size and hash of the raw tables, of the bedside chart only where a task asks it."""
        return self.source.facts(store, events=self.needs_events)

    def own_ids(self) -> pl.DataFrame | None:
        """Those of the source."""
        return self.source.own_ids()

    def make(self, facts: Mapping[str, TableFacts], store: Store, folder: Path) -> dict[str, Any]:
        """Write all files but `dataset.json`; steps that an earlier attempt has finished are found.

        Raises:
            SchemaError: a raw table is missing, damaged or breaks its contract.
            DataError: `strict`, and something gives reason for a warning.
            LeakageError: a patient stands in two splits.
        """
        return _made_of(self, facts, store, folder)

    def accept(self, dataset: Dataset) -> None:
        """Refuse, if `strict`, what may have been prepared without it. Raises DataError."""
        if self.strict:
            refuse([*dataset.source.warnings, *emptied(dataset.parts()).values()])

    def categories(self) -> frozenset[str]:
        """Categories of notes whose text somebody wants."""
        wanted = {category for task in self.tasks for category in task.reads.categories()}
        return frozenset(wanted | set(self.corpus.categories if self.corpus else ()))


def _with_usual(data: dict[str, Any]) -> dict[str, Any]:
    """The plain config, with the tasks, the corpus and the switches that its preset stands for."""
    full = dict(data)
    try:
        source: Any = _SOURCE.validate_python(data["source"])
    except ValidationError:
        return full  # reported with its place when the whole is parsed
    preset = full.get("preset", "sound")
    if preset not in get_args(Preset):
        return full
    if not full.get("tasks"):
        full["tasks"] = usual_tasks(source.kind, preset, events=source.has_events())
    elif isinstance(full["tasks"], list | tuple):
        full["tasks"] = tuple(with_switches(task, source.kind, preset) for task in full["tasks"])
    corpus = usual_corpus(source.kind, preset)
    given = full.setdefault("corpus", corpus)
    if isinstance(given, Mapping):
        full["corpus"] = merged(corpus.model_dump(exclude_defaults=True), given)
    full.setdefault("held_out_copies", "left-out" if preset == "sound" else "kept")
    full.setdefault("line_breaks", "repaired" if preset == "sound" else "as-written")
    return full


def _keeps_copies(data: Mapping[str, Any]) -> bool:
    usual = "left-out" if data.get("preset", "sound") == "sound" else "kept"
    return bool(data.get("held_out_copies", usual) == "kept")


def _made_of(preparation: Preparation, facts: Mapping[str, TableFacts], store: Store, folder: Path) -> dict[str, Any]:
    records, assignment, early = _assigned(preparation)
    if preparation.needs_events:
        records = with_kept_episodes(records, facts, store)
    staged = staged_notes(records, preparation.categories(), preparation.corpus, folder, preparation.line_breaks)
    absent = absent_categories(records, staged, preparation.tasks, preparation.corpus)
    covered = tables_covered(records, staged)
    warnings = [*raw_warnings(records, facts), *early, *absent, *rare(covered)]
    if preparation.strict:
        refuse(warnings)
    written = breaks_reported(staged.written_out(), preparation.line_breaks)
    notices = [*records.notices, *assignment.notices, *written, *described(covered)]
    made = _made(preparation, records, assignment, staged, store, folder)
    rarely, reached = _reached(preparation, made)
    source = source_entry(records, facts, [*warnings, *rarely], [*notices, *reached], covered)
    write_frame(assignment.frame, folder / "splits.parquet")
    write_frame(subgroups(records), folder / SUBGROUPS)
    forget_steps(folder)
    return {
        "source": source,
        "splits": {"rule": preparation.splits.rule(), "counts": split_counts(records.admissions, assignment)},
        **made,
        "inputs": inputs(preparation.tasks, preparation.splits, preparation.corpus, store),
    }


def _assigned(preparation: Preparation) -> tuple[Records, Assignment, list[str]]:
    """The tables without the chart and the notes, who stands where, and what the latter gives reason to warn of.

    Raises:
        DataError: `strict`, and there is a reason: the chart and the notes are hours at a hospital's size.
    """
    records = preparation.source.load(events=preparation.needs_events)
    assignment = preparation.splits.assign(records.subjects)
    if preparation.stratum == "carevue":
        assignment = carevue_only(assignment, records.stays)
    no_patient_twice(assignment.frame)
    of_tasks = [text for task in preparation.tasks for text in task.warnings(records, assignment.frame)]
    if preparation.strict:
        refuse([*raw_warnings(records, tables_read(records)), *assignment.warnings, *of_tasks])
    return records, assignment, [*assignment.warnings, *of_tasks]


def _made(
    preparation: Preparation, records: Records, assignment: Assignment, staged: Staged, store: Store, folder: Path
) -> dict[str, Any]:
    """Write the tasks and the corpus; returns their entries."""
    asked, corpus = preparation.tasks, preparation.corpus
    admissions = assignment.placed(records.admissions, "admittime")
    kept = preparation.held_out_copies == "kept"
    tasks = make_tasks(asked, records, admissions, staged, folder, copies=kept, near=preparation.near_copies)
    if corpus is None:
        return {"tasks": tasks, "corpus": None}
    names = [task.name for task in asked]
    return {"tasks": tasks, "corpus": make_corpus(corpus, staged, records.subjects, assignment, names, store, folder)}


def _reached(preparation: Preparation, made: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What the rules reached in the texts: what is rare enough for a warning, and what is said of all.

    Raises:
        DataError: `strict`, and there is a warning, or a task or the corpus is empty.
    """
    parts = _parts(made)
    covered = tasks_covered(parts)
    if preparation.strict:
        refuse([*emptied(parts).values(), *rare(covered)])
    headings = {name: entry["headings"] for name, entry in made["tasks"].items()}
    return rare(covered), [*described(covered), *unknown(headings)]


def _parts(made: Mapping[str, Any]) -> dict[str, Part]:
    tasks = {name: TaskEntry.model_validate(entry) for name, entry in made["tasks"].items()}
    return {**tasks, **({"corpus": CorpusEntry.model_validate(made["corpus"])} if made["corpus"] else {})}
