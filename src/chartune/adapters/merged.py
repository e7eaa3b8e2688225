"""Merged: layers beside matrices as a part of their weights, while texts are read and nothing learns.

    W ─fp32─▶ W + ΔW₀ + ΔW₁ … ─rounded once─▶ in the place of W        afterwards W itself is back, bit for bit

Each matrix that carries a layer is held twice meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from chartune.adapters.injected import tuner_layers


@contextmanager
def merged(module: nn.Module) -> Iterator[None]:
    """Merge all layers that peft has put beside matrices; afterwards every number is what it was.

    Args:
        module: holds a body, with or without layers; none of them is merged.
    """
    layers = _by_matrix(module)
    own = {weight: weight.data for matrix in layers for weight in matrix.parameters()}
    try:
        with torch.no_grad():
            for matrix, beside in layers.items():
                _merge(matrix, beside)
        yield
    finally:
        for weight, numbers in own.items():
            weight.data = numbers
        for layer in (layer for beside in layers.values() for layer in beside):
            layer.merged_adapters.clear()
            getattr(layer, "_caches", {}).clear()  # DoRA leaves norms of rows there


def copied_bytes(module: nn.Module) -> int:
    """Bytes of the weights that are held twice while layers are merged."""
    return sum(weight.nbytes for matrix in _by_matrix(module) for weight in matrix.parameters())


def _by_matrix(module: nn.Module) -> dict[nn.Module, list[Any]]:
    """The layers of each matrix, in the order of the forward pass: one around another comes after it."""
    layers: dict[nn.Module, list[Any]] = {}
    for layer in reversed(tuner_layers(module)):
        layers.setdefault(layer.get_base_layer(), []).append(layer)
    return layers


def _merge(matrix: nn.Module, layers: list[Any]) -> None:
    """Put the merged weights of a matrix in the place of its own, of the same type."""
    types = {weight: weight.dtype for weight in matrix.parameters()}
    for weight in types:
        weight.data = weight.data.to(torch.promote_types(weight.dtype, torch.float32), copy=True)
    for layer in layers:
        layer.merge()
    for weight, dtype in types.items():
        weight.data = weight.data.to(dtype)
