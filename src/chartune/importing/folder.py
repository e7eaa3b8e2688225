"""A model with pickled or rounded weights → a new folder with safetensors, hashed, that `--base` takes.

    FOLDER/pytorch_model*.bin ─unpickle, in a sandboxed process─▶ aside/*.safetensors ─loads in transformers─▶ NEWFOLDER
    FILE.gguf ─multiply out, in a sandboxed process─▶ aside/config, tokenizer, safetensors ─▶ the same

Nothing of the pickle or the GGUF file is opened in this process. The new folder appears whole or not at all.
"""

import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from chartune.errors import AdapterError, ConfigError
from chartune.importing.reader import dequantized, unpickled
from chartune.models.backbone import LocalBackbone, inspect, tokenizer_files
from chartune.models.config_json import architecture_of, safe_config
from chartune.models.families import family_of
from chartune.models.foreign import PAPER_BYTES, is_plain, json_object, plain_bytes
from chartune.models.load import must_be_whole, tied_and_computed
from chartune.models.local import INDEX as NEW_INDEX
from chartune.models.semantic_types import VOCABULARY
from chartune.outputs import new_folder
from chartune.store import sha256, write_bytes, write_json

GGUF: Final = ".gguf"
RECORD: Final = "chartune-import.json"
PICKLE: Final = "pytorch_model.bin"
INDEX: Final = "pytorch_model.bin.index.json"
MOST_COPIED: Final = 1 << 30
"""Bytes of the largest file that is copied: a vocabulary."""


def import_backbone(
    folder: Path,
    out: Path,
    checks: Sequence[Callable[[LocalBackbone], object]] = (must_be_whole,),
    store: Path | None = None,
) -> LocalBackbone:
    """Make a safetensors copy of a model, or find that it was made already.

    Args:
        folder: config.json, tokenizer files, and pytorch_model.bin or its shards with an index; or a GGUF file, or the
            folder of one.
        out: the folder to write; it must not exist, or hold the import of the same files.
        checks: what must pass without an error before `out` appears.
        store: the root of a store that lists what is being written, so that it is cleared after a kill.

    Raises:
        ConfigError: there is nothing to import, or `out` holds something else.
        AdapterError: a file asks to run code, is damaged or too large for what it says, or makes no whole model.
        StoreError: no room.
    """
    gguf = gguf_of(folder)
    sources, write = ([gguf], converted) if gguf else _pickled(folder)
    hashes = _hashes(sources)
    if out.exists():
        return _earlier_import(out, hashes)
    with new_folder(out, store=store) as aside:
        answer = write(gguf or folder, aside)
        made = inspect(aside, name=out.name, licence="see its folder", exposure="not known")
        for check in checks:
            check(made)
        write_json(aside / RECORD, _record(folder, hashes, aside, made, answer))
    return made.moved(out)


def gguf_of(path: Path) -> Path | None:
    """The GGUF file that a path is, or the one in it; None: there is none.

    Raises:
        ConfigError: a folder has several, each of which is a whole model.
    """
    files = [path] if path.suffix == GGUF else sorted(path.glob(f"*{GGUF}"))
    if len(files) > 1:
        raise ConfigError(
            f"a base model must be one GGUF file, but {path} has {len(files)}: {', '.join(f.name for f in files[:4])}; "
            f"give one of them."
        )
    if files and not is_plain(files[0]):
        raise ConfigError(f"a base model must be a GGUF file that can be read, but {files[0]} is none; correct it.")
    return files[0] if files else None


def converted(file: Path, aside: Path) -> dict[str, Any]:
    """Write a GGUF file's model into an empty folder, with the papers beside the file; arguments as `dequantized`."""
    answer = dequantized(file, aside)
    for paper in _papers(file.parent):
        write_bytes(aside / paper.name, plain_bytes(paper, MOST_COPIED))
    return answer


