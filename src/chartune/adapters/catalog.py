"""The methods, one line each."""

from typing import Annotated

from pydantic import Field

from chartune.adapters.full import Full
from chartune.adapters.lora import LoRA

AnyMethod = Annotated[LoRA | Full, Field(discriminator="kind")]

methods = (LoRA, Full)
