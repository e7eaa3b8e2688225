"""Mortality: will the patient die in hospital? Asked on arrival (van Aken et al., 2021, CORe; P1's MOR)."""

from typing import ClassVar, Final, Literal

import polars as pl

from chartune.answers import BINARY
from chartune.sources.source import Records
from chartune.tasks.chart_task import ChartTask, Question
from chartune.tasks.labels import ASKED, LabelSpace
from chartune.tasks.task import CORE

CLASSES: Final = ("survived", "died")
_HOSPICE: Final = pl.col("discharge_location").str.to_uppercase().str.contains("HOSPICE").fill_null(False)


class Mortality(ChartTask):
    """In-hospital death, from what is read on arrival."""

    kind: Literal["mortality"] = "mortality"
    hospice: Literal["survived", "died"] = "survived"
    """How a discharge to a hospice counts: it was sent home to die. `died` is the sensitivity analysis."""
    asks_outcome: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`mortality`; with hospices `mortality_or_hospice`."""
        return self.kind if self.hospice == "survived" else f"{self.kind}_or_hospice"

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
        known = records.admissions.select("subject_id", "hadm_id", asked=name).drop_nulls("asked")
        return known.with_columns(pl.concat_list("asked")).cast(ASKED)  # type: ignore[arg-type]

    @property
    def answers(self) -> int:
        """Two."""
        return len(CLASSES)

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """Survived or died."""
        return LabelSpace(BINARY.kind, CLASSES, CLASSES)
