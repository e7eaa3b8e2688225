"""Stack: ordered layers of adapters on one body, each frozen, trainable or fresh.

    hidden ─▶ W·x + (α₀/r₀)·B₀A₀·x  +  (α₁/r₁)·B₁A₁·x ─▶      layer 0: the clinical adapter, layer 1: downstream

Layers are put into the headless body itself, each by its own method, and know nothing of tasks. Which of them are in
the forward pass and which get gradients is an invariant here, asserted after attaching and again after training,
because peft's own switches turn frozen adapters back on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from chartune.adapters.adapter import Adapter
from chartune.adapters.fit import must_equal
from chartune.adapters.lora import LoRA
from chartune.adapters.method import AnyMethod, Method
from chartune.adapters.regime import Regimes
from chartune.config import Config, Unhashed
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of

Tokenise = Callable[[str], Sequence[int]]
"""A text → the ids of its tokens, without special ones."""


class Frozen(Config):
    """A trained adapter that stays as it is, without dropout."""

    kind: Literal["frozen"] = "frozen"
    adapter: Annotated[str, Unhashed()]
    """The run that trained it (fingerprint, its beginning, or name), or an adapter folder."""


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


AnyLayer = Annotated[Frozen | Trainable | Fresh, Field(discriminator="kind")]


class Stack(Config):
    """The layers, from the base upwards. None at all: only the head is trained."""

    layers: tuple[AnyLayer, ...] = ()
    """Each frozen, trainable or fresh."""

    @model_validator(mode="after")
    def _full_stands_alone(self) -> "Stack":
        if len(self.layers) > 1 and self.trains_all():
            raise ValueError("full training must be the only layer of a stack")
        return self

    def title(self) -> str:
        """What to call it in a table: `frozen clinical + LoRA r=8`."""
        names = [
            layer.method.title() if isinstance(layer, Fresh) else f"{layer.kind} clinical" for layer in self.layers
        ]
        return " + ".join(names) or "head only"

    def learns(self) -> bool:
        """Whether anything of the body learns; else the head alone does."""
        return any(layer.kind != "frozen" for layer in self.layers)

    def trains_all(self) -> bool:
        """Whether every weight of the body moves."""
        return any(isinstance(layer, Fresh) and layer.method.trains_all for layer in self.layers)

    def methods(self, adapters: Sequence[Adapter | None]) -> tuple[Method, ...]:
        """The method of each layer.

        Args:
            adapters: for each layer its trained adapter, or None for a fresh one.

        Raises:
            AdapterError: a layer that was trained comes without its adapter.
        """
        return tuple(_method(layer, adapter) for layer, adapter in zip(self.layers, adapters, strict=True))

    def trains_body(self) -> bool:
        """Whether gradients must flow through the body at all."""
        return any(not isinstance(layer, Frozen) for layer in self.layers)


@dataclass
class Attached:
    """A body with its stack in place."""

    module: nn.Module
    """token ids [B, T] → last hidden states [B, T, D], all layers active."""
    stack: Stack
    """What was asked for."""
    methods: tuple[Method, ...]
    """The method of each layer that was put in, in order; none where every weight learns."""
    states: tuple[str, ...]
    """`frozen`, `trainable` or `fresh`, in the same order."""

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
        learning = [(index, method) for index, method in enumerate(self.methods) if self.states[index] != "frozen"]
        return Regimes({_name(index): method.regime(self.module, _name(index), steps) for index, method in learning})

    def tensors(self, index: int) -> dict[str, Tensor]:
        """The weights of one layer, by the names in its file."""
        return self.methods[index].state(self.module, _name(index))

    def merge(self) -> None:
        """Make every layer a part of the body's weights, the lowest first; the body is then one of transformers.

        Raises:
            AdapterError: a layer cannot be merged; the message says why. Nothing was changed.
        """
        must_merge(self.methods)
        for index, method in enumerate(self.methods):
            method.merge(self.module, _name(index))
        self.methods = self.states = ()

    def counts(self, block: nn.Module | None = None) -> list[tuple[str, int, int]]:
        """Of each layer what to call it, its parameters, and how many of them learn; in a block of the body alone."""
        counted, parameters = [], list((block or self.module).named_parameters())
        for index, (method, state) in enumerate(zip(self.methods, self.states, strict=True)):
            count = sum(p.numel() for name, p in parameters if method.owns(name, _name(index)))
            title = method.title() if state == "fresh" else f"{state} {method.title()}"
            counted.append((title, count, 0 if state == "frozen" else count))
        return counted

    def learns(self, parameter: str) -> bool:
        """Whether a parameter must learn, by its name."""
        layers = zip(self.methods, self.states, strict=True)
        return any(state != "frozen" and m.owns(parameter, _name(i)) for i, (m, state) in enumerate(layers))

    def keep_promises(self) -> None:
        """Assert which layers are active and which learn.

        Raises:
            AdapterError: a layer is not in the forward pass, or learns although it is frozen, or the other way round.
        """
        if not self.methods:
            return
        for index, method in enumerate(self.methods):
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
        body: the headless model; its own weights stay frozen unless the stack trains all.
        adapters: for each layer the trained adapter, or None for a fresh one.
        seed: fresh weights are drawn from it, the same ones whatever lies below them.
        tokenise: gives the ids of a text's tokens; None where no fresh layer starts at a text.

    Raises:
        AdapterError: a layer adapts what the body does not have, does not go with those below it, its trained
            weights do not fit, or the text at which it starts has no tokens.
    """
    attached = lay(stack, body, adapters, seed)
    for index, (method, adapter) in enumerate(zip(attached.methods, adapters, strict=False)):
        if adapter is not None:
            _fill(body, method, _name(index), adapter)
        else:
            method.begin(body, _name(index), _ids(method, tokenise) if method.start_text else ())
    return attached


