"""Method: the numbers of one published way of adapting a model; no weights."""

from abc import ABC, abstractmethod
from typing import Any

from torch import nn

from chartune.config import Config
from chartune.models.families import Family


class Method(Config, ABC):
    """Base of all methods: a value with a `kind`, its peft translation and its parameter count by formula."""

    @abstractmethod
    def to_peft(self, family: Family) -> Any:
        """The peft config for a family, or None when the method needs no peft layers."""

    @abstractmethod
    def count(self, body: nn.Module, family: Family) -> int:
        """Trainable parameters that it adds to `body`, by formula; the head is not counted."""

    @abstractmethod
    def title(self) -> str:
        """What to call it in a table."""
