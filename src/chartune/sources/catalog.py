"""What can be read, how patients can be split, and what a path holds: one line per member."""

from typing import Annotated, TypeAlias

from pydantic import Field

from chartune.sources.detect import detect
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.splits import HashSplit, ImportedSplit
from chartune.sources.survey import survey
from chartune.sources.tabular import Tabular

__all__ = ["AnySource", "AnySplit", "detect", "survey"]

AnySource: TypeAlias = Annotated[Mimic3 | Mimic4 | Tabular, Field(discriminator="kind")]
AnySplit: TypeAlias = Annotated[HashSplit | ImportedSplit, Field(discriminator="kind")]
