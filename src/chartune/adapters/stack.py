"""Stack: ordered layers of adapters on one body, each merged, frozen, trainable or fresh.

    hidden ─▶ W·x + (α₀/r₀)·B₀A₀·x  +  (α₁/r₁)·B₁A₁·x ─▶      layer 0: the clinical adapter, layer 1: downstream
    hidden ─▶ (W + (α₀/r₀)·B₀A₀)·x  +  (α₁/r₁)·B₁A₁·x ─▶      the same, layer 0 merged

Layers are put into the headless body itself, each by its own method, and know nothing of tasks. Which of them are in
the forward pass and which get gradients is an invariant here, asserted after attaching and again after training,
because peft's own switches turn frozen adapters back on.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from chartune.adapters.adapter import Adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.method import AnyMethod, Method
from chartune.adapters.placing import Tokenise, fill, first_ids, must_compose, must_merge
from chartune.adapters.regime import Regimes
from chartune.adapters.shuffled import weights_of
from chartune.config import Added, Config, Unhashed
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.runs.record import INACTIVE


class Merged(Config):
    """A trained adapter as a part of the body's weights, added in fp32 before they are rounded and frozen."""

    kind: Literal["merged"] = "merged"
    adapter: Annotated[str, Unhashed()]
    """The run that trained it (fingerprint, its beginning, or name), or an adapter folder."""


class Frozen(Config):
    """A trained adapter that stays as it is, without dropout."""

    kind: Literal["frozen"] = "frozen"
    adapter: Annotated[str, Unhashed()]
    """The run that trained it (fingerprint, its beginning, or name), or an adapter folder."""
    shuffled: Annotated[int | None, Added()] = Field(None, ge=0)
    """A seed by which its blocks change places (`chartune.adapters.shuffled`): a control. None: as it was trained."""


class Trainable(Config):
    """A trained adapter that goes on learning."""

    kind: Literal["trainable"] = "trainable"
    adapter: Annotated[str, Unhashed()]
    """The run that trained it (fingerprint, its beginning, or name), or an adapter folder."""


class Fresh(Config):
    """A new adapter."""

    kind: Literal["fresh"] = "fresh"
    method: AnyMethod = LoRA()
    """How it adapts."""
    active: Annotated[bool, Added()] = True
    """Whether it is in the forward pass. `false`: as in P1's public code, where the downstream adapter never is; it is
    not put in, learns nothing, and is reported as inactive."""


AnyLayer = Annotated[Merged | Frozen | Trainable | Fresh, Field(discriminator="kind")]
MERGED: Final = "merged"
FROZEN: Final = "frozen"
LEARNING: Final = ("trainable", "fresh")
"""States of layers whose weights move."""


def state_of(layer: AnyLayer) -> str:
    """Its kind, or `inactive` of a fresh one that is not in the forward pass."""
    return INACTIVE if isinstance(layer, Fresh) and not layer.active else layer.kind


class Stack(Config):
    """The layers, from the base upwards. None at all: only the head is trained."""

    layers: tuple[AnyLayer, ...] = ()
    """Each merged, frozen, trainable or fresh."""

    @model_validator(mode="after")
    def _what_changes_the_weights_is_lowest(self) -> "Stack":
        if self.trains_all() and len(self.layers) > self.merged + 1:
            raise ValueError("full training must be the only layer of a stack, but for merged ones below it")
        if any(isinstance(layer, Merged) for layer in self.layers[self.merged :]):
            raise ValueError("merged layers must be the lowest of a stack, for they are a part of the base's weights")
        return self

    @property
    def merged(self) -> int:
        """How many of its lowest layers are merged."""
        above = (at for at, layer in enumerate(self.layers) if not isinstance(layer, Merged))
        return next(above, len(self.layers))

    def title(self) -> str:
        """What to call it in a table: `frozen clinical + LoRA r=8`."""
        names = [_title(layer) for layer in self.layers]
        return " + ".join(names) or "head only"

    def trains_body(self) -> bool:
        """Whether gradients must flow through the body at all; else the head alone learns."""
        return any(state_of(layer) in LEARNING for layer in self.layers)

    def trains_all(self) -> bool:
        """Whether every weight of the body moves."""
        return any(isinstance(layer, Fresh) and layer.method.trains_all for layer in self.placed)

    @property
    def placed(self) -> tuple[AnyLayer, ...]:
        """The layers that stand in the body beside its weights, or are all of them."""
        return tuple(layer for layer in self.layers if state_of(layer) not in (MERGED, INACTIVE))

    def methods(self, adapters: Sequence[Adapter | None]) -> tuple[Method, ...]:
        """The method of each layer.

        Args:
            adapters: for each layer its trained adapter, or None for a fresh one.

        Raises:
            AdapterError: a layer that was trained comes without its adapter.
        """
        return tuple(_method(layer, adapter) for layer, adapter in zip(self.layers, adapters, strict=True))


