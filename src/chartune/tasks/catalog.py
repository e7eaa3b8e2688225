"""What can be asked: one line per task.

A union takes over from the alias when it gets its second member: `Annotated[A | B, Field(discriminator="kind")]`.
"""

from typing import TypeAlias

from chartune.tasks.mortality import Mortality

AnyTask: TypeAlias = Mortality
