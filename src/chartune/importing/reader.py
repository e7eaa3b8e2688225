"""The processes that open foreign weights, from outside: started with a job alone, and their refusals as errors."""

import contextlib
import errno
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from chartune.errors import AdapterError, StoreError
from chartune.extras import installed

START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from importlib import import_module; "
    "import_module(sys.argv[2]).main()"
)
"""The reader finds the same libraries as this process and, isolated (-I), nothing else."""
QUIET: Final = {
    "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false", "HF_DEACTIVATE_ASYNC_LOAD": "1", "TQDM_DISABLE": "1",
}  # fmt: skip
"""The reader's whole environment, but for where the system's linker finds libraries."""
_PICKLES: Final = "pickled weights must be a plain state dict"
_GGUF: Final = "a GGUF file must hold a whole language model of a known architecture"


def unpickled(sources: list[Path], folder: Path, ties: dict[str, str], drops: list[str]) -> dict[str, Any]:
    """Have a sandboxed process write `sources` as safetensors into `folder`; returns its answer.

    Raises:
        AdapterError: it refused, or was ended by its limits.
        StoreError: no room.
    """
    job = {"sources": [str(s.absolute()) for s in sources], "folder": str(folder), "ties": ties, "drops": drops}
    return _sandboxed("chartune.importing.unpickle", job, sources, _PICKLES)


def dequantized(source: Path, folder: Path) -> dict[str, Any]:
    """Have a sandboxed process write a GGUF file as config, tokenizer and safetensors into `folder`.

    Returns:
        `dtype` of the weights, and how many `parameters` there are.

    Raises:
        ConfigError: the package `gguf` is not installed.
        AdapterError: it refused, or was ended by its limits.
        StoreError: no room.
    """
    with installed("gguf", f"reading {source.name} needs the package gguf"):
        if importlib.util.find_spec("gguf") is None:
            raise ImportError
    with source.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise AdapterError(f"{_GGUF}, but {source} does not begin as one; copy it again.")
    job = {"source": str(source.absolute()), "folder": str(folder)}
    return _sandboxed("chartune.importing.dequantize", job, [source], _GGUF)


def _sandboxed(module: str, job: dict[str, Any], sources: list[Path], law: str) -> dict[str, Any]:
    libraries = [path for path in sys.path if os.path.isabs(path)]
    environment = QUIET | {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", "-c", START, json.dumps(libraries), module], input=json.dumps(job), capture_output=True,
        text=True, env=environment, cwd=job["folder"], check=False,
    )  # fmt: skip
    if done.returncode:
        _refuse(done.returncode, done.stderr, sources, law)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def _refuse(code: int, output: str, sources: list[Path], law: str) -> None:
    """Explain why the reader stopped."""
    what = sources[0].name if len(sources) == 1 else f"one of {len(sources)} shards"
    place = f"{what} in {sources[0].parent}"
    kind, message = _last(output)
    if re.search(rf"\(os error {errno.EFBIG}\)|\[Errno {errno.EFBIG}\]", message):
        raise AdapterError(
            f"weights must take no more room than their file, but {place} claims to be larger than its source and was "
            f"stopped while it was written; compare the file's hash with its source, and do not trust it."
        )
    if "(os error" in message or kind == "OSError":
        raise StoreError(f"the new folder must have room, but writing it failed ({message}); free some space.")
    wanted = re.search(r"GLOBAL ([\w.]+)|asked for ([\w.]+)", message)
    if wanted:
        raise AdapterError(
            f"weights must be read without running code, but {place} asks for {wanted[1] or wanted[2]}; nothing of it "
            f"was run. Do not open it with other tools; get the weights as *.safetensors from their author."
        )
    if code < 0 or kind == "MemoryError" or "allocate memory" in message:
        by = f"signal {signal.Signals(-code).name}" if code < 0 else "its limit of memory"
        raise AdapterError(
            f"weights must need no more memory and time than their size suggests, but the reader of {place} was ended "
            f"by {by}; compare the file's hash with its source, or use a machine with more memory."
        )
    why = message if kind == "Refused" else f"it is cut off or damaged ({kind})"
    raise AdapterError(f"{law}, but of {place}: {why}; copy it again.")


def _last(output: str) -> tuple[str, str]:
    """Kind and message of the last line that is an error of ours; libraries may write behind it."""
    for line in reversed(output.splitlines()):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            error = json.loads(line)
            return str(error["kind"]), str(error["message"])
    return "unknown", ""
