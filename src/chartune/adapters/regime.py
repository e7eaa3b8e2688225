"""Regime: what a layer asks of the training loop beside gradients; nothing, of most methods.

loss + penalty ─▶ backward ─▶ clip ─▶ AdamW ─▶ stepped ─▶ [evaluate: may be the best] ─▶ [memory: checkpoint]
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


class Regime:
    """What one layer asks of the loop; of most methods nothing."""

    def penalty(self) -> Tensor | None:
        """What is added to the mean loss of each step, a number in fp32; None: nothing."""
        return None

    def stepped(self, step: int) -> None:
        """The optimizer has made a step, counted from 0; its gradients are still there."""

    def may_be_best(self, steps: int) -> bool:
        """Whether a model after so many steps is one that the method would leave, so that it may be the best one."""
        return True

    def memory(self) -> dict[str, Tensor]:
        """What must be kept beside weights to go on exactly; by names of its own."""
        return {}

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """Put `memory` back."""


@dataclass
class Regimes(Regime):
    """What all layers that learn ask of the loop, by their names."""

    layers: Mapping[str, Regime] = field(default_factory=dict)

    def penalty(self) -> Tensor | None:
        """The sum of the penalties; None: there are none."""
        every = [penalty for regime in self.layers.values() if (penalty := regime.penalty()) is not None]
        return sum(every[1:], every[0]) if every else None

    def stepped(self, step: int) -> None:
        """Say to every layer that the optimizer has made a step."""
        for regime in self.layers.values():
            regime.stepped(step)

    def may_be_best(self, steps: int) -> bool:
        """Whether every layer allows it."""
        return all(regime.may_be_best(steps) for regime in self.layers.values())

    def memory(self) -> dict[str, Tensor]:
        """What the layers must keep, as `layer/name`."""
        return {f"{name}/{key}": kept for name, regime in self.layers.items() for key, kept in regime.memory().items()}

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """Give back to every layer what it has kept."""
        for name, regime in self.layers.items():
            start = f"{name}/"
            regime.recall({key.removeprefix(start): kept for key, kept in memory.items() if key.startswith(start)})
