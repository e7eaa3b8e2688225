"""Charts to be scored: the admissions of a folder, read as a run's task reads them, whoever they are.

folder ─load─▶ Records ─staged─▶ task.select(labelled=False) ─▶ texts, an admission a row ─▶ chunks
"""

import shutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.config import fingerprint
from chartune.errors import DataError
from chartune.prediction.texts import CHUNK, Chunk, Texts
from chartune.sources.kinds import SOURCES, source_class
from chartune.store import Store
from chartune.tasks.charts import Preparation
from chartune.tasks.frames import write_frame
from chartune.tasks.kept_episodes import with_kept_episodes
from chartune.tasks.making import forget_steps, readable, staged_notes

SHELF: Final = "predictions"
_TEXTS: Final = "texts.parquet"
_ASIDE: Final = "texts.aside"


class ChartTexts(Texts):
    """What a run's task reads of each admission of a folder, sorted by hadm_id, which is its id.

    Those of which nothing is read have no row. What was read lies in the store until it is scored.
    """

    def __init__(self, folder: Path, kind: str, trained_on: Mapping[str, Any], task: str, store: Store) -> None:
        """Say what is read.

        Args:
            folder: of the tables.
            kind: of its source.
            trained_on: the preparation of the run's data, as plain data.
            task: of the run.
            store: keeps what is read until it is scored.

        Raises:
            DataError: the run's task is asked of something else than charts.
        """
        trained_kind = (trained_on.get("source") or {}).get("kind")
        if trained_kind is None:
            raise DataError(
                "a folder of charts is read as the task of a run reads it, which an exported model does not say; score "
                "with the run, or give a table of texts."
            )
        if trained_kind not in SOURCES or source_class(trained_kind).place != "folder":
            raise DataError(
                f"a folder of charts is read as a task on charts reads it, but {task} was asked of {trained_kind} "
                f"data; give a table of texts."
            )
        source = {"kind": kind, source_class(kind).place: str(folder)}
        self._preparation = Preparation.parse({**trained_on, "source": source, "splits": {"kind": "hash"},
                                               "stratum": "all", "corpus": None})  # fmt: skip
        self._task = next(one for one in self._preparation.tasks if one.name == task)
        self._store = store
        self.notices = (
            f"of each admission is read: {self._task.reads.seen().what}; admissions of which nothing is read get no "
            f"row",
        )

    def digest(self, store: Store) -> str:
        """Of the tables that are read, and of how."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        facts = self._preparation.source.facts(self._store, events=self._task.needs_events)
        parts = {"files": {name: fact.sha256 for name, fact in sorted(facts.items())},
                 "task": self._task.hashable(), "breaks": self._preparation.line_breaks}  # fmt: skip
        return fingerprint("charts", self._preparation.revision, parts)

    def chunks(self) -> Iterator[Chunk]:
        """The admissions."""
        rows = pl.scan_parquet(self._made())
        for start in range(0, rows.select(pl.len()).collect().item(), CHUNK):
            part = rows.slice(start, CHUNK).collect()
            yield Chunk(start + 1, part["hadm_id"].alias("id"), part["text"])

    def forget(self) -> None:
        """Remove the texts."""
        shutil.rmtree(self._store.partial(SHELF, self._digest))

    def _made(self) -> Path:
        """The file of texts; read once, and again where an earlier attempt did not come to its end."""
        folder = self._store.partial(SHELF, self._digest)
        if (folder / _TEXTS).is_file():
            return folder / _TEXTS
        with self._store.lease(SHELF, self._digest):
            preparation, task = self._preparation, self._task
            records = preparation.source.load(events=task.needs_events)
            if task.needs_events:
                records = with_kept_episodes(records, preparation.facts(self._store), self._store)
            categories = frozenset(task.reads.categories())
            staged = staged_notes(records, categories, None, folder, preparation.line_breaks)
            every = records.admissions.with_columns(split=pl.lit("test"))
            write_frame(readable(task, records, every, staged).select("hadm_id", "text"), folder / _ASIDE)
            (folder / _ASIDE).replace(folder / _TEXTS)
            forget_steps(folder)
        return folder / _TEXTS
