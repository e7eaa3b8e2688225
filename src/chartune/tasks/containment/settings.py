"""Settings: from which share on a text holds another, and what is a phrase of the house."""

from typing import Annotated, Final

from pydantic import Field

from chartune.config import Config

AUDITED: Final = 0.5
"""Share of a held-out text in one training text at which the audit fails, unless it is asked for another."""
BOILERPLATE: Final = 16
"""Held-out patients whose texts may share a run before it is a phrase of the house and proves nothing."""


class NearCopies(Config):
    """Which training texts hold too much of a held-out one; never more than the audit lets pass."""

    containment: Annotated[float, Field(gt=0, le=AUDITED)] = 0.25
    """Share of a held-out text's runs of eight words from which on a text that is learnt from is left out."""
    boilerplate: Annotated[int, Field(ge=1)] = BOILERPLATE
    """Runs that stand in texts of more held-out patients are phrases of the house and do not count."""
