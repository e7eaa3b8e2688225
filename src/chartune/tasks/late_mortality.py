"""Late mortality: will the patient be dead within 90 days? Deaths after discharge count.

The date of death comes from hospital and state records. MIMIC-IV censors it one year after the last discharge, so that
horizons up to a year are whole. Who has no date counts as alive, which a record that was never linked makes too good.

Clinical XLNet (Huang et al., 2020) asks what it calls 90-day mortality otherwise: death within 92 days of the first
ventilation, of those who were ventilated for two days (`anchor: first-ventilation`, `days: 92`).
"""

from typing import ClassVar, Final, Literal

import polars as pl
from pydantic import Field

from chartune.sources.coverage import Coverage
from chartune.sources.source import Records
from chartune.tasks.attrition import KEY
from chartune.tasks.bedside_notes import ANCHOR
from chartune.tasks.chart_task import ClassTask, Filter, Question
from chartune.tasks.labels import ASKED
from chartune.tasks.mortality import CLASSES
from chartune.tasks.prolonged_ventilation import VENTILATED, ProlongedVentilation

_COHORT: Final = ProlongedVentilation(cohort="in-hindsight", competing="negative")
"""Whom Clinical XLNet asks about; that whoever is in was ventilated for two days is known in hindsight only."""
_INSIDE: Final = pl.col("hospital_expire_flag").eq_missing(1)
_KNOWN: Final = pl.col("dod").is_not_null() | pl.col("deathtime").is_not_null()


class LateMortality(ClassTask):
    """Death within some days of admission or of the first ventilation, in hospital or after it."""

    kind: Literal["late-mortality"] = "late-mortality"
    days: int = Field(90, ge=1, le=365)
    """From the day of the anchor."""
    anchor: Literal["admission", "first-ventilation"] = "admission"
    """What the days are counted from. `first-ventilation`: of those who were ventilated for two days, as
    `prolonged-ventilation` asks in hindsight; needs the bedside chart."""
    asks_outcome: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`mortality_90d`, `mortality_92d_after_ventilation`."""
        return f"mortality_{self.days}d" + ("_after_ventilation" if self.needs_events else "")

    @property
    def needs_events(self) -> bool:
        """Whether days are counted from the first ventilation."""
        return self.anchor == "first-ventilation"

    @property
    def classes(self) -> tuple[str, ...]:
        """Survived or died."""
        return CLASSES

    def coverage(self, records: Records) -> list[Coverage]:
        """In how many ICU stays ventilation was found, where days are counted from the first."""
        return _COHORT.coverage(records) if self.needs_events else []

    def question(self) -> Question:
        """What is asked, in words."""
        since = "of the first ventilation" if self.needs_events else "of admission"
        return Question(
            title=f"{self.days}-day mortality" + (" after ventilation" if self.needs_events else ""),
            asked=f"death within {self.days} days of the day {since} (dod); who has no date of death is alive",
            known=("outcome known", "the source knows dates of death, and none before the "
                   + ("first ventilation" if self.needs_events else "admission")),
            citation="Huang et al. (2020), Clinical XLNet" if self.needs_events
            else "chartune; Huang et al. (2020) count from the first ventilation (anchor: first-ventilation, days: 92)",
            whose=_COHORT.question().whose if self.needs_events else "with a text",
        )  # fmt: skip

    @property
    def death_is_asked(self) -> bool:
        """Yes."""
        return True

    def usable(self, *, labelled: bool) -> tuple[Filter, ...]:
        """Where the answer is not known, of days from the first ventilation those who were ventilated long enough."""
        why = _COHORT.question().known[1]
        return () if labelled or not self.needs_events else (("ventilated long enough", why, VENTILATED),)

    def asked(self, records: Records) -> pl.DataFrame:
        """`survived` or `died`; a death before the anchor, or in hospital on no known day, is no answer.

        With an anchor of its own also `anchor`. Of a patient who died in this stay the day of that death counts.
        """
        anchor: dict[str, pl.DataType] = {ANCHOR: pl.Datetime("us")} if self.needs_events else {}
        if records.subjects["dod"].is_null().all():
            return pl.DataFrame(schema=ASKED | anchor)  # a source that knows no deaths after discharge
        since = pl.col(ANCHOR if self.needs_events else "admittime").dt.date()
        died = _with_days(self._anchored(records), records)
        days = (pl.col("died_on") - since).dt.total_days()
        sound = (days >= 0).fill_null(~_INSIDE)
        name = pl.when((days <= self.days).fill_null(False)).then(pl.lit("died")).otherwise(pl.lit("survived"))
        known = died.select(*KEY, *anchor, asked=pl.when(sound).then(pl.concat_list(name)))
        return known.select(*ASKED, *anchor).cast(ASKED)  # type: ignore[arg-type]

    def warnings(self, records: Records, splits: pl.DataFrame) -> tuple[str, ...]:
        """How many died in hospital though their date of death is later; `splits` says nothing of it."""
        days = _with_days(records.admissions, records)
        later = days.filter(_INSIDE & (pl.col("dod") > pl.col("died_on"))).height
        if not later:
            return ()
        return (
            f"{self.name}: {later} admissions end with a death in hospital, but a later date of death; that in "
            f"hospital counts.",
        )

    def _anchored(self, records: Records) -> pl.DataFrame:
        """The admissions that are asked about, with `anchor` where that is not the admission."""
        if not self.needs_events:
            return records.admissions
        cohort = _COHORT.asked(records).select(*KEY, ANCHOR)
        return records.admissions.join(cohort, on=KEY, maintain_order="left")


def _with_days(admissions: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Admissions with `dod`, and `died_on`: of a death in this stay its day, as far as it is known, else the dod."""
    dated = admissions.join(records.subjects.select("subject_id", "dod"), on="subject_id", how="left")
    inside = pl.coalesce(pl.col("deathtime").dt.date(), pl.min_horizontal("dod", pl.col("dischtime").dt.date()))
    died_on = pl.when(~_INSIDE).then(pl.coalesce("dod", pl.col("deathtime").dt.date()))
    return dated.with_columns(died_on=died_on.otherwise(pl.when(_KNOWN).then(inside)))
