"""Prepared data in the store, whether of charts or of an annotated corpus: found or made, and listed in `dataset.json`.

data/<fingerprint>/   dataset.json · README.md · splits.parquet · a file per task · corpus.parquet, if there is a corpus
                      subgroups.parquet, of charts and tables
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import polars as pl

from chartune import __version__
from chartune.config import Config, fingerprint
from chartune.sources.facts import TableFacts, must_be_unchanged
from chartune.store import Artefact, Store, write_bytes, write_json
from chartune.tasks.dataset import DATASET, Dataset
from chartune.tasks.dataset_card import README, dataset_card

SHELF: Final = "data"


class BasePreparation(Config, ABC):
    """What every preparation says: which source, split how; its members say what is asked, and make it."""

    revision: ClassVar[int]
    """Raised when a bug fix changes what such data hold."""
    resumes: ClassVar[bool] = False
    """Whether `make` goes on from what an interrupted attempt has left."""

    source: Any
    """Where the raw files are and how they are read."""
    splits: Any
    """Who is learnt from and who is asked about."""

    @abstractmethod
    def facts(self, store: Store) -> Mapping[str, TableFacts]:
        """Size and hash of each raw file that is read."""

    @abstractmethod
    def make(self, facts: Mapping[str, TableFacts], store: Store, folder: Path) -> dict[str, Any]:
        """Write all files but `dataset.json`.

        Args:
            facts: raw file → size and hash.
            store: where steps are kept that other data share.
            folder: empty, or what an interrupted attempt has left.

        Returns:
            What `dataset.json` tells: `source`, `splits`, `tasks`, `corpus`.
        """

    def own_ids(self) -> pl.DataFrame | None:
        """As `Source.own_ids`. Raises SchemaError: the table is missing or damaged."""
        return None

    def accept(self, dataset: Dataset) -> None:
        """Refuse prepared data that are none for this one, though it is of their name."""


def named_once(names: Sequence[str]) -> None:
    """Refuse tasks of which two would be written to one file. For validators: raises ValueError."""
    if len(set(names)) < len(names):
        raise ValueError("every task must occur once, because its name is that of its file")


def obtain_data(preparation: BasePreparation, store: Store) -> Artefact:
    """The prepared data: found in the store if they stand there, else made, as `Store.obtain` does."""
    facts = preparation.facts(store)
    files = {name: fact.sha256 for name, fact in sorted(facts.items())}
    parts = {"config": preparation.hashable(), "files": files, "splits": preparation.splits.rule()}

    def write(folder: Path) -> None:
        entries = preparation.make(facts, store, folder)
        must_be_unchanged(facts, preparation.facts(store))
        _write_dataset(folder, preparation, entries)

    name = fingerprint(SHELF, preparation.revision, parts)
    return store.obtain(SHELF, name, write, {"sensitivity": "restricted"}, resume=preparation.resumes)


def _write_dataset(folder: Path, preparation: Config, entries: Mapping[str, Any]) -> None:
    """Write `dataset.json`: the entries as given, then the config and the version.

    Its card for people stands beside it. The folder bears the fingerprint.
    """
    about = {"config": preparation.model_dump(mode="json"), "chartune": __version__}
    dataset = Dataset.model_validate_json(json.dumps({**entries, **about}))
    write_json(folder / DATASET, dataset.to_json())
    write_bytes(folder / README, dataset_card(dataset, folder.stem).encode())
