"""ICD-9 triage: to which of seven services does a patient belong, by the primary diagnosis (Taylor et al., 2024, P2)?

    primary diagnosis (SEQ_NUM 1) ─▶ one of 20 codes ─▶ Cardiology, Obstetrics, Respiratory, ...

The published map was read as numbers: septicaemia, 038.9, stands in it as 389, so that none of its 1,043 training
admissions is found. `published` makes that again, `fixed` does not. Published work reads the whole discharge summary,
which often names the diagnosis, and draws its split over admissions; here patients are never in two splits.
"""

from typing import Final, Literal

import polars as pl

from chartune.answers import ONE_OF, ONE_OF_BY_F1, Answer
from chartune.sources.source import Records
from chartune.tasks.any_input import AnyInput
from chartune.tasks.chart_task import MACRO, ClassTask, Question
from chartune.tasks.labels import ASKED, one_each
from chartune.tasks.stays import Stays
from chartune.tasks.whole_summary import WholeSummary

SERVICES: Final = {
    "Cardiology": ("41401", "41071", "4241", "4240", "4280", "41011", "41041"),
    "Acute medicine": ("0389", "5849"),
    "Obstetrics": ("V3001", "V3000", "V3101"),
    "Respiratory": ("51881", "486", "5070"),
    "Neurology": ("431", "430"),
    "Gastroenterology": ("5789", "5770"),
    "Oncology": ("1983",),
}
"""Service → codes of ICD-9, as a notebook of the paper's authors prints them; zeros put back."""
_LOST: Final = ("0389",)
"""Codes that the published map lost with their zero."""


class Triage(ClassTask):
    """The service of the primary diagnosis."""

    kind: Literal["triage"] = "triage"
    codes: Literal["fixed", "published"] = "fixed"
    """`published`: without the code that lost its zero."""
    chosen_by: Literal["macro-f1", "macro-auroc"] = "macro-f1"
    """The score that stops training, ranks and is compared: `macro-f1`, as published, or the one of other tasks."""
    with_procedure: bool = True
    """Whether only admissions with a first procedure are asked about, as published."""
    # Obstetrics are newborns by these codes, so the filters of the other tasks would empty a class.
    stays: Stays = Stays(min_age=None, newborns="kept")
    """Which admissions are asked about."""
    reads: AnyInput = WholeSummary()
    """What the model reads."""

    @property
    def name(self) -> str:
        """`icd9_triage`."""
        return "icd9_triage"

    @property
    def classes(self) -> tuple[str, ...]:
        """The services."""
        return tuple(SERVICES)

    @property
    def form(self) -> Answer:
        """One of several, by the score that `chosen_by` names."""
        return ONE_OF_BY_F1 if self.chosen_by == "macro-f1" else ONE_OF

    def question(self) -> Question:
        """What is asked, in words."""
        lost = "" if self.codes == "fixed" else ", septicaemia lost with its zero as published"
        procedure = "; only who had a procedure is asked about" if self.with_procedure else ""
        return Question(
            title="ICD-9 triage",
            asked=f"the service of the primary diagnosis, by a map of {len(self._services())} codes{lost}",
            known=("primary diagnosis in the map", f"others belong to no service of the map{procedure}"),
            citation="Taylor et al. (2024), arXiv:2402.10597",
            scored=MACRO if self.chosen_by == "macro-auroc" else "macro F1",
            whose=f"with a text{' and a procedure' if self.with_procedure else ''}",
        )

    def asked(self, records: Records) -> pl.DataFrame:
        """The service of each admission whose first diagnosis is in the map."""
        if records.diagnoses is None or (self.with_procedure and records.procedures is None):
            return pl.DataFrame(schema=ASKED)
        nine = (pl.col("icd_version") == 9) & (pl.col("seq_num") == 1)
        first = records.diagnoses.filter(nine).unique("hadm_id", keep="first", maintain_order=True)
        if self.with_procedure and records.procedures is not None:
            first = first.join(records.procedures.filter(pl.col("seq_num") == 1), on="hadm_id", how="semi")
        service = pl.col("icd_code").replace_strict(self._services(), default=None, return_dtype=pl.String)
        return one_each(first.select("subject_id", "hadm_id", asked=service))

    def _services(self) -> dict[str, str]:
        lost = _LOST if self.codes == "published" else ()
        return {code: service for service, codes in SERVICES.items() for code in codes if code not in lost}
