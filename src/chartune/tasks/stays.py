"""The stays that an outcome can be asked of: of a split, with plausible times, neither newborn nor a minor.

Tasks share these filters, so that they differ in what they ask and in nothing else.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import polars as pl
from pydantic import Field

from chartune.config import Config
from chartune.sources.splits import OUT_OF_YEARS, SPLITS, STRAYS
from chartune.tasks.attrition import Attrition, Cohort

Choosing: TypeAlias = Callable[[Cohort, Attrition], Cohort]
"""Chooses notes, and the admissions that have some; tells each filter to the attrition."""


class Stays(Config):
    """Which admissions are asked about."""

    min_age: int | None = Field(18, ge=0)
    """Youngest age at admission in completed years; null: ages are not looked at (CORe, van Aken et al., 2021)."""
    newborns: Literal["left-out", "kept"] = "left-out"
    """Admissions of the type NEWBORN: charts of their own kind."""
    times: Literal["checked", "as-given"] = "checked"
    """`checked`: a stay without an end, or with an end or a death before its beginning, is left out; CORe does not
    look."""

    def who(self) -> str:
        """Them, in words."""
        aged = f"aged {self.min_age} or more" if self.min_age is not None else "of any age"
        return f"admissions of patients {aged}, newborns {'excluded' if self.newborns == 'left-out' else 'included'}"

    def select(self, cohort: Cohort, attrition: Attrition, first: Choosing | None = None) -> Cohort:
        """These admissions and their notes; every filter is counted.

        Args:
            cohort: everybody.
            attrition: records each filter.
            first: chooses notes of all admissions but newborns' (where these are left out), before anybody else leaves.
        """
        attrition.record("all admissions", "what the source holds", cohort)
        cohort = attrition.record(
            "note of an admission", "notes of clinics and other units have no admission", cohort.of(cohort.admissions)
        )
        if first is not None:
            cohort = self._timely(_split(first(self._born(cohort, attrition), attrition), attrition), attrition)
        else:
            cohort = self._born(self._timely(_split(cohort, attrition), attrition), attrition)
        if self.min_age is None:
            return cohort
        why = f"age at admission {self.min_age} or more; admission types alone let older children in"
        return attrition.record("of age", why, cohort.whose(pl.col("age") >= self.min_age))

    def _timely(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        if self.times == "as-given":
            return cohort
        why = "a stay without an end, or with one before its beginning, is a typing error"
        cohort = cohort.whose(pl.col("dischtime") >= pl.col("admittime"))
        attrition.record("ends after it begins", why, cohort)
        why = "who was dead before (deathtime) is an organ donor or a typing error"
        cohort = cohort.whose((pl.col("deathtime") >= pl.col("admittime")).fill_null(True))
        return attrition.record("alive when it begins", why, cohort)

    def _born(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        if self.newborns == "kept":
            return cohort
        why = "newborns have charts of their own kind (van Aken et al., 2021)"
        cohort = cohort.whose(pl.col("admission_type").str.to_uppercase().ne_missing("NEWBORN"))
        return attrition.record("not a newborn", why, cohort)


def _split(cohort: Cohort, attrition: Attrition) -> Cohort:
    cohort = cohort.whose(pl.col("split").is_in((*SPLITS, OUT_OF_YEARS)))
    attrition.record("patient in a split", "stands in none of train, validation, calibration and test", cohort)
    if OUT_OF_YEARS not in cohort.admissions["split"]:
        return cohort
    return attrition.record("in the years of its split", STRAYS, cohort.whose(pl.col("split") != OUT_OF_YEARS))
