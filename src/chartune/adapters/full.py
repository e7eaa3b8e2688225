"""Full training: every weight of the body moves. The yardstick, and the way a base is made from nothing."""

from typing import Literal

from torch import nn

from chartune.adapters.method import Method
from chartune.models.families import Family


class Full(Method):
    """All parameters are trained; nothing is added to the model."""

    kind: Literal["full"] = "full"

    def to_peft(self, family: Family) -> None:
        """None: no peft layers."""

    def count(self, body: nn.Module, family: Family) -> int:
        """All parameters of the body."""
        return sum(p.numel() for p in body.parameters())

    def title(self) -> str:
        """`full`."""
        return "full"
