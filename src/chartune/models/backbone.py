"""Backbone: a base model as a choice (`Backbone`), and as a thing found on this machine (`LocalBackbone`).

Only safetensors weights are read and no code of a model folder is ever run: a pickle or an `auto_map` is refused
before a library opens the file.
"""

import importlib.util
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from chartune.config import Config, Unhashed
from chartune.errors import AdapterError, ConfigError
from chartune.models.catalog import USUAL, Row, catalog, row_of
from chartune.models.config_json import architecture_of, must_read_both_ways, safe_config
from chartune.models.exposure import exposure_of
from chartune.models.families import family_of
from chartune.models.foreign import is_plain
from chartune.models.local import INDEX, LocalBackbone, hashed, identity
from chartune.models.weights import weight_files
from chartune.store import Store

__all__ = ["Backbone", "LocalBackbone", "find_backbone", "inspect", "packaged", "sizes_alone", "usual"]

TOKENIZER_FILES: Final = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "tokenizer.model",
)  # fmt: skip
VOCABULARIES: Final = frozenset({"tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model"})
OTHER_VOCABULARIES: Final = ("spiece.model", "spm.model", "sentencepiece.bpe.model")
"""Of ALBERT and XLNet, DeBERTa, XLM-R, where they ship no tokenizer.json."""


class Backbone(Config):
    """The base model to adapt; none is taken unasked."""

    name: Annotated[str, Unhashed()]
    """A row of the catalog (`chartune bases` lists them), a local folder in Hugging Face layout, or a hub id in the
    local cache. Runs are named after the content of the weights, not after this name."""
    revision: Annotated[str | None, Unhashed()] = None
    """Commit of a hub id."""


def find_backbone(backbone: Backbone, store: Store) -> LocalBackbone | None:
    """The base model on this machine; None when it is a row that chartune itself has yet to pretrain or convert.

    Raises:
        ConfigError: no such name, folder or package; the message says how to get it.
        AdapterError: the folder lacks a tokenizer or safetensors weights, is of no known family, asks to run code, or
            its files do not belong together.
    """
    from chartune.models.values import SEEN, must_not_be_known_as_bad  # torch takes seconds

    base = _found(backbone, store)
    if base is not None:
        base = replace(base, memory=store.root / SEEN)
        must_not_be_known_as_bad(base)
    return base


def _found(backbone: Backbone, store: Store) -> LocalBackbone | None:
    row = catalog.get(backbone.name)
    if row is None:
        folder = _folder_of(backbone)
        config = safe_config(folder)
        read, known = exposure_of(_called(folder), config).text, row_of(_called(folder), config)
        licence = known.licence if known else "see its folder"
        base = inspect(folder, name=_called(folder), licence=licence, exposure=read)
        return _of_the_catalog(base, store) or base
    cached = _cached(row.hub, backbone.revision)
    places = [cached] if cached else _places(row, store)
    if places:
        return inspect(places[-1], name=row.name, licence=row.licence, exposure=row.exposure.text)
    if row.origin == "hub":
        raise ConfigError(_how_to_get(row))
    if row.place and packaged(row) is None:
        raise ConfigError(
            f"the base model `{row.name}` must be installed as a package, but {row.place.partition('/')[0]} is not; "
            f"run `{row.install}`, or name another base model."
        )
    return None


def sizes_alone(backbone: Backbone) -> LocalBackbone | None:
    """A row of the catalog that is known by its config.json, without weights and tokenizer.

    None: it is no such row, or its weights are in the local cache, in files that are read.
    """
    row = catalog.get(backbone.name)
    cached = row and _cached(row.hub, backbone.revision)
    if row is None or not row.sizes or (cached and not why_unread(cached)):
        return None
    folder = Path(__file__).with_name("sizes") / row.sizes
    config, file = safe_config(folder), hashed(folder / "config.json")
    family = family_of(architecture_of(config, folder), str(folder))
    return LocalBackbone(row.name, folder, family, config, identity((file,)), row.licence, row.exposure.text, (file,))


def standing_here(row: Row, store: Store) -> tuple[bool, str]:
    """Whether the base model of a row is on this machine, and why it cannot be taken where it is there as good as.

    No weights are opened: only which files its folder in the local cache has.
    """
    cached = _cached(row.hub, None)
    why = why_unread(cached) if cached else ""
    return bool(_places(row, store) or (cached and not why)), why


def why_unread(folder: Path) -> str:
    """Why a folder's files are none of a base model that is read, such as pickled weights; empty: they are."""
    try:
        weight_files(folder)
        tokenizer_files(folder)
    except AdapterError as error:
        return str(error)
    return ""


def _how_to_get(row: Row) -> str:
    """Why a published model that is not on this machine cannot be taken, and what helps."""
    place = f"its hub id {row.hub} is not in the local cache" if row.hub else "it has no hub id to be found by"
    planned = " Its sizes are known, so that it can be planned with." if row.sizes else ""
    return (
        f"the weights of `{row.name}` must be on this machine (chartune never downloads by itself), but {place}; get "
        f"them on a machine with network ({row.install}), or name the folder that holds its weights, in Hugging Face "
        f"layout; `chartune import-backbone` reads pickled ones.{planned}"
    )


