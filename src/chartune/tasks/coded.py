"""Coded: which groups of ICD codes will be billed? What diagnoses and procedures have in common.

A group is a category of the classification (`chartune.tasks.code_groups`). ICD-9 and ICD-10 are two tasks.
"""

from abc import abstractmethod
from typing import Final, Literal

import polars as pl
from pydantic import Field

from chartune.answers import ENOUGH_CASES
from chartune.sources.coverage import Rule
from chartune.sources.source import Records
from chartune.tasks.chart_task import ChartTask, Filter, Question
from chartune.tasks.code_groups import MIXED, Billing, billed, frequent_groups, whole_table
from chartune.tasks.labels import LabelSpace
from chartune.tasks.task import CORE

_FEW: Final = "Does the table of codes name its admissions (hadm_id), and icd_version their version?"


class Coded(ChartTask):
    """Billed codes by category; any number of them apply."""

    icd_version: Literal[9, 10] = 9
    """Version of the classification: only admissions coded in it are asked about."""
    labels: Literal["frequent", "whole-table"] = "frequent"
    """`whole-table`: every category of the table, as published; some of them without a case."""
    least_cases: int = Field(ENOUGH_CASES, ge=1)
    """Training cases that a category needs to become a `frequent` label."""

    @property
    @abstractmethod
    def noun(self) -> str:
        """What is coded: `diagnoses` or `procedures`."""

    @abstractmethod
    def billing(self, records: Records) -> Billing:
        """The codes that were billed, their titles, and how they are grouped."""

    @property
    def name(self) -> str:
        """Such as `diagnoses_icd9`."""
        return f"{self.noun}_icd{self.icd_version}"

    def question(self) -> Question:
        """What is asked, in words."""
        labels = f"those with {self.least_cases} training cases or more" if self.labels == "frequent" else "all"
        why = f"without billed {self.noun}, or with those of the other version only, the labels are not known"
        return Question(
            title=f"{self.noun.capitalize()} (ICD-{self.icd_version})",
            asked=f"categories of the {self.noun} billed after discharge, {labels}",
            known=(f"coded in ICD-{self.icd_version}", why),
            finds=Rule(f"{self.noun} in ICD-{self.icd_version}", "admissions", 0.1, _FEW),
            citation=CORE,
            scored="auroc, macro average over categories",
            whose=f"with a text and {self.noun} coded in ICD-{self.icd_version}",
        )

    def usable(self, *, labelled: bool) -> tuple[Filter, ...]:
        """Admissions of one version; the question names it."""
        if not labelled:
            return ()
        why = f"{self.noun} billed in ICD-9 and in ICD-10: each version tells a part of the labels"
        return (("coded in one version", why, pl.col(MIXED).ne_missing(True)),)

    def asked(self, records: Records) -> pl.DataFrame:
        """The categories billed for each admission, and whether it is `mixed`."""
        return billed(self.billing(records))

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """The categories, titled by the dictionary."""
        billing = self.billing(records)
        if self.labels == "whole-table":
            return whole_table(billing)
        return frequent_groups(examples, self.least_cases, billing)
