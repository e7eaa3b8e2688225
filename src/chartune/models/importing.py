"""A model folder with pickled weights → a new folder with safetensors, hashed, that `--base` takes.

    FOLDER/pytorch_model*.bin ─unpickle, a process behind walls─▶ aside/*.safetensors ─loads in transformers─▶ NEWFOLDER

Nothing of the pickle is opened in this process. The new folder appears whole or not at all.
"""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from chartune.errors import AdapterError, ConfigError, StoreError
from chartune.models.backbone import LocalBackbone, inspect, tokenizer_files
from chartune.models.config_json import architecture_of, safe_config
from chartune.models.families import family_of
from chartune.models.foreign import PAPER_BYTES, is_plain, json_object, plain_bytes
from chartune.models.load import must_be_whole, ties_and_leavings
from chartune.outputs import new_folder
from chartune.store import sha256, write_bytes, write_json

RECORD: Final = "chartune-import.json"
PICKLE: Final = "pytorch_model.bin"
INDEX: Final = "pytorch_model.bin.index.json"
MOST_COPIED: Final = 1 << 30
"""Bytes of the largest file that is copied: a vocabulary."""
START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from chartune.models.unpickle import main; main()"
)
"""The reader finds the same libraries as this process and, isolated (-I), nothing else."""
QUIET: Final = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
"""The reader's whole environment, but for where the system's linker finds libraries."""


def import_backbone(
    folder: Path,
    out: Path,
    checks: Sequence[Callable[[LocalBackbone], object]] = (must_be_whole,),
    store: Path | None = None,
) -> LocalBackbone:
    """Make a safetensors copy of a model folder, or find that it was made already.

    Args:
        folder: config.json, tokenizer files, and pytorch_model.bin or its shards with an index.
        out: the folder to write; it must not exist, or hold the import of the same files.
        checks: what must pass without an error before `out` appears.
        store: the root of a store that lists what is being written, so that it is cleared after a kill.

    Raises:
        ConfigError: there is nothing to import, or `out` holds something else.
        AdapterError: a file asks to run code, is damaged or too large for what it says, or makes no whole model.
        StoreError: no room.
    """
    sources = pickles_of(folder)
    config = safe_config(folder)
    family = family_of(architecture_of(config, folder), str(folder / "config.json"))
    tokenizer = tokenizer_files(folder)
    hashes = _hashes([*sources, folder / "config.json", *tokenizer])
    if out.exists():
        return _found(out, hashes)
    with new_folder(out, store=store) as aside:
        ties, drops = ties_and_leavings(folder, family)
        answer = unpickled(sources, aside, ties, drops)
        for file in (folder / "config.json", *tokenizer, *_papers(folder)):
            write_bytes(aside / file.name, plain_bytes(file, MOST_COPIED))
        if len(sources) > 1:
            index = {"metadata": {"total_size": answer["total_size"]}, "weight_map": answer["weight_map"]}
            write_json(aside / "model.safetensors.index.json", index)
        made = inspect(aside, name=out.name, licence="see its folder", exposure="not known")
        for check in checks:
            check(made)
        write_json(aside / RECORD, _record(folder, hashes, aside, made, answer))
    return made.moved(out)


