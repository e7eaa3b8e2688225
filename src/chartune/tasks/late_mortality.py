"""Late mortality: will the patient be dead within 90 days? Deaths after discharge count (P2's and Huang's DEATH_90).

The date of death comes from hospital and state records. MIMIC-IV censors it one year after the last discharge, so that
horizons up to a year are whole. Who has no date counts as alive, which a record that was never linked makes too good.
"""

from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from chartune.sources.source import Records
from chartune.tasks.chart_task import ChartTask, Question
from chartune.tasks.labels import ASKED, LabelSpace
from chartune.tasks.mortality import CLASSES


class LateMortality(ChartTask):
    """Death within some days of admission, in hospital or after it."""

    kind: Literal["late-mortality"] = "late-mortality"
    days: int = Field(90, ge=1, le=365)
    """From the day of admission."""
    asks_outcome: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`mortality_90d`."""
        return f"mortality_{self.days}d"

    def question(self) -> Question:
        """What is asked, in words."""
        return Question(
            title=f"{self.days}-day mortality",
            asked=f"death within {self.days} days of the day of admission (dod); who has no date of death is alive",
            known=("outcome known", "the source knows dates of death, and none before the admission"),
            citation="Huang et al. (2020), Clinical XLNet; Taylor et al. (2024), arXiv:2402.10597",
        )

    @property
    def death_is_asked(self) -> bool:
        """Yes."""
        return True

    def asked(self, records: Records) -> pl.DataFrame:
        """`survived` or `died`; a death before the admission, or in hospital on no known day, is no answer."""
        if records.subjects["dod"].is_null().all():
            return pl.DataFrame(schema=ASKED)  # a source that knows no deaths after discharge
        died = records.admissions.join(records.subjects.select("subject_id", "dod"), on="subject_id", how="left")
        day = pl.coalesce("dod", pl.col("deathtime").dt.date())
        days = (day - pl.col("admittime").dt.date()).dt.total_days()
        sound = died.filter((days >= 0).fill_null(pl.col("hospital_expire_flag").ne_missing(1)))
        name = pl.when((days <= self.days).fill_null(False)).then(pl.lit("died")).otherwise(pl.lit("survived"))
        known = sound.select("subject_id", "hadm_id", asked=pl.concat_list(name))
        return known.cast(ASKED)  # type: ignore[arg-type]

    @property
    def answers(self) -> int:
        """Two."""
        return len(CLASSES)

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """Survived or died."""
        return LabelSpace("binary", CLASSES, CLASSES)
