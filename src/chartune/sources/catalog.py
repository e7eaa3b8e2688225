"""What can be read, how patients can be split, and what a folder holds: one line per member.

A union takes over from an alias when it gets its second member: `Annotated[A | B, Field(discriminator="kind")]`.
"""

from typing import Annotated, TypeAlias

from pydantic import Field

from chartune.sources.mimic3 import Mimic3
from chartune.sources.splits import HashSplit, ImportedSplit
from chartune.sources.survey import survey

__all__ = ["AnySource", "AnySplit", "survey"]

AnySource: TypeAlias = Mimic3
AnySplit: TypeAlias = Annotated[HashSplit | ImportedSplit, Field(discriminator="kind")]
