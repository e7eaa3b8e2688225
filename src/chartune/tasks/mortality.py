"""Mortality: will the patient die in hospital? Asked on arrival (van Aken et al., 2021, CORe; P1's MOR)."""

from typing import ClassVar, Final, Literal

import polars as pl

from chartune.sources.source import Records
from chartune.tasks.chart_task import ClassTask, Question
from chartune.tasks.labels import one_each
from chartune.tasks.task import CORE

CLASSES: Final = ("survived", "died")
_HOSPICE: Final = pl.col("discharge_location").str.to_uppercase().str.contains("HOSPICE").fill_null(False)


class Mortality(ClassTask):
    """In-hospital death, from what is read on arrival."""

    kind: Literal["mortality"] = "mortality"
    hospice: Literal["survived", "died"] = "survived"
    """How a discharge to a hospice counts: it was sent home to die. `died` is the sensitivity analysis."""
    asks_outcome: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`mortality`; with hospices `mortality_or_hospice`."""
        return self.kind if self.hospice == "survived" else f"{self.kind}_or_hospice"

    @property
    def classes(self) -> tuple[str, ...]:
        """Survived or died."""
        return CLASSES

    def question(self) -> Question:
        """What is asked, in words."""
        more = " or discharge to a hospice" if self.hospice == "died" else ""
        return Question(
            title="In-hospital mortality" + more,
            asked=f"death before discharge (hospital_expire_flag){more}",
            known=("outcome known", "hospital_expire_flag is 0 or 1"),
            citation=CORE,
        )

    @property
    def death_is_asked(self) -> bool:
        """Yes."""
        return True

    def asked(self, records: Records) -> pl.DataFrame:
        """`survived` or `died`, by hospital_expire_flag; another flag is no answer."""
        died = pl.col("hospital_expire_flag")
        if self.hospice == "died":
            died = pl.when(_HOSPICE).then(1).otherwise(died)
        name = died.replace_strict(dict(enumerate(CLASSES)), default=None)
        return one_each(records.admissions.select("subject_id", "hadm_id", asked=name))
