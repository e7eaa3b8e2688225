"""Whether the weights of a base are numbers at all: checked when they are first loaded, and remembered by their hash.

first load ─▶ every tensor: smallest and largest finite? ─▶ bases.json in the store ─▶ later commands know at once
"""

import math
from pathlib import Path
from typing import Any, Final

import torch

from chartune.errors import AdapterError
from chartune.models.local import LocalBackbone
from chartune.store import storing, write_json
from chartune.writing import remembered

SEEN: Final = "bases.json"
"""In the store's root: what was seen of the values of base models, by the hash of their files and what was loaded."""


def must_be_numbers(model: Any, backbone: LocalBackbone) -> None:
    """Refuse weights that are not finite; a hash that was checked once is not checked again.

    Raises:
        AdapterError: a weight is NaN or infinite.
    """
    part, known = f"{backbone.content_hash}/{type(model).__name__}", _seen(backbone.memory)
    if part not in known:
        known[part] = _not_finite(model)
        if backbone.memory is not None:
            with storing(backbone.memory, every=True):
                backbone.memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_json(backbone.memory, known)
    _refuse(known[part], backbone)


def must_not_be_known_as_bad(backbone: LocalBackbone) -> None:
    """Refuse early what a former load has found.

    Raises:
        AdapterError: as `must_be_numbers`.
    """
    for part, tensor in _seen(backbone.memory).items():
        if part.startswith(f"{backbone.content_hash}/"):
            _refuse(tensor, backbone)


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether every number of a tensor is finite; an empty one is. Allocates nothing of its size."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    return all(math.isfinite(float(bound)) for bound in torch.aminmax(tensor.detach()))


def _not_finite(model: Any) -> str:
    """The name of the first tensor that is not finite; empty: all are."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return next((str(name) for name, tensor in tensors if not is_finite(tensor)), "")


def _refuse(name: str, backbone: LocalBackbone) -> None:
    if name:
        raise AdapterError(
            f"weights must be finite numbers, but {name} of {backbone.name} is not (NaN or infinite): the file is "
            f"damaged or the training that left it diverged; get the weights again."
        )


def _seen(memory: Path | None) -> dict[str, str]:
    """What is remembered; a damaged memory costs only time."""
    entries = remembered(memory).items() if memory else ()
    return {part: tensor for part, tensor in entries if isinstance(tensor, str)}
