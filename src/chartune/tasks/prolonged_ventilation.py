"""Prolonged ventilation: of patients who have been ventilated for two days, who will be for seven (P1's PMV)?

    first ventilation ──── 48 h: the landmark ───────── 7 days ────▶
           anchor          who is in is known           prolonged, or weaned, dead, transferred before

Clinical XLNet (Huang et al., 2020) and with it P1 count a death before day seven as "not prolonged". Here death and
transfer are answers of their own (`competing: classes`), because neither is a success of weaning.
"""

from typing import Final, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from chartune.sources.source import Records
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.chart_task import MACRO, ChartTask, Question
from chartune.tasks.labels import ASKED, LabelSpace
from chartune.tasks.ventilation_cohort import excluded, tracheostomies
from chartune.tasks.ventilation_time import INVASIVE, Measure, by_admission, ventilated

CLASSES: Final = ("not prolonged", "prolonged")
COMPETING: Final = ("weaned", "prolonged", "died", "transferred")
# DISC-TRAN: to a hospital of cancer or children, or of the veterans; DISCH-TRAN TO PSYCH HOSP is none with ventilators.
_ELSEWHERE: Final = (
    pl.col("discharge_location").str.to_uppercase().str.contains("HOSPITAL|ACUTE|DISC-TRAN").fill_null(False)
)
_WORDS: Final = {
    "span": "from the first start to the last end in an ICU stay, gaps ignored, 6 h tolerance",
    "longest": "in the longest episode of an ICU stay",
    "sum": "in all episodes of an ICU stay together",
}


class ProlongedVentilation(ChartTask):
    """Ventilation for a week or more, among those who have been ventilated for two days."""

    kind: Literal["prolonged-ventilation"] = "prolonged-ventilation"
    measure: Measure = "span"
    """How ventilation time is counted; the published cohort counts the span."""
    days: float = Field(7, gt=0)
    """From how many on it is prolonged."""
    base_days: float = Field(2, ge=0)
    """How many the cohort has had: the landmark."""
    cohort: Literal["at-landmark", "in-hindsight"] = "at-landmark"
    """Whose ventilation up to the landmark makes `base_days`; `in-hindsight`: or that of the whole stay, as published.
    A patient who is ventilated for an hour, and for another hour on day five, is in with hindsight only."""
    competing: Literal["classes", "negative", "left-out"] = "classes"
    """Death and transfer before day seven: answers of their own, not prolonged (as published), or left out."""
    exclusions: Literal["published", "none"] = "published"
    """Mouth and throat cancer, neuromuscular disease, severe burns and donors are left out, or nobody."""
    tracheostomy: Literal["as-charted", "prolonged"] = "as-charted"
    """`prolonged`: a tracheostomy counts as prolonged ventilation; a sensitivity analysis."""
    masks: Literal["left-out", "counted"] = "left-out"
    """Non-invasive ventilation of MIMIC-IV; the rules for MIMIC-III cannot tell it apart."""

    @model_validator(mode="after")
    def _who_is_asked_about_is_known_by_then(self) -> Self:
        known_after = 24 * self.base_days if self.cohort == "at-landmark" else 0
        if isinstance(self.reads, BedsideNotes) and self.reads.hours < known_after:
            raise ValueError(
                f"the prediction must be made when the cohort is known, {known_after:g} hours after the first "
                f"ventilation, but reads.hours={self.reads.hours:g}; raise it, or lower `base_days`"
            )
        return self

    @property
    def name(self) -> str:
        """`prolonged_ventilation`, with the measure where it is not the published one."""
        return "prolonged_ventilation" + ("" if self.measure == "span" else f"_{self.measure}")

    @property
    def needs_events(self) -> bool:
        """Ventilation is read from the bedside chart."""
        return True

    def question(self) -> Question:
        """What is asked, in words."""
        rule = {
            "classes": "death and transfer before that are answers of their own",
            "negative": "death and transfer before that count as not prolonged, as published",
            "left-out": "who died or was transferred before that is left out",
        }[self.competing]
        seen = "" if self.cohort == "at-landmark" else ", some of it after the landmark"
        left_out = "; exclusions applied" if self.exclusions == "published" else ""
        return Question(
            title="Prolonged mechanical ventilation",
            asked=f"{self.days:g} days or more {_WORDS[self.measure]}; {rule}",
            known=("ventilated long enough", f"{self.base_days:g} days or more in an ICU stay{seen}{left_out}"),
            citation="Huang et al. (2020), Clinical XLNet; Gema et al. (2023), arXiv:2307.03042",
            scored=MACRO if self.competing == "classes" else "auroc",
            whose=f"ventilated for {self.base_days:g} days or more, with a text",
        )

    def asked(self, records: Records) -> pl.DataFrame:
        """The answer of each admission of the cohort, and `anchor`, its first ventilation."""
        if records.ventilation is None:
            return pl.DataFrame(schema={**ASKED, "anchor": pl.Datetime("us")})
        statuses = (*INVASIVE, "non-invasive") if self.masks == "counted" else INVASIVE
        cohort = self._cohort(records.ventilation(), statuses, records.stays)
        if self.exclusions == "published":
            cohort = cohort.join(excluded(records), on="hadm_id", how="anti")
        told = cohort.join(records.admissions.drop("subject_id"), on="hadm_id", maintain_order="left")
        prolonged = pl.col("days") >= self.days
        if self.tracheostomy == "prolonged":
            prolonged |= pl.col("hadm_id").is_in(tracheostomies(records).implode())
        named = told.select("subject_id", "hadm_id", "anchor", asked=self._named(prolonged)).drop_nulls("asked")
        return named.with_columns(pl.concat_list("asked")).select(*ASKED, "anchor")

    def _cohort(self, episodes: pl.DataFrame, statuses: tuple[str, ...], stays: pl.DataFrame | None) -> pl.DataFrame:
        """The admissions of the cohort, their anchor and their days on the ventilator."""
        times = ventilated(episodes, statuses, self.measure)
        known = times if self.cohort == "in-hindsight" else ventilated(episodes, statuses, self.measure, self.base_days)
        base = known.filter(pl.col("days") >= self.base_days)
        return by_admission(times, base, stays if stays is not None else times.select("stay_id", intime="first"))

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """Prolonged or not; with competing events what ended the ventilation."""
        if self.competing == "classes":
            return LabelSpace("multiclass", COMPETING, COMPETING)
        return LabelSpace("binary", CLASSES, CLASSES)

    def _named(self, prolonged: pl.Expr) -> pl.Expr:
        until = pl.col("anchor") + pl.duration(minutes=round(self.days * 1440))
        died = (pl.col("deathtime") < until).fill_null(
            (pl.col("hospital_expire_flag") == 1) & (pl.col("dischtime") < until)
        )
        left = (pl.col("dischtime") < until) & _ELSEWHERE
        told = {
            "classes": ("died", "transferred", COMPETING[0], COMPETING[1]),
            "negative": (CLASSES[0], CLASSES[0], *CLASSES),
            "left-out": (None, None, *CLASSES),
        }[self.competing]
        dead, moved, short, long = (pl.lit(name, pl.String) for name in told)
        return pl.when(prolonged).then(long).when(died).then(dead).when(left).then(moved).otherwise(short)
