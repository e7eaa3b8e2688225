"""Prepared: the data of a plan, if they are prepared already; nothing is prepared for one."""

from pathlib import Path

from chartune.errors import ConfigError, StoreError
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import AnyPreparation, parse_preparation
from chartune.tasks.prepared import SHELF


def prepared(preparation: AnyPreparation, store: Store) -> Artefact | None:
    """The newest prepared data with this config. Raw files are not hashed again: they may have changed since."""
    wanted = (preparation.hashable(), _place(preparation))
    for artefact in reversed(store.artefacts(SHELF)):
        try:
            made = parse_preparation(read_dataset(artefact).config)
        except (ConfigError, StoreError):  # of another version of chartune, or damaged
            continue
        if (made.hashable(), _place(made)) == wanted:
            return artefact
    return None


def _place(preparation: AnyPreparation) -> list[Path]:
    """Where the raw files are, whichever field says so."""
    return [
        value.expanduser().absolute()
        for part in (preparation.source, preparation.splits)
        for value in (getattr(part, name) for name in type(part).model_fields)
        if isinstance(value, Path)
    ]