def _places(row: Row, store: Store) -> list[Path]:
    """The folders on this machine that are the row's base model; the last is the newest."""
    if row.converted:
        made = store.find(row.shelf, row.converted)
        return [made.whole()] if made else []
    if row.shelf:
        return [made.whole() for made in store.artefacts(row.shelf)]
    place = packaged(row) if row.place else None
    return [place] if place else []


def _of_the_catalog(base: LocalBackbone, store: Store) -> LocalBackbone | None:
    """The catalog's row with the same content, if there is one: a copy of a known base keeps its name and licence."""
    for row in catalog.values():
        for place in _places(row, store):
            if _bytes(place) == _bytes(base.folder):  # hash only what can be equal
                known = inspect(place, name=row.name, licence=row.licence, exposure=row.exposure.text)
                if known.content_hash == base.content_hash:
                    return replace(base, name=known.name, licence=known.licence, exposure=known.exposure)
    return None


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def packaged(row: Row) -> Path | None:
    """The folder or file that an installed package carries; None when it is not installed."""
    module, _, inner = row.place.partition("/")
    if not module:  # it is made here, or lies in a folder
        return None
    spec = importlib.util.find_spec(module)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / inner


def usual(kind: str) -> Row | None:
    """The best installed base model for a stage that names none; None: none is installed.

    Args:
        kind: `pretrain`, `finetune` or `prompted`.
    """
    return next((catalog[name] for name in USUAL[kind] if is_installed(catalog[name])), None)


def is_installed(row: Row) -> bool:
    """Whether the package of a base model is there, and what converts it where it is a GGUF file."""
    return packaged(row) is not None and (row.origin != "gguf" or importlib.util.find_spec("gguf") is not None)


def _called(folder: Path) -> str:
    """A folder's own name; for one of the hub's cache (models--org--name/snapshots/commit) the model's."""
    folder = Path(os.path.abspath(folder))  # `.` has a name too, and a link keeps its own
    return folder.parent.parent.name.rpartition("--")[2] if folder.parent.name == "snapshots" else folder.name


def inspect(folder: Path, *, name: str, licence: str, exposure: str) -> LocalBackbone:
    """Check a model folder and hash it: every verb that uses a base model passes here.

    Checked are config.json, the headers of the weights and the tokenizer; the numbers are checked when they are
    loaded (`chartune.models.load`).

    Raises:
        ConfigError: it is no folder with a `config.json`.
        AdapterError: it lacks weights or a tokenizer, is not safe to open, or its files do not belong together.
    """
    from chartune.models.architecture import must_match  # torch and transformers take seconds
    from chartune.models.semantic_types import types_beside
    from chartune.models.tokenizer import must_share_tokens

    config = safe_config(folder)
    family = family_of(architecture_of(config, folder), str(folder / "config.json"))
    if not family.is_decoder:
        must_read_both_ways(config, folder)
    _must_stand_alone(folder)
    weights, tokenizer = weight_files(folder), tokenizer_files(folder)
    types = types_beside(folder, weights, family.model_type)
    files = tuple(hashed(file) for file in (folder / "config.json", *weights, *tokenizer, *types))
    former = tuple(file for file in files if file.path.name != INDEX)
    base = LocalBackbone(
        name, folder, family, config, identity(files), licence, exposure, files, identity(former)
    )  # fmt: skip
    must_match(base)
    must_share_tokens(base)
    return base


def tokenizer_files(folder: Path) -> list[Path]:
    """The tokenizer's files of a model folder.

    Raises:
        AdapterError: none that a tokenizer could be made of.
    """
    files = [folder / name for name in TOKENIZER_FILES if is_plain(folder / name)]
    if not VOCABULARIES & {file.name for file in files}:  # only then are other names tried: all are hashed
        files += [folder / name for name in OTHER_VOCABULARIES if is_plain(folder / name)]
    if not {*VOCABULARIES, *OTHER_VOCABULARIES} & {file.name for file in files}:
        raise AdapterError(
            f"a base model needs its tokenizer (tokenizer.json, vocab.txt, or vocab.json with merges.txt), but "
            f"{folder} has none; copy the tokenizer files that belong to these weights into it."
        )
    return files


def _must_stand_alone(folder: Path) -> None:
    """Refuse a folder of base and adapter together: transformers would load the adapter into the base, unasked."""
    if os.path.lexists(folder / "adapter_config.json"):
        raise AdapterError(
            f"a base model must be the base alone, but {folder} holds adapter_config.json, too; move the adapter's "
            f"files to a folder of their own, and give that with --clinical if it is wanted."
        )


def _folder_of(backbone: Backbone) -> Path:
    folder = Path(os.path.expanduser(backbone.name))  # of os.path: a home or a name that cannot be is no folder
    if os.path.exists(folder) or backbone.name.count("/") != 1 or backbone.name.startswith((".", "/", "~")):
        return folder
    if cached := _cached(backbone.name, backbone.revision):
        return cached
    raise ConfigError(
        f"a hub id must be in the local cache (chartune never downloads by itself), but {backbone.name} is not; "
        f"run `hf download {backbone.name}` on a machine with network and point at the folder."
    )


def _cached(hub: str, revision: str | None) -> Path | None:
    """The folder of a hub id in the local cache; None: it is not there."""
    if not hub:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    with suppress(LocalEntryNotFoundError, ValueError):
        return Path(snapshot_download(hub, revision=revision, local_files_only=True))
    return None
