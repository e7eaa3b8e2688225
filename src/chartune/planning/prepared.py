"""Prepared: the data of a plan, if they are prepared already; nothing is prepared for one."""

from collections.abc import Iterator
from pathlib import Path

from chartune.errors import ConfigError, StoreError
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import AnyPreparation, parse_preparation
from chartune.tasks.prepared import SHELF


def prepared(preparation: AnyPreparation, store: Store) -> Artefact | None:
    """The newest prepared data with this config. Raw files are not hashed again: they may have changed since."""
    wanted = preparation.hashable()
    return next((artefact for artefact, made in _of_these_files(preparation, store) if made.hashable() == wanted), None)


def prepared_otherwise(preparation: AnyPreparation, store: Store) -> str:
    """The end of a sentence: the same raw files are prepared by other choices, which a stage does not find."""
    other = next((artefact.fingerprint for artefact, _ in _of_these_files(preparation, store)), None)
    if other is None:
        return ""
    return (
        f"; {other} are the same raw data prepared by other choices (tasks, preset …): a stage finds them where it is "
        f"given the same ones, such as --set 'data.tasks=[…]' for --tasks"
    )


def _of_these_files(preparation: AnyPreparation, store: Store) -> Iterator[tuple[Artefact, AnyPreparation]]:
    """What is prepared of the same raw files, the newest first, and how."""
    for artefact in reversed(store.artefacts(SHELF)):
        try:
            made = parse_preparation(read_dataset(artefact).config)
        except (ConfigError, StoreError):  # of another version of chartune, or damaged
            continue
        if _place(made) == _place(preparation):
            yield artefact, made


def _place(preparation: AnyPreparation) -> list[Path]:
    """Where the raw files are, whichever field says so."""
    return [
        value.expanduser().absolute()
        for part in (preparation.source, preparation.splits)
        for value in (getattr(part, name) for name in type(part).model_fields)
        if isinstance(value, Path)
    ]
