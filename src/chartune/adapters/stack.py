"""Stack: ordered layers of adapters on one body, each frozen, trainable or fresh; their updates are summed.

    hidden ─▶ W·x + (α₀/r₀)·B₀A₀·x  +  (α₁/r₁)·B₁A₁·x ─▶      layer 0: the clinical adapter, layer 1: downstream

peft wraps the headless body and knows nothing of tasks. Which layers are in the forward pass and which get gradients
is an invariant here, asserted after attaching and again after training, because
peft's own switches turn frozen adapters back on.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from pydantic import Field, model_validator
from torch import Tensor, nn

from chartune.adapters.adapter import Adapter
from chartune.adapters.catalog import AnyMethod
from chartune.adapters.fit import must_equal, must_target
from chartune.adapters.full import Full
from chartune.adapters.lora import LoRA
from chartune.config import Config, Unhashed
from chartune.errors import AdapterError
from chartune.models.families import Family


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
    """A new adapter, starting as the identity."""

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
        if len(self.layers) > 1 and any(
            isinstance(layer, Fresh) and isinstance(layer.method, Full) for layer in self.layers
        ):
            raise ValueError("full training must be the only layer of a stack")
        return self

    def title(self) -> str:
        """What to call it in a table: `frozen clinical + LoRA r=8`."""
        names = [
            layer.method.title() if isinstance(layer, Fresh) else f"{layer.kind} clinical" for layer in self.layers
        ]
        return " + ".join(names) or "head only"

    def trains_all(self) -> bool:
        """Whether every weight of the body moves."""
        return any(isinstance(layer, Fresh) and isinstance(layer.method, Full) for layer in self.layers)

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
    methods: tuple[LoRA, ...]
    """The method of each peft layer, in order."""
    states: tuple[str, ...]
    """`frozen`, `trainable` or `fresh`, in the same order."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by name."""
        return {name: p for name, p in self.module.named_parameters() if p.requires_grad}

    def tensors(self, index: int) -> dict[str, Tensor]:
        """The weights of one peft layer, by stock peft's names."""
        return get_peft_model_state_dict(self.module, adapter_name=_name(index), save_embedding_layers=False)  # type: ignore[no-any-return]

    def keep_promises(self) -> None:
        """Assert which layers are active and which learn.

        Raises:
            AdapterError: a layer is not in the forward pass, or learns although it is frozen, or the other way round.
        """
        if not self.methods:
            return
        active: list[str] = list(self.module.base_model.active_adapters)  # type: ignore[union-attr, arg-type]
        if active != [_name(i) for i in range(len(self.methods))]:
            raise AdapterError(
                f"all {len(self.methods)} layers of the stack must be in the forward pass, but {active} are."
            )
        for name, parameter in self.module.named_parameters():
            expected = any(f".{_name(i)}." in name and state != "frozen" for i, state in enumerate(self.states))
            if parameter.requires_grad != expected:
                raise AdapterError(f"{name} must have requires_grad={expected}, but it has not; peft has switched it.")


def attach(stack: Stack, body: nn.Module, family: Family, adapters: Sequence[Adapter | None], seed: int) -> Attached:
    """Put a stack on a body, in place.

    Args:
        stack: what to attach.
        body: the headless model; its own weights stay frozen unless the stack trains all.
        family: the body's family.
        adapters: for each layer the trained adapter, or None for a fresh one.
        seed: fresh weights are drawn from it, the same ones whatever lies below them.

    Raises:
        AdapterError: a layer targets what the body does not have, or a trained layer's weights do not fit it.
    """
    if not stack.layers or stack.trains_all():
        body.requires_grad_(stack.trains_all())
        return Attached(body, stack, (), ())
    methods = tuple(_method(layer, adapter) for layer, adapter in zip(stack.layers, adapters, strict=True))
    states = tuple(layer.kind for layer in stack.layers)
    for method, adapter in zip(methods, adapters, strict=True):
        whose = f"{adapter.folder}, an adapter of {adapter.base}," if adapter else "a fresh layer"
        must_target(method, whose, body, family)
    with torch.random.fork_rng():
        model = _wrap(body, [_peft(m, s, family) for m, s in zip(methods, states, strict=True)], states, seed)
    for index, adapter in enumerate(adapters):
        if adapter is not None:
            _fill(model, _name(index), adapter)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(f".{_name(i)}." in name and s != "frozen" for i, s in enumerate(states)))
    attached = Attached(model, stack, methods, states)
    attached.keep_promises()
    return attached


def _wrap(body: nn.Module, configs: list[LoraConfig], states: Sequence[str], seed: int) -> PeftModel:
    with warnings.catch_warnings():
        # peft 0.21 still asks transformers 5.23 by a deprecated name; nothing that a user could mend.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        torch.manual_seed(seed)
        model = get_peft_model(body, configs[0], adapter_name=_name(0))
        for index, config in enumerate(configs[1:], start=1):
            # Only fresh layers below count: with and without a clinical adapter, the task's own starts alike.
            torch.manual_seed(seed + states[:index].count("fresh"))
            model.add_adapter(_name(index), config)
    model.base_model.set_adapter([_name(index) for index in range(len(configs))])
    return model


def _fill(model: PeftModel, name: str, adapter: Adapter) -> None:
    tensors = adapter.tensors()
    expected = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    needed, held = ({key: tuple(tensor.shape) for key, tensor in side.items()} for side in (expected, tensors))
    must_equal(needed, held, f"{adapter.folder}, an adapter of {adapter.base},")
    set_peft_model_state_dict(model, tensors, adapter_name=name)


def _method(layer: AnyLayer, adapter: Adapter | None) -> LoRA:
    method = layer.method if isinstance(layer, Fresh) else adapter.method if adapter else None
    if not isinstance(method, LoRA):
        raise AdapterError(f"a {layer.kind} layer must come with its trained LoRA adapter, but there is none.")
    return method


def _peft(method: LoRA, state: str, family: Family) -> LoraConfig:
    """A frozen layer runs without dropout: it is a fixed function."""
    config = method.to_peft(family)
    if state == "frozen":
        config.lora_dropout = 0.0
    return config


def _name(index: int) -> str:
    return f"layer{index}"
