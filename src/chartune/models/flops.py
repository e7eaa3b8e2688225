"""Floating-point operations by formula: of matrix products, a multiplication with its addition counting as two.

    forward    2·(M + A) + 4·T·W                of each token
    backward   2·(M + A) + 8·T·W + 2·L          gradients of what goes in, of attention, of what learns

M: weights of the matrices of all blocks; A: of the layers beside them; L: those of both that learn; W: sum over the
blocks of heads·d_head; T: tokens of the text. A counter of operations would do, but PyTorch's takes fused attention on
a processor for nothing, and needs a batch. Left out: norms and other element-wise work, embeddings, the head. Attention
is counted in full, also where a causal mask or a window leaves parts of it out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from chartune.models.anatomy import anatomy_of, matrix_shape


@dataclass(frozen=True)
class Sizes:
    """What the formula needs of a body with its layers."""

    matrices: int
    """M."""
    beside: int
    """A."""
    learning: int
    """L."""
    attention: int
    """W."""
    added_tokens: int = 0
    """Virtual tokens that stand before those of a text."""

    def forward(self, length: float) -> float:
        """Operations of one text of so many tokens that is read."""
        tokens = length + self.added_tokens
        return tokens * (2 * (self.matrices + self.beside) + 4 * tokens * self.attention)

    def training(self, length: float) -> float:
        """Operations of one text of so many tokens that is learnt from: forward and backward."""
        tokens = length + self.added_tokens
        back = 2 * (self.matrices + self.beside) + 8 * tokens * self.attention + 2 * self.learning
        return self.forward(length) + tokens * back


def sizes_of(body: nn.Module, beside: int, learning: int, added_tokens: int = 0) -> Sizes:
    """The sizes of a body.

    Args:
        body: with or without layers.
        beside: weights of its layers.
        learning: those of them that learn, or of the body's own matrices where every weight does: then below 0.
        added_tokens: virtual tokens before a text.
    """
    anatomy = anatomy_of(body).within(body)
    shapes = [matrix_shape(body.get_submodule(name)) for name in anatomy.matrices]
    matrices = sum(d_out * d_in for d_out, d_in in shapes)
    width = sum(matrix_shape(body.get_submodule(name))[1] for name in anatomy.attention_outputs)
    return Sizes(matrices, beside, matrices if learning < 0 else learning, width, added_tokens)


def of_training(sizes: Sizes, lengths: NDArray[np.int64], tokens: float) -> float:
    """Operations of a training that has seen so many tokens of texts of these lengths, each as often as the others.

    Args:
        sizes: of the model.
        lengths: tokens of each training text, [n].
        tokens: seen in all, padding excluded.
    """
    once = sum(sizes.training(length) * int(count) for length, count in zip(*_counted(lengths), strict=True))
    return once * tokens / max(1, int(lengths.sum()))


def of_reading(sizes: Sizes, lengths: NDArray[np.int64]) -> float:
    """Operations of reading texts of these lengths once, [n]."""
    return sum(sizes.forward(length) * int(count) for length, count in zip(*_counted(lengths), strict=True))


def _counted(lengths: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    values, counts = np.unique(lengths, return_counts=True)
    return values.tolist(), counts.tolist()