@dataclass
class Attached:
    """A body with its stack in place."""

    module: nn.Module
    """token ids [B, T] → last hidden states [B, T, D], all layers active."""
    stack: Stack
    """What was asked for."""
    methods: tuple[Method, ...]
    """The method of each layer of the stack, in order; none where every weight learns."""
    states: tuple[str, ...]
    """`merged`, `frozen`, `trainable`, `fresh` or `inactive`, in the same order."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by name."""
        return {name: p for name, p in self.module.named_parameters() if p.requires_grad}

    def undecayed(self) -> list[nn.Parameter]:
        """Those that weight decay must leave alone."""
        return [p for _, method, p in self._learning() if not method.decays]

    def rate_ratios(self) -> dict[nn.Parameter, float]:
        """By what the learning rate is multiplied of those that learn."""
        return {p: method.rate_ratio(name) for name, method, p in self._learning()}

    def _learning(self) -> Iterator[tuple[str, Method, nn.Parameter]]:
        for name, parameter in self.trainable().items():
            for index, method in enumerate(self.methods):
                if method.owns(name, _name(index)):
                    yield name, method, parameter

    def regimes(self, steps: int) -> Regimes:
        """What the layers that learn ask of a training of so many steps. Raises AdapterError: those are too few."""
        learning = [(index, method) for index, method, state in self.placed() if state in LEARNING]
        return Regimes({_name(index): method.regime(self.module, _name(index), steps) for index, method in learning})

    def placed(self) -> Iterator[tuple[int, Method, str]]:
        """Number, method and state of each layer that stands in the body beside its weights, the lowest first."""
        for index, (method, state) in enumerate(zip(self.methods, self.states, strict=True)):
            if state not in (MERGED, INACTIVE):
                yield index, method, state

    def tensors(self, index: int) -> dict[str, Tensor]:
        """The weights of one layer that is placed, by the names in its file."""
        return self.methods[index].state(self.module, _name(index))

    def parameters(self, index: int) -> list[nn.Parameter]:
        """Those of one layer that is placed."""
        return [p for name, p in self.module.named_parameters() if self.methods[index].owns(name, _name(index))]

    def without(self, index: int) -> AbstractContextManager[None] | None:
        """Meanwhile a layer that is placed is not in the forward pass; None: it cannot be taken out."""
        return self.methods[index].switched_off(self.module, _name(index))

    def merge(self) -> None:
        """Make every layer a part of the body's weights, the lowest first; the body is then one of transformers.

        Raises:
            AdapterError: a layer cannot be merged; the message says why. Nothing was changed.
        """
        must_merge([method for _, method, _ in self.placed()])
        for index, method, _ in self.placed():
            method.merge(self.module, _name(index))
        self.methods = self.states = ()

    def counts(self, block: nn.Module | None = None) -> list[tuple[str, int, int]]:
        """Of each layer what to call it, its parameters, and how many of them learn; in a block of the body alone."""
        counted, parameters = [], list((block or self.module).named_parameters())
        for index, (method, state) in enumerate(zip(self.methods, self.states, strict=True)):
            count = sum(p.numel() for name, p in parameters if method.owns(name, _name(index)))
            title = method.title() if state == "fresh" else f"{state} {method.title()}"
            counted.append((title, count, count if state in LEARNING else 0))
        return counted

    def learns(self, parameter: str) -> bool:
        """Whether a parameter must learn, by its name."""
        return any(state in LEARNING and method.owns(parameter, _name(i)) for i, method, state in self.placed())

    def must_hold(self) -> None:
        """Assert which layers are active and which learn.

        Raises:
            AdapterError: a layer is not in the forward pass, or learns although it is frozen, or the other way round.
        """
        if not self.methods:
            return
        for index, method, _ in self.placed():
            if not method.is_active(self.module, _name(index)):
                raise AdapterError(
                    f"all {len(self.methods)} layers of the stack must be in the forward pass, but {_name(index)} "
                    f"({method.title()}) is not."
                )
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad != self.learns(name):
                raise AdapterError(
                    f"{name} must have requires_grad={self.learns(name)}, but it has not; peft has switched it."
                )


