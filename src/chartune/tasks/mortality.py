"""Mortality: will the patient die in hospital? Asked on arrival (van Aken et al., 2021, CORe)."""

from typing import Final, Literal

import polars as pl
from pydantic import Field

from chartune.config import Config
from chartune.sources.source import Records
from chartune.tasks.admission_notes import CATEGORY, examples_on_arrival, studied, summaries
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.labels import ASKED, LabelSpace
from chartune.tasks.task import Card

CLASSES: Final = ("survived", "died")


class Mortality(Config):
    """In-hospital death of adults, from their admission notes."""

    kind: Literal["mortality"] = "mortality"
    min_age: int = Field(18, ge=0)
    """Youngest age at admission in completed years."""

    @property
    def name(self) -> str:
        """`mortality`."""
        return self.kind

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
        )

    def categories(self) -> tuple[str, ...]:
        """It reads discharge summaries only."""
        return (CATEGORY,)

    def asked(self, records: Records) -> pl.DataFrame:
        """`survived` or `died`, by hospital_expire_flag; another flag is no answer."""
        name = pl.col("hospital_expire_flag").replace_strict(dict(enumerate(CLASSES)), default=None)
        known = records.admissions.select("subject_id", "hadm_id", asked=name).drop_nulls("asked")
        return known.with_columns(pl.concat_list("asked")).cast(ASKED)  # type: ignore[arg-type]

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """Admissions with a known outcome, and their discharge summaries."""
        cohort = studied(cohort, attrition, self.min_age)
        known = cohort.whose(pl.col("asked").is_not_null())
        return summaries(attrition.record("outcome known", "hospital_expire_flag is 0 or 1", known), attrition)

    def examples(self, admissions: pl.DataFrame, notes: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """One example per admission whose text says why the patient came and does not tell the death."""
        return examples_on_arrival(admissions, notes, attrition, death_told=False)

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """Survived or died."""
        return LabelSpace("binary", CLASSES, CLASSES)
