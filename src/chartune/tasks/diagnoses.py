"""Diagnoses: which categories of ICD codes will be billed? Asked on arrival (van Aken et al., 2021; P1's DIAG)."""

from typing import Literal

from chartune.sources.source import Records
from chartune.tasks.code_groups import Billing, diagnosis_group
from chartune.tasks.coded import Coded


class Diagnoses(Coded):
    """Billed diagnoses by category; over the whole table of MIMIC-III 1,266 of them."""

    kind: Literal["diagnoses"] = "diagnoses"

    @property
    def noun(self) -> str:
        """`diagnoses`."""
        return self.kind

    def billing(self, records: Records) -> Billing:
        """Diagnoses, grouped as in CORe."""
        group = diagnosis_group(self.icd_version)
        return Billing(records.diagnoses, records.diagnosis_titles, self.icd_version, group)
