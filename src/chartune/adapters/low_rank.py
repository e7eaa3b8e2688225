"""Low rank: what a layer adds to a matrix as the product of two narrow ones, with its scale in the second.

    W·x + up·(down·x)        of several layers: [up₀, up₁]·([down₀; down₁]·x), of the sum of their ranks

The sum of layers of low rank is one of low rank, exactly by algebra; in floating point the order of additions differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LowRank:
    """The change of one matrix [d_out, d_in], in fp32."""

    down: Tensor
    """[r, d_in]."""
    up: Tensor
    """[d_out, r], the scale in it."""

    @property
    def nbytes(self) -> int:
        """Of both factors."""
        return self.down.nbytes + self.up.nbytes

    def undone(self) -> "LowRank":
        """What takes the change back."""
        return LowRank(self.down, -self.up)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "LowRank":
        """The same on a device, rounded to a type; None: in its own."""
        return LowRank(*(each.to(device, dtype or each.dtype) for each in (self.down, self.up)))


def joined(changes: Sequence[Mapping[str, LowRank]]) -> dict[str, LowRank]:
    """Changes of the same body as one of concatenated rank, by the name of the matrix."""
    names = dict.fromkeys(name for change in changes for name in change)
    return {name: _joined([change[name] for change in changes if name in change]) for name in names}


def _joined(parts: Sequence[LowRank]) -> LowRank:
    down = torch.cat([part.down for part in parts])  # [Σr, d_in]
    return LowRank(down, torch.cat([part.up for part in parts], dim=1))  # [d_out, Σr]
