"""Charts to be scored: the admissions of a folder, read as a run's task reads them, whoever they are.

folder ─load─▶ Records ─staged─▶ task.select(labelled=False) ─▶ texts, a portion of the patients at a time
       texts.pile ─by hadm_id, of which alone all are held─▶ chunks/000000.pile, … ─▶ sorted, 4,096 rows at a time

Memory holds some 2 kB for each admission, and the texts of one portion or chunk; models are loaded later.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from chartune.config import fingerprint
from chartune.errors import DataError, SchemaError
from chartune.prediction.texts import CHUNK, Chunk, Texts
from chartune.runs.holdings import MADE_FROM
from chartune.sources.facts import TableFacts, must_be_unchanged
from chartune.sources.kinds import SOURCES, source_class
from chartune.store import Store, storing, write_json
from chartune.tasks.charts import Preparation
from chartune.tasks.frames import add_frame, read_pile
from chartune.tasks.kept_episodes import with_kept_episodes
from chartune.tasks.making import forget_steps, readable, staged_notes, with_asked
from chartune.tasks.staging import Staged

SHELF: Final = "predictions"
_PORTIONS: Final = "texts.pile"
_ASIDE: Final = "chunks.aside"
_CHUNKS: Final = "chunks"


class ChartTexts(Texts):
    """What a run's task reads of each admission of a folder, sorted by hadm_id, which is its id.

    Those of which nothing is read have no row. What was read lies in the store until it is scored.
    """

    otherwise: ClassVar[str] = (
        "see with `chartune check` whether the folder has the notes that the task reads (those of MIMIC-IV are a "
        "download of their own; put its folder note/ beside hosp/, or name it with --set source.notes=…)"
    )

    def __init__(
        self, source: Mapping[str, Any], trained_on: Mapping[str, Any], task: str, run: str, store: Store
    ) -> None:  # fmt: skip
        """Say what is read.

        Args:
            source: of the tables, as plain data: its kind, its folder, and what else is stated of it.
            trained_on: the preparation of the run's data, as plain data.
            task: of the run.
            run: its fingerprint; another one that scores the same folder at the same time keeps texts of its own.
            store: keeps what is read until it is scored.

        Raises:
            DataError: the run's task is asked of something else than charts.
            ConfigError: what is stated is none of the source's fields.
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
        self._preparation = Preparation.parse({**trained_on, "source": dict(source), "splits": {"kind": "hash"},
                                               "stratum": "all", "corpus": None})  # fmt: skip
        self._task = next(one for one in self._preparation.tasks if one.name == task)
        self._run, self._store = run, store
        self.notices = (
            f"of each admission is read: {self._task.reads.seen().what}; admissions of which nothing is read get no "
            f"row",
        )

    def digest(self, store: Store) -> str:
        """A hash of the tables that are read and of how they are read."""
        return self._digest

    @cached_property
    def _facts(self) -> Mapping[str, TableFacts]:
        return self._preparation.facts(self._store)

    @cached_property
    def _digest(self) -> str:
        parts = {"files": {name: fact.sha256 for name, fact in sorted(self._facts.items())}, "run": self._run,
                 "task": self._task.hashable(), "breaks": self._preparation.line_breaks}  # fmt: skip
        return fingerprint("charts", self._preparation.revision, parts)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The texts, until they are scored: neither another process nor `clean` may remove them meanwhile."""
        with self._store.lease(SHELF, self._digest):
            yield

    def chunks(self) -> Iterator[Chunk]:
        """The admissions in chunks, ascending."""
        first = 1
        for pile in sorted(self._made().iterdir()):
            part = pl.concat(read_pile(pile)).sort("hadm_id")
            yield Chunk(first, part["hadm_id"].alias("id"), part["text"])
            first += part.height

    def forget(self) -> None:
        """Remove the texts."""
        shutil.rmtree(self._store.partial(SHELF, self._digest))

    def _made(self) -> Path:
        """The folder of chunks; read once, and again where an earlier attempt did not come to its end."""
        folder = self._store.partial(SHELF, self._digest)
        if (folder / _CHUNKS).is_dir():
            return folder / _CHUNKS
        with storing(folder):
            write_json(folder / MADE_FROM, {"run": self._run})
        _in_chunks(readable(self._task, *self._staged(folder)), folder)
        try:
            must_be_unchanged(self._facts, self._preparation.facts(self._store))
        except SchemaError:
            shutil.rmtree(folder)
            raise
        (folder / _ASIDE).replace(folder / _CHUNKS)
        forget_steps(folder)
        return folder / _CHUNKS

    def _staged(self, folder: Path) -> tuple[pl.DataFrame, Staged]:
        """The admissions with what is asked of them, and their notes; all other tables are then out of memory."""
        preparation, task = self._preparation, self._task
        records = preparation.source.load(events=task.needs_events)
        if task.needs_events:
            records = with_kept_episodes(records, self._facts, self._store)
        categories = frozenset(task.reads.categories())
        staged = staged_notes(records, categories, None, folder, preparation.line_breaks)
        return with_asked(task, records, records.admissions.with_columns(split=pl.lit("test"))), staged


def _in_chunks(parts: Iterable[pl.DataFrame], folder: Path) -> None:
    """Put the texts of all parts aside in chunks by hadm_id, a pile each."""
    pile, aside, ids = folder / _PORTIONS, folder / _ASIDE, [pl.Series("hadm_id", dtype=pl.Int64)]
    pile.unlink(missing_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    for part in parts:
        add_frame(part.select("hadm_id", "text"), pile)
        ids.append(part["hadm_id"])
    last = pl.concat(ids).sort().gather_every(CHUNK, CHUNK - 1).to_numpy()  # of each chunk but the last
    for part in read_pile(pile) if pile.is_file() else ():
        numbers = pl.Series("chunk", np.searchsorted(last, part["hadm_id"].to_numpy()))
        for (number,), rows in part.with_columns(numbers).group_by("chunk", maintain_order=True):
            add_frame(rows.drop("chunk"), aside / f"{number:06}.pile")
    pile.unlink(missing_ok=True)
