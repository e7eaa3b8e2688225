"""Invariants: what must hold of the layers of a stack while they are trained, checked at every evaluation.

initial weights ─SHA-256─▶ step ─▶ a gradient? ─▶ evaluation ─▶ frozen: the same bits · learning: reached, or moved
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import nn

from chartune.adapters.stack import FROZEN, LEARNING, Attached
from chartune.errors import RunError
from chartune.log import EventLog
from chartune.train.soundness import must_get_gradients

ENOUGH: Final = 2
"""Optimizer steps after which a layer must have moved: the rate of the first one may be 0."""


@dataclass(frozen=True)
class Probe:
    """What is measured of layers while they are trained."""

    every: int
    """Optimizer steps, a multiple of those between two evaluations."""
    measure: Callable[[], Mapping[str, float]]
    """Numbers for the event log, by name."""


@dataclass
class Invariants:
    """Of one attempt at a training; made before weights of an earlier attempt are put back."""

    attached: Attached | None = None
    """None: there is no stack."""
    probe: Probe | None = None
    reached: set[int] = field(default_factory=set)
    """Numbers of the layers that have had a gradient."""
    moved: set[int] = field(default_factory=set)
    """Numbers of the layers that are no longer as they were at the start."""
    steps: int = 0
    """Of this attempt."""

    def __post_init__(self) -> None:
        placed = [(index, state) for index, _, state in self.attached.placed()] if self.attached else []
        self.frozen, self.learning = (
            {index for index, state in placed if state in states} for states in ((FROZEN,), LEARNING)
        )
        self.start = {index: self._digest(index) for index, _ in placed}

    def stepping(self, model: nn.Module, step: int) -> None:
        """Look at the gradients before an optimizer step. Raises RunError: in the first one there is none at all."""
        if step == 0:
            must_get_gradients(model)
        self.steps += 1
        self.reached |= {index for index in self.learning - self.reached if self._has_gradient(index)}

    def evaluated(self, step: int, events: EventLog, tokens: int) -> None:
        """Check all layers after so many steps, and record what the probe measures where it is due.

        Raises:
            RunError: a frozen layer has changed, or one that learns has neither had a gradient nor moved.
        """
        for index in self.frozen:
            if self._digest(index) != self.start[index]:
                raise RunError(
                    f"a frozen layer must stay bit-equal while others learn, but {self._called(index)} has changed by "
                    f"step {step}; a defect of chartune, please report it."
                )
        self.moved |= {index for index in self.learning - self.moved if self._digest(index) != self.start[index]}
        still = sorted(self.learning - self.moved - self.reached)
        if still and step >= ENOUGH and self.steps:
            raise RunError(
                f"a layer that learns must get a gradient, but after {step} steps {self._called(still[0])} has had "
                f"none and is as it was: it is not in the forward pass. Take another method or base model; what is to "
                f"stay out of it is written so (`active: false`)."
            )
        if self.probe and step % self.probe.every == 0:
            for name, value in self.probe.measure().items():
                events.record(step, name, value, split="train", tokens=tokens)

    def _of(self) -> Attached:
        if self.attached is None:
            raise AssertionError("a layer belongs to a stack")
        return self.attached

    def _called(self, index: int) -> str:
        return f"layer {index + 1} of the stack ({self._of().methods[index].title()})"

    def _has_gradient(self, index: int) -> bool:
        return any(p.grad is not None and bool(p.grad.any()) for p in self._of().parameters(index))

    def _digest(self, index: int) -> str:
        """SHA-256 of the numbers of a layer."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self._of().tensors(index).items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()
