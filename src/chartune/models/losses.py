"""Losses: what a head minimises, by the name that an answer gives it. A new one is a function and a line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits [B, L] in fp32 and labels → a loss per text, [B]."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Of one class per text. labels: class numbers [B]."""
    return functional.cross_entropy(logits, labels.long(), reduction="none")


def binary_cross_entropy(logits: Tensor, labels: Tensor, cells: Tensor | None = None) -> Tensor:
    """Of many labels per text, their mean. labels: which apply, [B, L] of 0 and 1; cells: what each weighs, None: 1."""
    return functional.binary_cross_entropy_with_logits(logits, labels, cells, reduction="none").mean(dim=1)


@dataclass(frozen=True)
class Balance:
    """What a loss makes of rare labels while it is minimised; empty: nothing."""

    shift: tuple[float, ...] = ()
    """What is added to the logits, [L]: the log weight of a class, of a label that of present against absent."""
    present: tuple[float, ...] = ()
    """Of many labels: what one weighs in a text that has it, [L]."""
    absent: tuple[float, ...] = ()
    """And in a text that does not, [L]."""

    def shifted(self, logits: Tensor) -> Tensor:
        """The logits [B, L] that the loss is of."""
        return logits + logits.new_tensor(self.shift) if self.shift else logits

    def cells(self, labels: Tensor) -> Tensor:
        """What each label of each text weighs. labels: [B, L] of 0 and 1."""
        return torch.where(labels > 0, labels.new_tensor(self.present), labels.new_tensor(self.absent))


UNBALANCED: Final = Balance()
CROSS_ENTROPY: Final = "cross-entropy"
LOSSES: Final[dict[str, Loss]] = {CROSS_ENTROPY: cross_entropy, "binary-cross-entropy": binary_cross_entropy}
"""Name → loss."""


def blank_labels(loss: str, texts: int, outputs: int) -> Tensor:
    """Labels as a loss takes them, all 0: [B], or [B, L] where a text may have many.

    Args:
        loss: its name.
        texts: B.
        outputs: L.
    """
    return torch.zeros(texts, dtype=torch.int64) if loss == CROSS_ENTROPY else torch.zeros(texts, outputs)


def weighted_loss(
    loss: str, logits: Tensor, labels: Tensor, weights: Tensor, balance: Balance = UNBALANCED
) -> Tensor:  # fmt: skip
    """Σ wᵢ·lossᵢ in fp32.

    Args:
        loss: its name.
        logits: [B, L].
        labels: as the loss takes them.
        weights: [B].
        balance: of rare labels.
    """
    logits = balance.shifted(logits.float())
    if balance.present:
        return (binary_cross_entropy(logits, labels, balance.cells(labels)) * weights).sum()
    return (LOSSES[loss](logits, labels) * weights).sum()
