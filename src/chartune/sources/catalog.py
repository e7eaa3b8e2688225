"""What can be read, how patients can be split, whose labels can be asked, and what a path holds: a line per member."""

from typing import Annotated, TypeAlias

from pydantic import Field, SerializeAsAny

from chartune.kinds import Kinds
from chartune.sources.detect import detect
from chartune.sources.external_labels import TableLabels
from chartune.sources.kinds import SOURCES, source_class
from chartune.sources.meds_labels import MedsLabels
from chartune.sources.pickled_labels import PickledLabels
from chartune.sources.source import Source
from chartune.sources.splits import HashSplit, ImportedSplit, KFoldSplit, TemporalSplit
from chartune.sources.survey import fictional, survey, without_chart

__all__ = ["AnyLabels", "AnySource", "AnySplit", "detect", "fictional", "survey", "without_chart"]

AnySource: TypeAlias = Annotated[SerializeAsAny[Source], Kinds(SOURCES, source_class)]
AnySplit: TypeAlias = Annotated[HashSplit | ImportedSplit | KFoldSplit | TemporalSplit, Field(discriminator="kind")]
AnyLabels: TypeAlias = Annotated[TableLabels | PickledLabels | MedsLabels, Field(discriminator="kind")]
