"""What can be read, how patients can be split, whose labels can be asked, and what a path holds: a line per member."""

from typing import Annotated, TypeAlias

from pydantic import Field

from chartune.sources.detect import detect
from chartune.sources.external_labels import TableLabels
from chartune.sources.meds_labels import MedsLabels
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.pickled_labels import PickledLabels
from chartune.sources.splits import HashSplit, ImportedSplit, KFoldSplit, TemporalSplit
from chartune.sources.survey import fictional, survey, without_chart
from chartune.sources.tabular import Tabular

__all__ = ["AnyLabels", "AnySource", "AnySplit", "detect", "fictional", "survey", "without_chart"]

AnySource: TypeAlias = Annotated[Mimic3 | Mimic4 | Tabular, Field(discriminator="kind")]
AnySplit: TypeAlias = Annotated[HashSplit | ImportedSplit | KFoldSplit | TemporalSplit, Field(discriminator="kind")]
AnyLabels: TypeAlias = Annotated[TableLabels | PickledLabels | MedsLabels, Field(discriminator="kind")]
