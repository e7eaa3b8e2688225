"""Annotated corpora that can be read: one line per member."""

from typing import Annotated, TypeAlias

from pydantic import Field

from chartune.sources.annotated.brat_folder import BratFolder
from chartune.sources.annotated.conll import Conll
from chartune.sources.annotated.detect import detect_annotated
from chartune.sources.annotated.i2b2_2010 import I2b2Relations2010
from chartune.sources.annotated.i2b2_2012 import I2b2Temporal2012
from chartune.sources.annotated.i2b2_2014 import I2b2Deid2014
from chartune.sources.annotated.mednli import MedNli
from chartune.sources.annotated.n2c2_2018 import N2c2Drugs2018
from chartune.sources.annotated.pair_tables import PairTables
from chartune.sources.annotated.pubmedqa import PubMedQa

__all__ = ["AnyAnnotated", "detect_annotated"]

AnyAnnotated: TypeAlias = Annotated[
    I2b2Relations2010
    | I2b2Temporal2012
    | I2b2Deid2014
    | N2c2Drugs2018
    | MedNli
    | PubMedQa
    | PairTables
    | Conll
    | BratFolder,
    Field(discriminator="kind"),
]
