"""Bodies of one base model: as many module trees as there are ways to adapt it, over one set of numbers.

base ─▶ body ─┬─ tree with LoRA of task 1 ┐
              ├─ tree with DoRA of task 2 ├─ every tensor that is equal is held once
              └─ tree with mixed LoRAs    ┘
"""

import copy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from chartune.models.load import Body
from chartune.stages.assembly import bare_body
from chartune.stages.inputs import Inputs
from chartune.stages.model_stage import ModelStage


class Key(NamedTuple):
    """What a body depends on beside its base."""

    merged: tuple[str, ...]
    """SHA-256 of the adapters that are merged."""
    precision: str
    bidirectional: bool
    attention: str


def key_of(stage: ModelStage, inputs: Inputs) -> Key:
    """Which body a stage stands on."""
    below = tuple(adapter.sha256 for adapter in inputs.adapters[: stage.layers().merged] if adapter)
    return Key(below, inputs.resolved.precision, stage.is_bidirectional(), inputs.resolved.attention)


class Bodies:
    """Bodies of one base model."""

    def __init__(self) -> None:
        self._made: dict[Key, Body] = {}

    def of(self, stage: ModelStage, inputs: Inputs) -> Body:
        """A tree of its own, for layers to be put on; its tensors are shared.

        Args:
            stage: whose lowest layers may be merged.
            inputs: its base and adapters.

        Raises:
            AdapterError: the weights do not fit the architecture.
        """
        key = key_of(stage, inputs)
        if key not in self._made:
            same = [body for other, body in self._made.items() if other[:-1] == key[:-1]]
            self._made[key] = _attending(same[0], key.attention) if same else self._loaded(stage, inputs)
        return tree_of(self._made[key])

    def _loaded(self, stage: ModelStage, inputs: Inputs) -> Body:
        body = bare_body(stage, inputs)
        body.module.to(inputs.resolved.device)
        for other in self._made.values():
            _share(body.module, other.module)
        return body

    def forget_but(self, keys: set[Key]) -> None:
        """Let go of bodies that nobody stands on."""
        self._made = {key: body for key, body in self._made.items() if key in keys}

    @property
    def nbytes(self) -> int:
        """Of all numbers, each counted once."""
        tensors = (tensor for body in tuple(self._made.values()) for tensor in body.module.parameters())
        return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def tree_of(body: Body) -> Body:
    """The same numbers in a tree of modules of its own."""
    whole = body.module
    tensors: dict[int, Tensor] = {id(buffer): buffer for buffer in whole.buffers()}
    tensors |= {id(weight): _own(weight) for weight in whole.parameters()}
    module: nn.Module = copy.deepcopy(whole, tensors)  # a memo: these are not copied
    return replace(body, module=module, whole=module)


def _own(weight: nn.Parameter) -> nn.Parameter:
    """The same numbers as a parameter of its own: where layers are merged into it, no other tree sees them."""
    return nn.Parameter(weight.data, requires_grad=weight.requires_grad)


def _attending(body: Body, attention: str) -> Body:
    """The same numbers, and attention computed in another way."""
    tree: Any = tree_of(body)
    tree.module.set_attn_implementation(attention)
    made: Body = tree
    return made


def _share(body: nn.Module, other: nn.Module) -> None:
    """Hold equal parameters of two bodies of one architecture once."""
    held = dict(other.named_parameters())
    for name, parameter in body.named_parameters():
        same = held.get(name)
        if same is not None and same.dtype == parameter.dtype and torch.equal(parameter, same):
            parameter.data = same.data