def doubts(folder: Path) -> list[str]:
    """What a reader of an imported folder should look at, because nobody else will notice."""
    told = json_object(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    if (folder / "tokenizer.json").is_file() or "do_lower_case" in told or not (folder / "vocab.txt").is_file():
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


def unpickled(sources: list[Path], folder: Path, ties: dict[str, str], drops: list[str]) -> dict[str, Any]:
    """Have a process behind walls write `sources` as safetensors into `folder`; returns its answer.

    Raises:
        AdapterError: it refused, or was ended by its limits.
        StoreError: no room.
    """
    job = {"sources": [str(s.absolute()) for s in sources], "folder": str(folder), "ties": ties, "drops": drops}
    libraries = [path for path in sys.path if os.path.isabs(path)]
    environment = QUIET | {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", "-c", START, json.dumps(libraries)], input=json.dumps(job), capture_output=True,
        text=True, env=environment, cwd=folder, check=False,
    )  # fmt: skip
    if done.returncode:
        _refuse(done.returncode, done.stderr, sources)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def _refuse(code: int, told: str, sources: list[Path]) -> None:
    """Say in the house's words why the reader gave up."""
    what = sources[0].name if len(sources) == 1 else f"one of {len(sources)} shards"
    place = f"{what} in {sources[0].parent}"
    kind, message = _last(told)
    if re.search(rf"\(os error {errno.EFBIG}\)|\[Errno {errno.EFBIG}\]", message):
        raise AdapterError(
            f"weights must take no more room than their file, but {place} claims to be larger than its source and was "
            f"stopped while it was written; compare the file's hash with its source, and do not trust it."
        )
    if "(os error" in message or kind == "OSError":
        raise StoreError(f"the new folder must have room, but writing it failed ({message}); free some space.")
    asked = re.search(r"GLOBAL ([\w.]+)|asked for ([\w.]+)", message)
    if asked:
        raise AdapterError(
            f"weights must be read without running code, but {place} asks for {asked[1] or asked[2]}; nothing of it "
            f"was run. Do not open it with other tools; get the weights as *.safetensors from their maker."
        )
    if code < 0 or kind == "MemoryError" or "allocate memory" in message:
        by = f"signal {signal.Signals(-code).name}" if code < 0 else "its limit of memory"
        raise AdapterError(
            f"weights must need no more memory and time than their size tells, but the reader of {place} was ended "
            f"by {by}; compare the file's hash with its source, or use a machine with more memory."
        )
    why = message if kind == "Refused" else f"it is cut off or damaged ({kind})"
    raise AdapterError(f"pickled weights must be a plain state dict, but of {place}: {why}; copy it again.")


def _last(told: str) -> tuple[str, str]:
    try:
        line = json.loads(told.strip().rpartition("\n")[2])
        return str(line["kind"]), str(line["message"])
    except (ValueError, KeyError, TypeError):
        return "unknown", ""


def _papers(folder: Path) -> list[Path]:
    """Licence and model card go along with the weights; what bears their name and is no file of their size does not."""
    named = [file for file in sorted(folder.iterdir()) if re.match(r"(LICEN[SC]E|NOTICE|README)", file.name)]
    return [file for file in named if is_plain(file) and file.stat().st_size <= PAPER_BYTES]


def _hashes(files: Sequence[Path]) -> dict[str, Any]:
    return {file.name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for file in files}


def _record(
    folder: Path, hashes: dict[str, Any], aside: Path, made: LocalBackbone, answer: dict[str, Any]
) -> dict[str, Any]:
    return {
        "source": {"folder": folder.absolute().name, "files": hashes}, "files": _hashes(sorted(aside.iterdir())),
        "content_hash": made.content_hash, "left_out": {"computed": answer["dropped"], "tied": answer["tied"]},
        "versions": {name: version(name) for name in ("torch", "safetensors", "transformers")},
    }  # fmt: skip


def _found(out: Path, hashes: dict[str, Any]) -> LocalBackbone:
    """An import that was made before, if it is of the same files and still whole."""
    record = json_object(out / RECORD) if (out / RECORD).is_file() else {}
    source, files = record.get("source"), record.get("files")
    if not isinstance(source, dict) or source.get("files") != hashes or not isinstance(files, dict):
        raise ConfigError(f"the new folder must not exist yet, but {out} does; choose another one with --out.")
    there = _hashes([out / name for name in files if is_plain(out / name)])
    if damaged := [name for name in files if there.get(name) != files[name]]:
        raise AdapterError(f"{out / damaged[0]} must equal {RECORD}, but it does not; remove {out} and import again.")
    return inspect(out, name=out.name, licence="see its folder", exposure="not known")
