"""The one place where a pickle is opened: a sandboxed process that can only convert it to safetensors.

    job (JSON on stdin) ─▶ import ─▶ limits, audit hook ─▶ torch.load(weights_only) ─▶ *.safetensors, answer on stdout

The sandbox has three layers. `weights_only` knows tensors and dictionaries and calls nothing else (torch ≥ 2.10,
CVE-2026-24747). Should it ever be broken, Python's audit hook refuses every act but reading and writing the files of
the job. And the kernel bounds memory, time, size and number of files and processes. The parent,
`chartune.importing.reader`, judges the answer.
"""

import io
import json
import os
import re
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

ZIP: Final = b"PK\x03\x04"
"""How files of torch ≥ 1.6 begin."""
LEGACY: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How older ones begin: a pickled magic number. The published clinical encoders of 2019 and 2020 are of this kind."""
HARMLESS: Final = frozenset(
    {"builtins.id", "object.__getattr__", "object.__setattr__", "object.__delattr__", "sys._getframe", "sys.excepthook",
     "sys.unraisablehook", "mmap.__new__", "gc.get_objects", "gc.get_referrers", "gc.get_referents"}
)  # fmt: skip
"""Events of Python's audit table that reach nothing outside the process."""
SPARE_BYTES: Final = 2 << 30
"""Address space beside what the tensors need."""


class Refused(Exception):  # noqa: N818 - names what has happened
    """The job asks for something that reading weights does not need; the message says what."""


def main() -> None:
    """Answer one job; any error ends as one line of JSON on stderr."""
    sys.excepthook = _tell
    job = json.loads(sys.stdin.read())
    sources, folder = [Path(source) for source in job["sources"]], Path(job["folder"])
    _warm_up(folder)
    limit(max(source.stat().st_size for source in sources))
    seal(sources, folder)
    answer = convert(sources, folder, job["ties"], job["drops"])
    sys.stdout.write(json.dumps(answer))


def convert(sources: Sequence[Path], folder: Path, ties: Mapping[str, str], drops: Sequence[str]) -> dict[str, Any]:
    """Write each source as safetensors into `folder`.

    Args:
        sources: the shards, in order.
        folder: exists and is empty.
        ties: a name → the name that transformers ties it to again on loading.
        drops: patterns of names that transformers computes and does not load.

    Returns:
        weight_map (name → file), total_size in bytes, and the names that were `dropped` and `tied`.

    Raises:
        Refused: a file is of an unknown format, or does not hold plain tensors under plain names.
    """
    answer: dict[str, Any] = {"weight_map": {}, "total_size": 0, "dropped": [], "tied": []}
    for number, source in enumerate(sources, start=1):
        name = "model.safetensors" if len(sources) == 1 else f"model-{number:05}-of-{len(sources):05}.safetensors"
        kept = named(load(source), ties, drops, answer)
        if twice := sorted(kept.keys() & answer["weight_map"].keys()):
            raise Refused(f"{source.name} holds {twice[0]}, which an earlier file holds too")
        size = sum(tensor.nbytes for tensor in kept.values())
        if size > 2 * source.stat().st_size:
            raise Refused(f"the tensors of {source.name} would fill {size} bytes, far more than the file has")
        save_file({key: tensor.contiguous().clone() for key, tensor in kept.items()}, folder / name, {"format": "pt"})
        answer["weight_map"] |= dict.fromkeys(kept, name)
        answer["total_size"] += size
    return answer


def load(source: Path) -> dict[str, Tensor]:
    """The tensors of one file by name.

    Raises:
        Refused: it is no file of `torch.save`, or holds something else than plain tensors.
    """
    with source.open("rb") as file:
        begins = file.read(len(LEGACY))
    if not begins.startswith((ZIP, LEGACY)):
        raise Refused(f"{source.name} is no file of torch.save (an archive of torch < 0.1.10, or another format)")
    tensors = torch.load(
        str(source), map_location="cpu", weights_only=True, mmap=True if begins.startswith(ZIP) else None
    )
    if not isinstance(tensors, dict):
        raise Refused(f"{source.name} holds a {type(tensors).__name__} and not names with tensors")
    for name, tensor in tensors.items():
        _must_be_plain(name, tensor, source.name)
    return {name: tensor.detach() for name, tensor in tensors.items()}


