"""Files of weights: which a folder holds, what they say of themselves, how they are read and written.

model.safetensors                             or, never and,
model.safetensors.index.json ─▶ model-00001-of-00002.safetensors, …
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from chartune.errors import AdapterError
from chartune.models.foreign import is_plain, json_object, reading
from chartune.models.local import INDEX
from chartune.writing import write_bytes

SINGLE: Final = "model.safetensors"
SHARD: Final = re.compile(r"model-\d+-of-\d+\.safetensors")
FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})
"""Types of weights as they were trained; all others are of a quantisation, or no weights."""
WRAPPERS: Final = {
    "module": "DistributedDataParallel", "_orig_mod": "torch.compile", "_forward_module": "DeepSpeed",
    "_fsdp_wrapped_module": "FSDP", "_checkpoint_wrapped_module": "activation checkpointing",
}  # fmt: skip
"""What puts a word of its own into the names of weights."""
WRAPPED: Final = re.compile(rf"(^|\.)({'|'.join(WRAPPERS)})\.")


@dataclass(frozen=True)
class Header:
    """A tensor as its file describes it."""

    shape: tuple[int, ...]
    dtype: str
    """As safetensors writes it: `F32`, `BF16`, `I8` ..."""
    file: Path


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: the single one, or the shards with their index last.

    Raises:
        AdapterError: there are none, more than one set that could be the model, or an index and shards that disagree.
    """
    single, index = folder / SINGLE, folder / INDEX
    others = sorted(file.name for file in folder.glob("*.safetensors") if file.name != SINGLE)
    shards = [name for name in others if SHARD.fullmatch(name)]
    if is_plain(single):
        rivals = ([INDEX] if index.exists() else []) + shards
        if rivals:
            raise AdapterError(
                f"a base model must have its weights once, but {folder} holds {SINGLE} and {rivals[0]}; only you can "
                f"know which is the model: move the other one away."
            )
        return [single]
    if is_plain(index):
        return [*_shards(folder, index), index]
    if shards:
        raise AdapterError(
            f"weights in shards must come with their index, but {folder} holds {len(shards)} shards and lacks {INDEX}; "
            f"copy it from where the shards are from."
        )
    return _refuse_without(folder, others)


def headers(files: Iterable[Path]) -> dict[str, Header]:
    """Every tensor of some files by name, without its numbers.

    Raises:
        AdapterError: a file is damaged, or two hold the same tensor.
    """
    merged: dict[str, Header] = {}
    for path in files:
        shard = _header(path)
        if twice := sorted(shard.keys() & merged.keys()):
            raise AdapterError(
                f"every tensor must lie in one file, but {ascii(twice[0])[:80]} lies in {merged[twice[0]].file.name} "
                f"and {path.name} of {path.parent}; copy the shards of one model only."
            )
        merged |= shard
    return merged


@dataclass(frozen=True)
class Stored:
    """A tensor in its file. Between two readings nothing of the file is mapped."""

    name: str
    file: Path

    def __getitem__(self, _: Any) -> Tensor:
        """A copy of all its numbers, however it is indexed, in pages of its own: none stays behind in the heap."""
        with safe_open(self.file, framework="pt") as file:
            mapped: Tensor = file.get_tensor(self.name)
            if not mapped.nbytes:
                return mapped.clone()
            pages = mmap(-1, mapped.nbytes, MAP_PRIVATE | MAP_ANONYMOUS)
            return torch.frombuffer(pages, dtype=mapped.dtype).view(mapped.shape).copy_(mapped)


def stored(files: Iterable[Path]) -> dict[str, Stored]:
    """Every tensor of some files by name, each to be read by itself when a library asks for its numbers.

    Raises:
        AdapterError: as `headers`.
    """
    return {name: Stored(name, header.file) for name, header in headers(files).items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, whole or not at all; shared or strided ones (tied embeddings) as plain copies.

    Raises:
        OSError: there is no room, or it cannot be written.
    """
    write_bytes(path, save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}))


def must_be_named_plainly(names: Sequence[str], place: Path) -> None:
    """Refuse names that a wrapper has lengthened: nothing would be recognised by them.

    Raises:
        AdapterError: a wrapper's word stands in them, or layers of an adapter that was not merged.
    """
    for name in names:
        if wrapped := WRAPPED.search(name):
            word = wrapped[2]
            raise AdapterError(
                f"tensors must be named as the model names them, but in {place} {ascii(name)[:100]} holds `{word}.`: "
                f"they were saved through {WRAPPERS[word]}. Save the model inside of it (its save_pretrained), or take "
                f"the word out of the names: save_file({{name.replace('{word}.', ''): tensor for name, tensor in "
                f"load_file(old).items()}}, new)."
            )


def _header(path: Path) -> dict[str, Header]:
    requirement = f"{path} must be whole"
    with reading("safetensors", requirement, "get the file again"), safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in list(file.keys())}
        return {name: Header(tuple(s.get_shape()), str(s.get_dtype()), path) for name, s in slices.items()}


def _shards(folder: Path, index: Path) -> list[Path]:
    """The shards that an index names, once each tensor lies where the index says."""
    weight_map = json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise AdapterError(
            f"an index must say in its weight_map which file holds a tensor, but {index} does not; copy it."
        )
    names = sorted({str(name) for name in weight_map.values()})
    strange = [name for name in names if not re.fullmatch(r"\w[\w.\-]*\.safetensors", name)]
    if strange:
        raise AdapterError(
            f"an index must name *.safetensors files beside it, but {index} names {ascii(strange[0])[:80]}; put the "
            f"shards beside the index and correct it."
        )
    lacking = [name for name in names if not is_plain(folder / name)]
    if lacking:
        raise AdapterError(f"every shard of an index must be there, but {folder} lacks {lacking[0]}; copy it.")
    lies = {name: header.file.name for name, header in headers(folder / name for name in names).items()}
    wrong = sorted(name for name in lies.keys() | weight_map.keys() if lies.get(name) != weight_map.get(name))
    if wrong:
        raise AdapterError(
            f"an index must say where each tensor lies, but {index} says {ascii(weight_map.get(wrong[0]))[:60]} of "
            f"{ascii(wrong[0])[:80]}, which lies in {lies.get(wrong[0], 'none of them')}; copy index and shards of one "
            f"model."
        )
    return [folder / name for name in names]


def _refuse_without(folder: Path, others: list[str]) -> list[Path]:
    if others:
        raise AdapterError(
            f"a base model's weights must be called {SINGLE}, or lie in shards with {INDEX}, but {folder} holds "
            f"{', '.join(others[:3])}; rename what is the model."
        )
    pickled = any(folder.glob("pytorch_model*.bin"))
    raise AdapterError(
        f"base weights must be *.safetensors (a pickle can run code), but {folder} has none; "
        + (f"`chartune import-backbone {folder} --out NEWFOLDER` reads its pickle in a sandbox and writes them."
           if pickled else "get the weights in that format.")
    )  # fmt: skip
