"""Preparation of an annotated corpus: raw files → prepared data in the store, beside those of hospitals.

source ─load─▶ AnnotatedRecords ─splits.assign─▶ documents ─task.make─▶ concepts.parquet, ...      dataset.json
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import polars as pl
from pydantic import model_validator

from chartune.errors import SchemaError
from chartune.sources.annotated.catalog import AnyAnnotated
from chartune.sources.annotated.dev import DevSplit
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.facts import TableFacts
from chartune.sources.ids import numbered, trimmed
from chartune.store import Store
from chartune.tasks.annotated.catalog import USUAL, AnyAnnotatedTask
from chartune.tasks.annotated.task import Apart, as_they_are, per_split
from chartune.tasks.attrition import Attrition
from chartune.tasks.containment.examples import without_copies, without_near_copies
from chartune.tasks.containment.settings import NearCopies
from chartune.tasks.frames import write_frame
from chartune.tasks.prepared import BasePreparation, named_once

REVISION: Final = 7
"""Raised when a bug fix changes what prepared corpora hold."""


class AnnotatedPreparation(BasePreparation):
    """Which annotated corpus, split how, asked what.

    A task that ends empty is no error: `left_out` says where everything went.
    """

    revision: ClassVar[int] = REVISION

    source: AnyAnnotated
    """Where the raw files are and how they are read."""
    splits: DevSplit = DevSplit()
    """Which training documents are for validation; published splits stay as they are."""
    tasks: tuple[AnyAnnotatedTask, ...] = ()
    """What is asked; nothing said: all that the corpus can answer (`chartune.tasks.annotated.catalog.USUAL`)."""
    near_copies: NearCopies | None = NearCopies()
    """Which training documents and sentences hold too much of a held-out one; null: they stay, as they are shipped."""

    @model_validator(mode="before")
    @classmethod
    def _asks_what_the_corpus_can_answer(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("tasks") or "source" not in data:
            return data
        source = data["source"]
        kind = source.get("kind") if isinstance(source, dict) else getattr(source, "kind", None)
        return {**data, "tasks": USUAL.get(str(kind), ())}

    @model_validator(mode="after")
    def _tasks_fit_the_corpus(self) -> Self:
        can = [task.kind for task in USUAL[self.source.kind]]
        cannot = [task.kind for task in self.tasks if task.kind not in can]
        if cannot:
            raise ValueError(f"{self.source.kind} can answer {', '.join(can)}, but not {', '.join(cannot)}")
        named_once([task.name for task in self.tasks])
        return self

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Kinds of the corpora."""
        return tuple(USUAL)

    def facts(self, store: Store) -> Mapping[str, TableFacts]:
        """Size and hash of the raw files."""
        return self.source.facts(store)

    def make(self, facts: Mapping[str, TableFacts], store: Store, folder: Path) -> dict[str, Any]:
        """Write all files but `dataset.json`.

        Raises:
            SchemaError: a raw file is missing, damaged or hostile.
            LeakageError: a document stands in two splits.
        """
        return _made_of(self, facts, folder)


def _made_of(preparation: AnnotatedPreparation, facts: Mapping[str, TableFacts], folder: Path) -> dict[str, Any]:
    records = preparation.source.load()
    if records.documents.is_empty() and records.pairs.is_empty():
        raise SchemaError(
            f"a corpus must hold annotated documents, but none was found in {preparation.source.folder} "
            f"({records.findings.count('documents')} without annotation or unreadable); add the missing files."
        )
    records = replace(records, pairs=_with_validation(preparation.splits, records.pairs))
    whole = preparation.splits.assign(records.documents)
    apart = _apart(preparation.near_copies, folder)
    documents, attrition = _usable(whole, apart) if records.pairs.is_empty() else (whole, _pairs_only(records.pairs))
    entries: dict[str, Any] = {}
    for task in preparation.tasks:
        made = task.make(records, documents, apart)
        write_frame(made.frame, folder / f"{task.name}.parquet")
        entries[task.name] = {
            **task.card(records.about.kind).to_json(), **made.to_json(), "attrition": attrition.to_json(),
        }  # fmt: skip
    patients = _patients(documents, records.pairs)
    write_frame(patients, folder / "splits.parquet")
    return {
        "source": _source(records, facts),
        "splits": {"rule": preparation.splits.rule(), "counts": _split_counts(patients, documents, records.pairs)},
        "tasks": entries,
        "corpus": None,
    }