def lay(stack: Stack, body: nn.Module, adapters: Sequence[Adapter | None], seed: int) -> Attached:
    """As `attach`, without the numbers of trained layers; on the meta device, too."""
    if not stack.layers or stack.trains_all():
        body.requires_grad_(stack.trains_all())
        return Attached(body, stack, (), ())
    methods, states = stack.methods(adapters), tuple(layer.kind for layer in stack.layers)
    anatomy = anatomy_of(body).within(body)  # a plan has not all blocks
    for index, (method, adapter) in enumerate(zip(methods, adapters, strict=True)):
        whose = f"{adapter.folder}, an adapter of {adapter.base}," if adapter else "a fresh layer"
        method.must_suit(body, anatomy, whose)
        _must_compose(method, methods[:index])
    with torch.random.fork_rng():
        for index, (method, state) in enumerate(zip(methods, states, strict=True)):
            # Only fresh layers below count: with and without a clinical adapter, the task's own starts alike.
            torch.manual_seed(seed + states[:index].count("fresh"))
            (method.still() if state == "frozen" else method).attach(body, anatomy, _name(index))
    attached = Attached(body, stack, methods, states)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_(attached.learns(name))
    attached.keep_promises()
    return attached


def must_merge(methods: Sequence[Method]) -> None:
    """Refuse layers that cannot become a part of the body's weights. Raises AdapterError: one cannot, and why."""
    for method in methods:
        if method.unmergeable:
            raise AdapterError(
                f"a layer that is merged must be a change of the base's weights, but {method.title()} is none: "
                f"{method.unmergeable}; keep it as an adapter (leave --merged out)."
            )


def _must_compose(method: Method, below: Sequence[Method]) -> None:
    for other in below:
        if why := method.composes_with(other):
            raise AdapterError(f"{method.title()} cannot stand above {other.title()} in a stack: {why}.")


def _ids(method: Method, tokenise: Tokenise | None) -> Sequence[int]:
    """The tokens at which a layer starts."""
    if tokenise is None:
        raise AssertionError("a layer that starts at a text needs a tokenizer")
    ids = tokenise(method.start_text)
    if not ids:
        raise AdapterError(
            f"the text at which a {method.title()} starts must have tokens, but {ascii(method.start_text)[:60]} has "
            f"none; give another one, or `start: vocabulary`."
        )
    return ids


def _fill(body: nn.Module, method: Method, name: str, adapter: Adapter) -> None:
    tensors = adapter.tensors()
    expected = method.state(body, name)
    needed, held = ({key: tuple(tensor.shape) for key, tensor in side.items()} for side in (expected, tensors))
    must_equal(needed, held, f"{adapter.folder}, an adapter of {adapter.base},")
    method.restore(body, name, tensors)


def _method(layer: AnyLayer, adapter: Adapter | None) -> Method:
    method = layer.method if isinstance(layer, Fresh) else adapter.method if adapter else None
    if method is None:
        raise AdapterError(f"a {layer.kind} layer must come with its trained adapter, but there is none.")
    return method


def _name(index: int) -> str:
    return f"layer{index}"