def _pickled(folder: Path) -> tuple[list[Path], Callable[[Path, Path], dict[str, Any]]]:
    """All files of a folder with pickled weights that are read, and how it is imported."""
    sources = pickles_of(folder)
    family = family_of(architecture_of(safe_config(folder), folder), str(folder / "config.json"))
    types = [folder / VOCABULARY] if family.model_type == "bert" and is_plain(folder / VOCABULARY) else []
    beside = [folder / "config.json", *tokenizer_files(folder), *types]

    def write(folder: Path, aside: Path) -> dict[str, Any]:
        answer = unpickled(sources, aside, *tied_and_computed(folder, family))
        for file in (*beside, *_papers(folder)):
            write_bytes(aside / file.name, plain_bytes(file, MOST_COPIED))
        if len(sources) > 1:
            index = {"metadata": {"total_size": answer["total_size"]}, "weight_map": answer["weight_map"]}
            write_json(aside / NEW_INDEX, index)
        return {"left_out": {"computed": answer["dropped"], "tied": answer["tied"]}}

    return [*sources, *beside], write


def import_warnings(folder: Path) -> list[str]:
    """What a user of an imported folder should check, because nothing else will report it."""
    settings = json_object(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    if (folder / "tokenizer.json").is_file() or "do_lower_case" in settings or not (folder / "vocab.txt").is_file():
        return []
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split()
    capitalised = sum(word.lower() != word for word in words if not word.startswith("["))
    if capitalised < len(words) / 50:
        return []
    return [
        f"{capitalised:,} of {len(words):,} entries of vocab.txt have capitals, but no tokenizer_config.json says "
        f'do_lower_case, so text is lower-cased and never meets them; write {{"do_lower_case": false}} into one in '
        f"the source folder and import again, unless the model was trained like that."
    ]


def pickles_of(folder: Path) -> list[Path]:
    """The pickled weights of a model folder: one file, or the shards that its index names.

    Raises:
        ConfigError: there are none, or the folder needs no import.
        AdapterError: the index is damaged, names a file elsewhere, or a shard is missing.
    """
    if any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"import-backbone is for folders with pickled weights only, but {folder} holds safetensors already; "
            f"use it as it is: --base {folder}."
        )
    if (folder / INDEX).is_file():
        weight_map = json_object(folder / INDEX).get("weight_map")
        names = sorted({str(name) for name in weight_map.values()}) if isinstance(weight_map, dict) else []
        strange = [name for name in names if not re.fullmatch(r"[\w.\-]+\.bin", name)]
        if strange or not names:
            raise AdapterError(
                f"an index must name *.bin files beside it, but {folder / INDEX} names "
                f"{ascii(strange[0])[:80] if strange else 'none'}; copy it again."
            )
    else:
        names = [PICKLE]
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking and names == [PICKLE]:
        raise ConfigError(
            f"import-backbone needs a folder with {PICKLE}, or its shards and {INDEX}, but {folder} has neither; "
            f"weights of TensorFlow or Flax are converted with their own tools."
        )
    if lacking:
        raise AdapterError(f"every shard must be there, but {folder} lacks {lacking[0]}; copy it.")
    return [folder / name for name in names]


def _papers(folder: Path) -> list[Path]:
    """Licence and model card go along with the weights; what bears their name and is no file of their size does not."""
    candidates = [file for file in sorted(folder.iterdir()) if re.match(r"(LICEN[SC]E|NOTICE|README)", file.name)]
    return [file for file in candidates if is_plain(file) and file.stat().st_size <= PAPER_BYTES]


def _hashes(files: Sequence[Path]) -> dict[str, Any]:
    return {file.name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for file in files}


def _record(
    folder: Path, hashes: dict[str, Any], aside: Path, made: LocalBackbone, answer: dict[str, Any]
) -> dict[str, Any]:
    return {
        "source": {"folder": folder.absolute().name, "files": hashes}, "files": _hashes(sorted(aside.iterdir())),
        "content_hash": made.content_hash, **answer,
        "versions": {name: version(name) for name in ("torch", "safetensors", "transformers")},
    }  # fmt: skip


def _earlier_import(out: Path, hashes: dict[str, Any]) -> LocalBackbone:
    """An import that was made before, if it is of the same files and still whole."""
    record = json_object(out / RECORD) if (out / RECORD).is_file() else {}
    source, files = record.get("source"), record.get("files")
    if not isinstance(source, dict) or source.get("files") != hashes or not isinstance(files, dict):
        raise ConfigError(f"the new folder must not exist yet, but {out} does; choose another one with --out.")
    present = _hashes([out / name for name in files if is_plain(out / name)])
    if damaged := [name for name in files if present.get(name) != files[name]]:
        raise AdapterError(f"{out / damaged[0]} must equal {RECORD}, but it does not; remove {out} and import again.")
    return inspect(out, name=out.name, licence="see its folder", exposure="not known")
