"""Bases: whether a base model may have read the texts that it is to be asked about."""

from dataclasses import dataclass
from typing import Final

from chartune.models.exposure import Exposure

MEASURED: Final = "measured"


@dataclass(frozen=True)
class Base:
    """A base model that was asked for."""

    name: str
    exposure: Exposure
    contaminated: bool | None
    """Whether it may have read held-out texts of this source; None: not known."""
    tokens: str
    """`measured`, or why not."""
