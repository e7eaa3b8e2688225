"""Full training: every weight of the body moves. The reference for adapters, and for pretraining from scratch."""

from typing import ClassVar, Literal

from torch import nn

from chartune.adapters.method import Method
from chartune.models.anatomy import Anatomy


class Full(Method):
    """All parameters are trained; nothing is added to the model."""

    kind: Literal["full"] = "full"
    trains_all: ClassVar[bool] = True
    unmergeable: ClassVar[str] = ""

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Nothing is added."""

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """None: the model is kept whole, not an adapter."""
        return {}

    def count(self, body: nn.Module, anatomy: Anatomy) -> int:
        """All parameters of the body."""
        return sum(p.numel() for p in body.parameters())

    def owns(self, parameter: str, name: str) -> bool:
        """All of them."""
        return True

    def title(self) -> str:
        """`full`."""
        return "full"