def named(
    tensors: Mapping[str, Tensor], ties: Mapping[str, str], drops: Sequence[str], answer: dict[str, Any]
) -> dict[str, Tensor]:
    """The tensors by the names that transformers expects; what is left out is noted in `answer`."""
    kept: dict[str, Tensor] = {}
    for old, tensor in tensors.items():
        name = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", old))
        if name in kept:
            raise Refused(f"two tensors are named {name}")
        if any(re.search(pattern, name) for pattern in drops):
            answer["dropped"].append(name)
        else:
            kept[name] = tensor
    for name in [n for n in kept if n in ties and ties[n] in kept and _same_memory(kept[n], kept[ties[n]])]:
        answer["tied"].append(name)
        del kept[name]
    return kept


def limit(largest: int) -> None:
    """Bound memory, time, files and processes by what a file of `largest` bytes can need."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 32)
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_CPU, 120 + largest // 20_000_000)
    _lower(resource.RLIMIT_FSIZE, 2 * largest + (64 << 20))
    if sys.platform == "linux":  # elsewhere the kernel takes the number and forgets it
        _lower(resource.RLIMIT_AS, psutil.Process().memory_info().vms + 5 * largest + SPARE_BYTES)


def seal(sources: Sequence[Path], folder: Path) -> None:
    """From here on Python refuses, for the life of the process, all but the files of the job."""
    readable = {os.path.realpath(source) for source in sources} | {str(source) for source in sources}
    inside = str(folder) + os.sep

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in HARMLESS:
            return
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.abspath(arguments[0])
            if path.startswith(inside) or (path in readable and not _writes(*arguments[1:])):
                return
        subject = arguments[0] if event in ("open", "import") else ""
        raise Refused(f"it asked for {event} {subject}".strip())

    sys.addaudithook(hook)


def _writes(mode: str | None, flags: int) -> bool:
    return bool(set(mode or "") & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def _lower(which: int, value: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    bounds = [bound for bound in resource.getrlimit(which) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(which, (min([value, *bounds]),) * 2)


def _warm_up(folder: Path) -> None:
    """One round with weights of our own, so that the libraries import now what they import on first use."""
    torch.set_num_threads(1)
    own = {"a": torch.nn.Parameter(torch.zeros(2, 2)), "b": torch.zeros(3, dtype=torch.bfloat16)}
    for zipped in (True, False):
        path = folder / "own.bin"
        torch.save(own, path, _use_new_zipfile_serialization=zipped)
        tensors = load(path)
        save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "own.safetensors")
        load_file(folder / "own.safetensors")
        path.unlink()
        (folder / "own.safetensors").unlink()
    json.dumps(json.loads("{}"))
    torch.save(own, io.BytesIO())


def _must_be_plain(name: Any, tensor: Any, place: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[\w.\-]{1,512}", name, re.ASCII):
        raise Refused(f"{place} holds an entry whose name is no tensor's name")
    if type(tensor) not in (Tensor, torch.nn.Parameter):
        raise Refused(f"{place} holds a {type(tensor).__name__} under {name} and not a tensor")
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise Refused(f"{place} holds a sparse, quantised or absent tensor under {name}")
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        raise Refused(f"{place} says that {name} has {tensor.nbytes} bytes, more than it holds")


def _same_memory(first: Tensor, second: Tensor) -> bool:
    return (first.data_ptr(), first.shape, first.stride(), first.dtype) == (
        second.data_ptr(), second.shape, second.stride(), second.dtype,
    )  # fmt: skip


def _tell(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    sys.stderr.write(json.dumps({"kind": kind.__name__, "message": str(error)[:4000]}) + "\n")


if __name__ == "__main__":
    main()
