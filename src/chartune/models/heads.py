"""Our own heads: pooling by mask and a linear layer in fp32, so that no padding scheme can move a logit.

hidden [B, T, D] ─pool(mask)─▶ [B, D] ─(norm)─linear─▶ logits [B, L]
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chartune.config import Config
from chartune.models.families import Family, Pooling

WindowPooling = Literal["mean", "max", "attention"]


class Head(Config):
    """How hidden states become logits."""

    pooling: Literal["auto", "first", "last", "mean"] = "auto"
    """Which tokens represent the text: `first` ([CLS]), `last` (the last unmasked one) or their `mean`. `auto`: `mean`
    for encoders, `last` for decoders, which have read everything only there, unless they read both ways."""
    start: Literal["prior", "probe"] = "prior"
    """Its initial weights: `prior`, at the label frequencies; `probe`, a regression on the frozen body's vectors
    (`chartune.train.probe`), which costs one reading of all training texts."""
    normalise: bool = True
    """Layer-normalise the pooled vector, so that one learning rate fits all base models."""

    def pooling_for(self, family: Family, *, bidirectional: bool = False) -> Pooling:
        """The pooling in force for a family; `bidirectional`: a decoder's tokens see those behind them."""
        if self.pooling == "auto":
            return "last" if family.is_decoder and not bidirectional else "mean"
        return self.pooling

    def build(
        self, hidden_size: int, prior: NDArray[np.float32], seed: int, windows: WindowPooling = "mean"
    ) -> "LinearHead":
        """A head with weights drawn from `seed`, which begins by giving every text the same logits.

        Args:
            hidden_size: D.
            prior: the logits of the label frequencies, [L]: a rare label need not be unlearnt first.
            seed: of the weights.
            windows: how the vectors of a text's rows become one.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            head = LinearHead(hidden_size, len(prior), normalise=self.normalise, windows=windows)
        with torch.no_grad():
            head.linear.bias.copy_(torch.from_numpy(prior))
        return head


class LinearHead(nn.Module):
    """pooled [B, D] → logits [B, L], always in fp32."""

    def __init__(self, hidden_size: int, labels: int, *, normalise: bool, windows: WindowPooling = "mean") -> None:
        super().__init__()
        self.windows = windows
        self.attend = nn.Linear(hidden_size, 1, bias=False) if windows == "attention" else None
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False) if normalise else nn.Identity()
        self.linear = nn.Linear(hidden_size, labels)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)
        if self.attend is not None:
            nn.init.zeros_(self.attend.weight)  # begins as a mean

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled: [B, D]; returns logits [B, L]."""
        with torch.autocast(pooled.device.type, enabled=False):
            logits: Tensor = self.linear(self.norm(pooled.float()))
        return logits

    def over_windows(self, vectors: Tensor, owners: Tensor) -> Tensor:
        """The vector of each text from those of its rows.

        Args:
            vectors: [R, D], in fp32.
            owners: the text of each row, 0 to B - 1, ascending, [R].

        Returns:
            [B, D].
        """
        counts = torch.bincount(owners)  # [B]
        place = torch.arange(len(owners), device=owners.device) - (counts.cumsum(0) - counts)[owners]
        rows = vectors.new_zeros(len(counts), int(counts.max()), vectors.shape[1]).index_put((owners, place), vectors)
        none = torch.arange(rows.shape[1], device=owners.device) >= counts.unsqueeze(1)  # [B, W], W rows at most
        if self.windows == "max":
            return rows.masked_fill(none.unsqueeze(2), -torch.inf).amax(1)
        if self.attend is None:
            return rows.sum(1) / counts.unsqueeze(1)
        with torch.autocast(rows.device.type, enabled=False):
            scores = self.attend(self.norm(rows))[:, :, 0].masked_fill(none, -torch.inf)
        weighed: Tensor = (rows * scores.softmax(1).unsqueeze(2)).sum(1)
        return weighed


def pool(hidden: Tensor, mask: Tensor, how: Pooling) -> Tensor:
    """The vector that represents each text, whatever side the padding is on.

    Args:
        hidden: [B, T, D].
        mask: [B, T], 1 where there is a token; every row has at least one.
        how: `first` or `last` unmasked token, or the `mean` of all.

    Returns:
        [B, D] in fp32.
    """
    hidden = hidden.float()
    if how == "mean":
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1)
    positions = torch.arange(mask.shape[1], device=mask.device) * mask
    chosen = positions.argmax(1) if how == "last" else mask.argmax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), chosen]
