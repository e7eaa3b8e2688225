"""Mortality: will the patient die in hospital? Asked on arrival (van Aken et al., 2021, CORe)."""

from typing import Literal

import polars as pl
from pydantic import Field

from chartune.config import Config
from chartune.tasks.admission_notes import CATEGORY, read_on_arrival, studied, summaries
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.task import EXAMPLES, NOTES_READ, Card


class Mortality(Config):
    """In-hospital death of adults, from their admission notes."""

    kind: Literal["mortality"] = "mortality"
    min_age: int = Field(18, ge=0)
    """Youngest age at admission in completed years."""

    def card(self) -> Card:
        """The task in words."""
        return Card(
            title="In-hospital mortality",
            who=f"admissions of patients aged {self.min_age} or more, newborns excluded, with an admission note",
            when="on admission (admittime)",
            seen="eight sections of the discharge summary that describe the patient on arrival",
            asked="death before discharge (hospital_expire_flag)",
            scored="auroc",
            citation="van Aken et al. (2021), Clinical Outcome Prediction from Admission Notes, EACL",
            kind="retrospective-text",
            labels=("survived", "died"),
        )

    def categories(self) -> tuple[str, ...]:
        """It reads discharge summaries only."""
        return (CATEGORY,)

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """Admissions with a known outcome, and their discharge summaries."""
        cohort = studied(cohort, attrition, self.min_age)
        known = cohort.whose(pl.col("hospital_expire_flag").is_in([0, 1]))
        return summaries(attrition.record("outcome known", "hospital_expire_flag is 0 or 1", known), attrition)

    def examples(self, admissions: pl.DataFrame, notes: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """One example per admission whose text says why the patient came and does not tell the death."""
        texts = read_on_arrival(notes, attrition, death_told=False)
        asked = admissions.with_columns(label=pl.col("hospital_expire_flag"), prediction_time=pl.col("admittime"))
        return asked.join(texts, on=["subject_id", "hadm_id"]).select(*EXAMPLES, NOTES_READ).sort("hadm_id")