def _with_validation(splits: DevSplit, pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs, with a validation split of whole groups where there is none."""
    return splits.assign(pairs.rename({"group": "patient"})).rename({"patient": "group"}) if pairs.height else pairs


def _apart(near: NearCopies | None, folder: Path) -> Apart:
    """Leaves out training texts that hold that share of a held-out one."""
    if near is None:
        return as_they_are

    def apart(examples: pl.DataFrame) -> pl.DataFrame:
        whose = examples.with_columns(numbered(trimmed(examples["patient"])).alias("subject_id"))
        return without_near_copies(whose, near, folder / ".held-out.pile").drop("subject_id")

    return apart


def _usable(documents: pl.DataFrame, apart: Apart) -> tuple[pl.DataFrame, Attrition]:
    """Documents without training ones of held-out patients, or near a held-out one's text; test splits stay."""
    attrition = Attrition()
    _count(attrition, "all documents", "annotated, and shipped with a split", documents)
    tested = documents.filter(pl.col("split") == "test")["patient"].unique()
    kept = documents.filter((pl.col("split") == "test") | ~pl.col("patient").is_in(tested.implode()))
    _count(attrition, "patient in one split", "documents for learning of a patient who is also tested", kept)
    kept = without_copies(kept)
    _count(attrition, "not in a held-out chart", "training text that a held-out document repeats", kept)
    kept = apart(kept)
    _count(
        attrition, "no near-duplicate of a held-out text", "training text that holds too much of a held-out one", kept
    )
    return kept, attrition


def _count(attrition: Attrition, step: str, why: str, documents: pl.DataFrame) -> None:
    attrition.add(step, why, documents["patient"].n_unique(), None, documents.height)


def _pairs_only(pairs: pl.DataFrame) -> Attrition:
    attrition = Attrition()
    attrition.add("all pairs", "with both sentences and a label", pairs["group"].n_unique(), None, pairs.height)
    return attrition


def _patients(documents: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """subject_id i64 · split str · patient str, one row each: of pairs, the premise is the patient."""
    of_pairs = pairs.select(pl.col("group").alias("patient"), "split")
    rows = pl.concat([documents.select("patient", "split"), of_pairs]).unique().sort("patient", "split")
    return rows.select(numbered(trimmed(rows["patient"])).alias("subject_id"), "split", "patient")


def _split_counts(patients: pl.DataFrame, documents: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, dict[str, int]]:
    things = ("documents", documents) if pairs.is_empty() else ("pairs", pairs)
    subjects = per_split(patients, lambda rows: {"subjects": rows.height})
    counted = per_split(things[1], lambda rows: {things[0]: rows.height})
    return {split: {**subjects[split], **counted[split]} for split in subjects}


def _source(records: AnnotatedRecords, facts: Mapping[str, TableFacts]) -> dict[str, Any]:
    return {
        **records.about.to_json(),
        "tables": {name: fact.to_json() for name, fact in facts.items()},
        "warnings": [*records.warnings(), *_shared(records.pairs)],
        "findings": [finding.to_json() for finding in records.findings.all()],
    }


def _shared(pairs: pl.DataFrame) -> list[str]:
    """How many premises stand in several splits: published splits are not changed, so it is said."""
    several = pairs.group_by("group").agg(parts=pl.col("split").n_unique()).filter(pl.col("parts") > 1).height
    return [f"pairs: {several} premises stand in more than one split."] if several else []
