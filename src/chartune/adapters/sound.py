"""Whether an adapter's file holds what an adapter is: pairs of matrices of its rank, finite, and not all zero.

headers ─▶ plain names · floats · not empty · A [r, in] beside B [out, r]
numbers ─▶ finite · not all zero · some B·A not zero
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from safetensors import safe_open

from chartune.errors import AdapterError
from chartune.models.foreign import reading
from chartune.models.local import hashed
from chartune.models.values import is_finite
from chartune.models.weights import FLOATS, Header, headers, must_be_named_plainly

NAMED: Final = re.compile(r"\.lora_[AB]\.(?!weight$)(?P<name>[^.]+)\.weight$")


def adapter_headers(path: Path) -> dict[str, Header]:
    """What an adapter's file says of its tensors.

    Raises:
        AdapterError: it is damaged, empty, quantised, or its names were lengthened by a wrapper.
    """
    found = headers([path])
    must_be_named_plainly(sorted(found), path)
    for name, header in found.items():
        _must_be_plain(f"{path} {ascii(name)[:120]}", name, header)
    return found


def must_be_of_rank(found: Mapping[str, Header], rank: int, path: Path) -> None:
    """Refuse matrices that are no pairs of the rank that the adapter's configuration names, before any is made.

    Raises:
        AdapterError: a matrix is alone, or of another rank.
    """
    for name, header in found.items():
        side = "A" if ".lora_A." in name else "B"
        if f".lora_{side}." not in name:
            continue
        if name.replace(f".lora_{side}.", f".lora_{'B' if side == 'A' else 'A'}.") not in found:
            raise AdapterError(
                f"a LoRA must hold A and B of every matrix, but {path} holds {ascii(name)[:120]} alone; have its maker "
                f"save it again."
            )
        if len(header.shape) != 2 or header.shape[0 if side == "A" else 1] != rank:
            raise AdapterError(
                f"a LoRA's matrices must be of the rank that its configuration names, but beside {path} r is {rank:,} "
                f"and {ascii(name)[:120]} is of shape {list(header.shape)}; copy configuration and weights of one "
                f"adapter."
            )


def _must_be_plain(place: str, name: str, header: Header) -> None:
    if named := NAMED.search(name):
        raise AdapterError(
            f"an adapter's tensors must be named as peft saves them, but in {place} is the name of a whole model's "
            f"state dict, where `{named['name']}` is the adapter's name; save it with the model's save_pretrained, or "
            f"take `.{named['name']}` out of the names."
        )
    if 0 in header.shape:
        raise AdapterError(
            f"an adapter must hold numbers, but in {place} is of shape {list(header.shape)}: it was saved empty, as "
            f"under DeepSpeed ZeRO-3 before the weights were gathered; have its maker save it again "
            f"(stage3_gather_16bit_weights_on_model_save, or zero_to_fp32.py)."
        )
    if header.dtype not in FLOATS:
        raise AdapterError(
            f"an adapter must hold plain floating-point numbers ({', '.join(sorted(FLOATS))}), but in {place} is "
            f"stored as {header.dtype}; have its maker save it again."
        )


def is_idle(path: Path) -> bool:
    """Whether an adapter changes nothing, because of every matrix A or B is zero; looks once per process.

    Raises:
        AdapterError: a number is NaN or infinite, or all of them are zero.
    """
    return _idle(path, hashed(path).sha256)


@lru_cache(maxsize=256)
def _idle(path: Path, _: str) -> bool:
    zero = _zero(path)
    if all(zero.values()):
        raise AdapterError(
            f"an adapter must hold what was learnt, but in {path} every number of A and of B is zero: it changes "
            f"nothing, and its gradient is zero, so that it never can. It was saved before its weights were gathered "
            f"or loaded; have its maker save it again, or train a fresh layer in its place."
        )
    matrices = {name: name.replace(".lora_B.", ".lora_A.") for name in zero if ".lora_B." in name}
    return all(zero[b] or zero[a] for b, a in matrices.items())


def _zero(path: Path) -> dict[str, bool]:
    """Each tensor, and whether all of it is zero."""
    zero = {}
    law = f"{path} must be whole"
    with reading("safetensors", law, "copy it again"), safe_open(path, framework="pt") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            if not is_finite(tensor):
                raise AdapterError(
                    f"an adapter must hold finite numbers, but {ascii(name)[:120]} in {path} holds NaN or infinity: "
                    f"its training diverged or the file is damaged; train it again, or take an earlier checkpoint."
                )
            zero[name] = not bool(tensor.any())
    return zero
