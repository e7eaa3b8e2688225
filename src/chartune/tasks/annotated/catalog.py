"""What can be asked of an annotated corpus: one line per task; and what is asked when nobody says."""

from typing import Annotated, Final, TypeAlias

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
