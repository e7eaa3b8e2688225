"""Whether an adapter's file holds what an adapter is: plain, finite numbers that change something.

headers ─▶ plain names · floats · not empty      numbers ─▶ finite · one changes hidden states, as its method says
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from safetensors import safe_open

from chartune.adapters.method import Method
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
    tensors = headers([path])
    must_be_named_plainly(sorted(tensors), path)
    for name, header in tensors.items():
        _must_be_plain(f"{path} {ascii(name)[:120]}", name, header)
    return tensors


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
            f"under DeepSpeed ZeRO-3 before the weights were gathered; ask its author to save it again "
            f"(stage3_gather_16bit_weights_on_model_save, or zero_to_fp32.py)."
        )
    if header.dtype not in FLOATS:
        raise AdapterError(
            f"an adapter must hold plain floating-point numbers ({', '.join(sorted(FLOATS))}), but in {place} is "
            f"stored as {header.dtype}; ask its author to save it again."
        )


def is_idle(path: Path, method: Method) -> bool:
    """Whether an adapter changes nothing, such as a LoRA of whose every matrix A or B is zero; read once per process.

    Raises:
        AdapterError: a number is NaN or infinite, or the layer could never learn.
    """
    return _idle(path, hashed(path).sha256, method)


@lru_cache(maxsize=256)
def _idle(path: Path, _: str, method: Method) -> bool:
    changing = {}
    requirement = f"{path} must be whole"
    with reading("safetensors", requirement, "copy it again"), safe_open(path, framework="pt") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            if not is_finite(tensor):
                raise AdapterError(
                    f"an adapter must hold finite numbers, but {ascii(name)[:120]} in {path} holds NaN or infinity: "
                    f"its training diverged or the file is damaged; train it again, or take an earlier checkpoint."
                )
            changing[name] = method.changes(name, tensor)
    return method.is_idle(changing, path)
