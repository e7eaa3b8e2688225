"""What can be asked: one line per task, and what is asked of a source when nobody says."""

from typing import Annotated, TypeAlias

from pydantic import Field

from chartune.tasks.diagnoses import Diagnoses
from chartune.tasks.labelled import Labelled
from chartune.tasks.mortality import Mortality

AnyTask: TypeAlias = Annotated[Mortality | Diagnoses | Labelled, Field(discriminator="kind")]


def usual_tasks(source_kind: str) -> tuple[Mortality | Diagnoses | Labelled, ...]:
    """The tasks that a source can answer."""
    match source_kind:
        case "tabular":
            return (Labelled(),)
        case "mimic4":
            return (Mortality(), Diagnoses(icd_version=9), Diagnoses(icd_version=10))
        case _:
            return (Mortality(), Diagnoses(icd_version=9))
