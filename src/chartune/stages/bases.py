"""Base models by name: found on this machine, or made there on first use.

name ─▶ folder, package, store ─none?─▶ small-llama: pretrained · smollm2: its GGUF file converted · minilm-3: cut
"""

from typing import Final

from chartune.batches.tokenize import load_tokenizer
from chartune.errors import AdapterError
from chartune.hashing import hashed
from chartune.importing.folder import converted
from chartune.importing.shallow import shallow
from chartune.log import say
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone, inspect, packaged
from chartune.models.catalog import Row, catalog
from chartune.models.load import must_be_whole
from chartune.stages.base import SmallBase, make_base
from chartune.store import WAIT_SECONDS, Store, storing

CHECKS: Final = (must_be_whole, load_tokenizer)
"""What a converted base model must pass."""


def find_or_make(backbone: Backbone, store: Store) -> LocalBackbone:
    """The base model; one that chartune pretrains or converts itself is made when the store has none yet.

    Raises:
        ConfigError: no such base model, or its package is not installed.
        AdapterError: it cannot be used.
    """
    local = find_or_convert(backbone, store)
    if local is None:
        make_base(SmallBase(), store)
        local = find_backbone(backbone, store)
    if local is None:
        raise AssertionError("a base that was just made must be in the store")
    return local


def find_or_convert(backbone: Backbone, store: Store) -> LocalBackbone | None:
    """The base model, converted or cut from its package if need be; None when it is one that has yet to be pretrained.

    Raises:
        ConfigError, AdapterError: as `find_or_make`.
    """
    local, row = find_backbone(backbone, store), catalog.get(backbone.name)
    if local is None and row and row.converted:
        _convert(row, store)
        local = find_backbone(backbone, store)
    return local


def _convert(row: Row, store: Store) -> None:
    """Put the base model of an installed package into the store: of its GGUF file, or its first blocks."""
    place = packaged(row)
    file = place / "model.safetensors" if place and row.layers else place
    if file is None or place is None or not file.is_file() or hashed(file).sha256 != row.sha256:
        raise AdapterError(
            f"`{row.name}` must be the file whose SHA-256 begins with {row.sha256[:12]}, but {file} is another one; "
            f"run `{row.install}`, or name the folder of another base model."
        )
    with store.lease(row.shelf, row.converted, patience=WAIT_SECONDS):
        if store.find(row.shelf, row.converted):  # another process has made it meanwhile
            return
        what = (
            f"the first {row.layers} blocks of {place.parent.name} are copied"
            if row.layers
            else f"{file.name} is converted"
        )
        say(f"{row.name}: {what} once, for this store")
        folder = store.partial(row.shelf, row.converted)
        with storing(folder):
            if row.layers:
                shallow(place, folder, row.layers)
            else:
                converted(file, folder)
            for check in CHECKS:
                check(inspect(folder, name=row.name, licence=row.licence, exposure=row.exposure.text))
        store.publish(row.shelf, row.converted, {"sensitivity": "open"})
