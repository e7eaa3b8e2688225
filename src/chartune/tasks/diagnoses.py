"""Diagnoses: which groups of ICD codes will be billed? Asked on arrival (van Aken et al., 2021, CORe; P1's DIAG).

A group is a category of the classification: `428` for 42821, `V458` for V4581, `I50` for I5023. Codes are text, so
that `038` (sepsis) and `38` are two things. ICD-9 and ICD-10 are two tasks: an admission that was coded in one version
says nothing on the labels of the other.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from chartune.config import Config
from chartune.sources.source import Records
from chartune.tasks.admission_notes import CATEGORY, examples_on_arrival, studied, summaries
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.labels import ASKED, ENOUGH_CASES, LabelSpace, frequent, titled
from chartune.tasks.task import Card


class Diagnoses(Config):
    """Billed diagnoses by category, from admission notes; any number of them apply."""

    kind: Literal["diagnoses"] = "diagnoses"
    icd_version: Literal[9, 10] = 9
    """Version of the classification: only admissions coded in it are asked about."""
    least_cases: int = Field(ENOUGH_CASES, ge=1)
    """Training cases that a category needs to become a label."""
    min_age: int = Field(18, ge=0)
    """Youngest age at admission in completed years."""

    @property
    def name(self) -> str:
        """`diagnoses_icd9` or `diagnoses_icd10`."""
        return f"{self.kind}_icd{self.icd_version}"

    def card(self) -> Card:
        """The task in words."""
        return Card(
            title=f"Diagnoses (ICD-{self.icd_version})",
            who=f"admissions of patients aged {self.min_age} or more, newborns excluded, with an admission note, "
            f"coded in ICD-{self.icd_version}",
            when="on admission (admittime)",
            seen="eight sections of the discharge summary that describe the patient on arrival",
            asked=f"categories of the diagnoses billed after discharge, those with {self.least_cases} training cases "
            "or more",
            scored="auroc, macro average over categories",
            citation="van Aken et al. (2021), Clinical Outcome Prediction from Admission Notes, EACL",
            kind="retrospective-text",
        )

    def categories(self) -> tuple[str, ...]:
        """It reads discharge summaries only."""
        return (CATEGORY,)

    def asked(self, records: Records) -> pl.DataFrame:
        """The categories billed for each admission; admissions coded in another version, too, have no answer."""
        if records.diagnoses is None:
            return pl.DataFrame(schema=ASKED)
        coded = records.diagnoses.filter(pl.col("icd_code").is_not_null() & (pl.col("icd_code") != ""))
        other = coded.filter(pl.col("icd_version") != self.icd_version).select("hadm_id").unique()
        mine = coded.filter(pl.col("icd_version") == self.icd_version).join(other, on="hadm_id", how="anti")
        grouped = mine.with_columns(asked=category(pl.col("icd_code"), self.icd_version))
        return grouped.group_by("subject_id", "hadm_id").agg(pl.col("asked").unique().sort())

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """Admissions with diagnoses of this version, and their discharge summaries."""
        cohort = studied(cohort, attrition, self.min_age)
        why = "without billed diagnoses, or with those of another version, the labels are not known"
        known = cohort.whose(pl.col("asked").is_not_null())
        return summaries(attrition.record(f"coded in ICD-{self.icd_version}", why, known), attrition)

    def examples(self, admissions: pl.DataFrame, notes: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """One example per admission whose text says why the patient came; a death that it tells is no diagnosis."""
        return examples_on_arrival(admissions, notes, attrition, death_told=True)

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """The frequent categories, titled by the dictionary."""
        names = frequent(examples, self.least_cases)
        return LabelSpace("multilabel", tuple(names), titled(names, self._titles(records)))

    def _titles(self, records: Records) -> dict[str, str]:
        """Category → its own title, or else that of its most billed code."""
        if records.diagnosis_titles is None or records.diagnoses is None:
            return {}
        version = pl.col("icd_version") == self.icd_version
        known = records.diagnosis_titles.filter(version & pl.col("long_title").is_not_null())
        known = known.with_columns(group=category(pl.col("icd_code"), self.icd_version))
        billed = records.diagnoses.filter(version).group_by("icd_code").len()
        ranked = known.join(billed, on="icd_code", how="left", maintain_order="left").with_columns(
            itself=pl.col("icd_code") == pl.col("group"), len=pl.col("len").fill_null(0)
        )
        best = ranked.sort("itself", "len", "icd_code", descending=[True, True, False]).unique(
            "group", keep="first", maintain_order=True
        )
        more = pl.when(pl.col("itself")).then(pl.lit("")).otherwise(pl.lit(" …"))
        return dict(best.select("group", pl.col("long_title") + more).iter_rows())


def category(code: pl.Expr, icd_version: Literal[9, 10]) -> pl.Expr:
    """The category of a code as text: three characters, four where an ICD-9 code begins with V or E (as in CORe)."""
    code = code.str.strip_chars().str.to_uppercase()
    if icd_version == 10:
        return code.str.slice(0, 3)
    return pl.when(code.str.contains("^[VE]")).then(code.str.slice(0, 4)).otherwise(code.str.slice(0, 3))