def attach(
    stack: Stack, body: nn.Module, adapters: Sequence[Adapter | None], seed: int, tokenise: Tokenise | None = None
) -> Attached:
    """Put a stack on a body, in place.

    Args:
        stack: what to attach.
        body: the headless model, with the stack's merged layers in its weights (`chartune.adapters.fusion`); these stay
            frozen unless the stack trains all.
        adapters: for each layer the trained adapter, or None for a fresh one.
        seed: fresh weights are drawn from it, the same ones whatever lies below them.
        tokenise: gives the ids of a text's tokens; None where no fresh layer starts at a text.

    Raises:
        AdapterError: a layer adapts what the body does not have, does not go with those below it, its trained
            weights do not fit, or the text at which it starts has no tokens.
    """
    attached = lay(stack, body, adapters, seed)
    for index, method, _ in attached.placed():
        if (adapter := adapters[index]) is not None:
            fill(body, method, _name(index), adapter, weights_of(stack.layers[index], adapter))
        else:
            method.begin(body, _name(index), first_ids(method, tokenise))
    return attached


def lay(stack: Stack, body: nn.Module, adapters: Sequence[Adapter | None], seed: int) -> Attached:
    """As `attach`, without the numbers of trained layers; on the meta device, too."""
    if not stack.layers or stack.trains_all():
        body.requires_grad_(stack.trains_all())
        return Attached(body, stack, (), ())
    methods, states = stack.methods(adapters), tuple(map(state_of, stack.layers))
    anatomy = anatomy_of(body).within(body)  # a plan has not all blocks
    for method, adapter in zip(methods, adapters, strict=True):
        whose = f"{adapter.folder}, an adapter of {adapter.base}," if adapter else "a fresh layer"
        method.must_suit(body, anatomy, whose)
    attached = Attached(body, stack, methods, states)
    placed = [method for _, method, _ in attached.placed()]
    for index, method in enumerate(placed):
        must_compose(method, placed[:index])
    with torch.random.fork_rng():
        for index, method, state in attached.placed():
            # Only fresh layers below count: with and without a clinical adapter, the task's own starts alike.
            torch.manual_seed(seed + states[:index].count("fresh"))
            (method.still() if state == FROZEN else method).attach(body, anatomy, _name(index))
    for name, parameter in body.named_parameters():
        parameter.requires_grad_(attached.learns(name))
    attached.must_hold()
    return attached


def _title(layer: AnyLayer) -> str:
    if not isinstance(layer, Fresh):
        moved = isinstance(layer, Frozen) and layer.shuffled is not None
        return f"{layer.kind} clinical{' shuffled' if moved else ''}"
    return layer.method.title() if layer.active else f"inactive {layer.method.title()}"


def _method(layer: AnyLayer, adapter: Adapter | None) -> Method:
    method = layer.method if isinstance(layer, Fresh) else adapter.method if adapter else None
    if method is None:
        raise AdapterError(f"a {layer.kind} layer must come with its trained adapter, but there is none.")
    return method


def _name(index: int) -> str:
    return f"layer{index}"
