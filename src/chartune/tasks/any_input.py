"""What a task of a chart can read: one line per input."""

from typing import Annotated, TypeAlias

from pydantic import Field

from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.whole_summary import WholeSummary

AnyInput: TypeAlias = Annotated[AdmissionNote | BedsideNotes | WholeSummary, Field(discriminator="kind")]
