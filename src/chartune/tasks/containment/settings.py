"""Settings: from which share on a text holds another, and what is boilerplate."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from chartune.config import Config

AUDITED: Final = 0.5
"""Share of a held-out text in one training text at which the audit fails, unless it is asked for another."""
BOILERPLATE: Final = 16
"""Held-out patients whose texts may share a run before it is boilerplate and proves nothing."""


class NearCopies(Config):
    """Which training texts hold too much of a held-out one; never more than the audit lets pass."""

    containment: Annotated[float, Field(gt=0, le=AUDITED)] = 0.25
    """Share of a held-out text's runs of eight words from which on a text that is learnt from is left out."""
    boilerplate: Annotated[int, Field(ge=1)] = BOILERPLATE
    """Runs that stand in texts of more held-out patients are boilerplate and do not count."""


def near_copies_kept(data: Mapping[str, Any], copies: str) -> dict[str, Any]:
    """A plain config that keeps whole copies, and therefore near-duplicates.

    Args:
        data: with or without `near_copies`.
        copies: the switch by which copies are kept, and how it must stand for them to be left out.

    Raises:
        ValueError: near-duplicates are to be left out all the same.
    """
    if data.get("near_copies") is not None:
        raise ValueError(
            f"`near_copies` leaves out what holds a part of a held-out text, but whole copies of it are kept; "
            f"set {copies}, or leave `near_copies` out"
        )
    return {**data, "near_copies": None}
