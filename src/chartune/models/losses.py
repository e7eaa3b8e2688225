"""Losses: what a head minimises, by the name that an answer gives it. A new one is a function and a line."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits [B, L] in fp32 and labels → a loss per text, [B]."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Of one class per text. labels: class numbers [B]."""
    return functional.cross_entropy(logits, labels.long(), reduction="none")


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Of many labels per text, their mean. labels: which apply, [B, L] of 0 and 1."""
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(dim=1)


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


def weighted_loss(loss: str, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Σ wᵢ·lossᵢ in fp32.

    Args:
        loss: its name.
        logits: [B, L].
        labels: as the loss takes them.
        weights: [B].
    """
    return (LOSSES[loss](logits.float(), labels) * weights).sum()
