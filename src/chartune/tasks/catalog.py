"""What can be asked: one line per task; and what is asked of a source, and learnt from it, when nobody says."""

from typing import Annotated, TypeAlias

from pydantic import Field

from chartune.notes.note import PLAIN
from chartune.tasks.corpus import Corpus
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


def usual_corpus(source_kind: str) -> Corpus:
    """What a language model is adapted on."""
    return Corpus(categories=(PLAIN,)) if source_kind == "tabular" else Corpus()
