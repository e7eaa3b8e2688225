"""Procedures: which categories of ICD procedure codes will be billed? Asked on arrival (CORe; P1's PROC)."""

from typing import Literal, Self

from pydantic import model_validator

from chartune.sources.source import Records
from chartune.tasks.code_groups import Billing, procedure_group
from chartune.tasks.coded import Coded


class Procedures(Coded):
    """Billed procedures by category (ICD-10: PCS); as numbers, over the whole table of MIMIC-III 711 of them."""

    kind: Literal["procedures"] = "procedures"
    codes: Literal["text", "numbers"] = "text"
    """`numbers`: codes lose their leading zeros, so that 03.31 falls together with 33.1, as in the published labels."""

    @model_validator(mode="after")
    def _only_codes_of_icd_9_are_numbers(self) -> Self:
        if self.codes == "numbers" and self.icd_version == 10:
            raise ValueError("codes of ICD-10 must be read as text, because only some of them are digits; leave it out")
        return self

    @property
    def noun(self) -> str:
        """`procedures`."""
        return self.kind

    def billing(self, records: Records) -> Billing:
        """Procedures, grouped as in CORe."""
        group = procedure_group(self.codes)
        return Billing(records.procedures, records.procedure_titles, self.icd_version, group)
