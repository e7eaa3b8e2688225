"""What can be asked of an annotated corpus: one line per task; and what is asked when nobody says."""

from typing import Annotated, Final, TypeAlias, get_args

import polars as pl
from pydantic import Field

from chartune.tasks.annotated.assertions import Assertions
from chartune.tasks.annotated.concepts import Concepts, Deidentification, Entities
from chartune.tasks.annotated.inference import Inference, Pairs
from chartune.tasks.annotated.relations import Relations

Member: TypeAlias = Concepts | Entities | Deidentification | Relations | Assertions | Inference | Pairs
AnyAnnotatedTask: TypeAlias = Annotated[Member, Field(discriminator="kind")]

USUAL: Final[dict[str, tuple[Member, ...]]] = {
    "i2b2_2010": (Concepts(), Relations(), Assertions()),
    "i2b2_2012": (Concepts(),),
    "i2b2_2014": (Deidentification(),),
    "n2c2_2018": (Concepts(), Relations()),
    "mednli": (Inference(),),
    "pubmedqa": (Pairs(),),
    "pairs": (Pairs(),),
    "conll": (Entities(),),
    "brat": (Entities(), Relations()),
}
"""Kind of corpus → all the tasks that it can answer."""


def read_beside(examples: pl.DataFrame) -> tuple[str, ...]:
    """What of these examples must be read beside their text (`AnnotatedTask.beside`); empty: the text is all."""
    columns = {column for task in get_args(Member) for column in task.beside}
    return tuple(name for name in examples.columns if name in columns and examples[name].count())
