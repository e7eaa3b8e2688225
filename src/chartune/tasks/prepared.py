"""Prepared data in the store, whether of charts or of an annotated corpus: found or made, and told in `dataset.json`.

data/<fingerprint>/   dataset.json · README.md · splits.parquet · a file per task · corpus.parquet, if there is a corpus
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chartune import __version__
from chartune.config import Config, fingerprint
from chartune.sources.facts import TableFacts
from chartune.store import Artefact, Store, write_bytes, write_json
from chartune.tasks.dataset import DATASET, Dataset
from chartune.tasks.dataset_card import README, dataset_card

SHELF: Final = "data"


def named_once(names: Sequence[str]) -> None:
    """Refuse tasks of which two would be written to one file. For validators: raises ValueError."""
    if len(set(names)) < len(names):
        raise ValueError("every task must occur once, because its name is that of its file")


def obtain_data(
    preparation: Config, rule: Mapping[str, Any], revision: int, facts: Mapping[str, TableFacts], store: Store,
    write: Callable[[Path], None], *, resume: bool = False,
) -> Artefact:  # fmt: skip
    """The prepared data: found in the store if they stand there, else made, as `Store.obtain` does.

    Args:
        preparation: which source, split how, asked what.
        rule: all that determines the split.
        revision: of what `write` leaves.
        facts: raw file → size and hash.
        store: where the data are kept.
        write: leaves all files in a folder.
        resume: whether `write` goes on from what an interrupted attempt has left.
    """
    files = {name: fact.sha256 for name, fact in sorted(facts.items())}
    name = fingerprint(SHELF, revision, {"config": preparation.hashable(), "files": files, "splits": rule})
    return store.obtain(SHELF, name, write, {"sensitivity": "restricted"}, resume=resume)


def write_dataset(folder: Path, preparation: Config, entries: Mapping[str, Any]) -> None:
    """Write `dataset.json`: `source`, `splits`, `tasks` and `corpus` as given, then the config and the version.

    Its card for people stands beside it. The folder bears the fingerprint.
    """
    about = {"config": preparation.model_dump(mode="json"), "chartune": __version__}
    dataset = Dataset.model_validate_json(json.dumps({**entries, **about}))
    write_json(folder / DATASET, dataset.to_json())
    write_bytes(folder / README, dataset_card(dataset, folder.stem).encode())
