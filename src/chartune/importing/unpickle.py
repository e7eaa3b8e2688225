"""The one place where a pickle is opened: a sandboxed process that can only convert it to safetensors.

    job (JSON on stdin) ─▶ import ─▶ limits, audit hook ─▶ torch.load(weights_only) ─▶ *.safetensors, answer on stdout

There are three layers. `weights_only` knows tensors and dictionaries and calls nothing else (torch ≥ 2.10,
CVE-2026-24747). Should it ever be broken, the audit hook and the limits of `chartune.importing.sandbox` hold.
"""

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from chartune.importing.sandbox import Refused, answer, begin, limit, seal

ZIP: Final = b"PK\x03\x04"
"""How files of torch ≥ 1.6 begin."""
LEGACY: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How older ones begin: a pickled magic number. The published clinical encoders of 2019 and 2020 are of this kind."""


def main() -> None:
    """Answer one job; any error ends as one line of JSON on stderr."""
    job = begin()
    sources, folder = [Path(source) for source in job["sources"]], Path(job["folder"])
    _warm_up(folder)
    largest = max(source.stat().st_size for source in sources)
    limit(5 * largest, 2 * largest + (64 << 20), 120 + largest // 20_000_000)
    seal(sources, folder)
    answer(convert(sources, folder, job["ties"], job["drops"]))


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
    made: dict[str, Any] = {"weight_map": {}, "total_size": 0, "dropped": [], "tied": []}
    for number, source in enumerate(sources, start=1):
        name = "model.safetensors" if len(sources) == 1 else f"model-{number:05}-of-{len(sources):05}.safetensors"
        kept = named(load(source), ties, drops, made)
        if twice := sorted(kept.keys() & made["weight_map"].keys()):
            raise Refused(f"{source.name} holds {twice[0]}, which an earlier file holds too")
        size = sum(tensor.nbytes for tensor in kept.values())
        if size > 2 * source.stat().st_size:
            raise Refused(f"the tensors of {source.name} would fill {size} bytes, far more than the file has")
        save_file({key: tensor.contiguous().clone() for key, tensor in kept.items()}, folder / name, {"format": "pt"})
        made["weight_map"] |= dict.fromkeys(kept, name)
        made["total_size"] += size
    return made


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
    tensors: Mapping[str, Tensor], ties: Mapping[str, str], drops: Sequence[str], made: dict[str, Any]
) -> dict[str, Tensor]:
    """The tensors by the names that transformers expects; what is left out is noted in `made`."""
    kept: dict[str, Tensor] = {}
    for old, tensor in tensors.items():
        name = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", old))
        if name in kept:
            raise Refused(f"two tensors are named {name}")
        if any(re.search(pattern, name) for pattern in drops):
            made["dropped"].append(name)
        else:
            kept[name] = tensor
    for name in [n for n in kept if n in ties and ties[n] in kept and _same_memory(kept[n], kept[ties[n]])]:
        made["tied"].append(name)
        del kept[name]
    return kept


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


if __name__ == "__main__":
    main()
