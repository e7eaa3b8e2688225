"""Prolonged ventilation: of patients who have been ventilated for two days, who will be for seven (P1's PMV)?

    first ventilation ──── 48 h: the landmark ───────── 7 days ────▶
           anchor          who is in is known           prolonged, or weaned, dead, transferred before
                           and asked about

Clinical XLNet (Huang et al., 2020) and with it P1 ask in hindsight (`cohort: in-hindsight`): any ICU stay of the
admission counts, whenever it comes, with six hours of tolerance, and a death before day seven is "not prolonged". At
the landmark only those are asked about who are still there, the ICU stay of the anchor counts, and death, hospice and
transfer before day seven are answers of their own (`competing: classes`), because none is a success of weaning. Who
leaves for any other place on the machine was not weaned either: how long it went on nobody knows.
"""

from dataclasses import replace
from typing import ClassVar, Final, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from chartune.answers import BINARY
from chartune.sources.coverage import Coverage, Rule
from chartune.sources.source import Records
from chartune.sources.ventilation import OxygenJoin
from chartune.sources.ventilation.episodes import ON_MACHINE
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.bedside_notes import ANCHOR, BedsideNotes
from chartune.tasks.chart_task import MACRO, ChartTask, ClassTask, Filter, Question
from chartune.tasks.inputs import timed
from chartune.tasks.labels import ASKED
from chartune.tasks.task import Card
from chartune.tasks.ventilation_cohort import excluded, tracheostomies
from chartune.tasks.ventilation_time import INVASIVE, TOLERANCE_HOURS, Measure, by_admission, last_ends, ventilated

CLASSES: Final = ("not prolonged", "prolonged")
COMPETING: Final = ("weaned", "prolonged", "died or hospice", "transferred")
_PLACE: Final = pl.col("discharge_location").str.to_uppercase()
# DISC-TRAN: to a hospital of cancer or children, or of the veterans. One of psychiatry has no ventilators.
_ELSEWHERE: Final = (_PLACE.str.contains("HOSPITAL|ACUTE|DISC-TRAN") & ~_PLACE.str.contains("PSYCH")).fill_null(False)
_HOSPICE: Final = _PLACE.str.contains("HOSPICE").fill_null(False)
_VENTILATED: Final = Rule(
    "ventilation", "ICU stays", 0.1,
    "Are the itemids of the bedside chart those of the release, and do its rows name their ICU stay?",
)  # fmt: skip
_PLACED: Final = Rule(
    "a discharge location", "admissions", 0.5,
    "Who left for a hospice or another hospital counts as weaned, or as having left on the machine, where it is empty.",
)  # fmt: skip
VENTILATED: Final = pl.col(ANCHOR).is_not_null()
"""Whether somebody was ventilated long enough to be asked about, by what is `asked` of an admission."""
LEFT_VENTILATED: Final = "left_ventilated"
"""Column of what is asked: whether the patient left on the machine, so that the answer is not known."""
_NAMED: Final = {
    "measure": "{}", "days": "{}d", "base_days": "after_{}d", "cohort": "{}", "competing": "{}",
    "exclusions": "{}_excluded", "tracheostomy": "trach_{}", "masks": "masks_{}", "cannula": "cannula_{}",
    "oxygen_join": "oxygen_as_{}",
}  # fmt: skip
"""Switch → how the name of a task states its value; of others the name holds their own name, too."""
_WORDS: Final = {
    "span": "from the first start to the last end, gaps ignored",
    "longest": "in the longest episode",
    "sum": "in all episodes together",
}


def _word(value: object) -> str:
    """A value as part of a file's name: `in-hindsight` → `in_hindsight`, 7.0 → `7`, 2.5 → `2p5`."""
    return str(value).removesuffix(".0").replace("-", "_").replace(".", "p")


class ProlongedVentilation(ClassTask):
    """Ventilation for a week or more, among those who have been ventilated for two days."""

    asks_outcome: ClassVar[bool] = True
    kind: Literal["prolonged-ventilation"] = "prolonged-ventilation"
    measure: Measure = "span"
    """How the ventilation time of the answer is counted; that of the cohort is the span."""
    days: float = Field(7, gt=0, le=36500)
    """From how many on it is prolonged."""
    base_days: float = Field(2, ge=0, le=36500)
    """How many the cohort has had: the landmark."""
    cohort: Literal["at-landmark", "in-hindsight"] = "at-landmark"
    """Whose ventilation up to the landmark makes `base_days`; `in-hindsight`: or that of the whole stay, as published.
    A patient who is ventilated for an hour, and for another hour on day five, is in with hindsight only.

    At the landmark the prediction is made there, and the answer counts episodes of the anchor's ICU stay that begin
    by day seven, without tolerance; in hindsight all of any ICU stay, and the prediction is made as the input says."""
    competing: Literal["classes", "negative", "left-out"] = "classes"
    """Death, hospice and transfer before day seven: answers of their own, not prolonged (as published), or left out.
    At the landmark they come first; in hindsight whoever was ventilated long enough is prolonged all the same."""
    left_ventilated: Literal["left-out", "weaned"] = "left-out"
    """Who leaves before day seven for a facility or home within six hours of the last episode: as far as the chart
    tells, on the machine. `left-out`: how long it went on is not known, and they are counted; `weaned`: as if it had
    ended. Nothing to `competing: negative`, which calls whoever is not prolonged so."""
    exclusions: Literal["published", "none"] = "published"
    """Mouth and throat cancer, neuromuscular disease, severe burns and donors are left out, or nobody."""
    tracheostomy: Literal["as-charted", "prolonged"] = "as-charted"
    """`prolonged`: a billed tracheostomy counts as prolonged ventilation; a sensitivity analysis."""
    masks: Literal["left-out", "counted"] = "left-out"
    """Non-invasive ventilation of MIMIC-IV; the rules for MIMIC-III cannot tell it apart."""
    cannula: Literal["counted", "left-out"] = "counted"
    """MIMIC-IV: a machine through a tracheostomy. The published rules say `tracheostomy` of it as of who breathes
    alone; those for MIMIC-III count the machine."""
    oxygen_join: OxygenJoin = "fixed"
    """MIMIC-IV: whether an oxygen device counts where no flow was charted; `mimic-code`: no, as its query published."""

    @model_validator(mode="after")
    def _who_is_asked_about_is_known_by_then(self) -> Self:
        if self.days <= self.base_days:
            raise ValueError(
                f"what is asked must lie after the landmark, but days={self.days:g} and base_days={self.base_days:g}; "
                f"raise `days`, or lower `base_days`"
            )
        if self.cohort == "at-landmark" and self._predicted_after < self._landmark:
            raise ValueError(
                f"the prediction must be made when the cohort is known, {self._landmark:g} hours after the first "
                f"ventilation, but reads.hours={self._predicted_after:g}; raise it, or lower `base_days`"
            )
        return self

    @property
    def name(self) -> str:
        """`prolonged_ventilation`, then in the order of the fields each switch that is not as usual (`_NAMED`).

        `prolonged_ventilation_in_hindsight_negative` is the published question. Who is asked about and what is read
        (`stays`, `reads`) is not part of it, as in every task of a chart.
        """
        fields = type(self).model_fields
        own = {name: getattr(self, name) for name in fields if name not in ("kind", *ChartTask.model_fields)}
        parts = [_NAMED.get(name, f"{name}_{{}}").format(_word(value)) for name, value in own.items()
                if value != fields[name].default]  # fmt: skip
        return "_".join(["prolonged_ventilation", *parts])

    @property
    def needs_events(self) -> bool:
        """Ventilation is read from the bedside chart."""
        return True

    @property
    def classes(self) -> tuple[str, ...]:
        """Prolonged or not; with competing events what ended the ventilation."""
        return COMPETING if self.competing == "classes" else CLASSES

    def card(self) -> Card:
        """The task in words; at the landmark its own time of prediction stands in place of the input's."""
        card = super().card()
        if self.cohort == "in-hindsight":
            return card
        return replace(card, when=f"{self._predicted_after:g} hours after the first ventilation")

    def question(self) -> Question:
        """What is asked, in words."""
        landmark = self.cohort == "at-landmark"
        rule = {
            "classes": "death or hospice and transfer before that are answers of their own",
            "negative": "death and transfer before that count as not prolonged, as published",
            "left-out": "who died, or left for a hospice or another hospital before that, is left out",
        }[self.competing]
        rule += "" if self._leavers_answer else "; who left on the machine before that is left out"
        airways = ["a tube", *(["a cannula"] * (self.cannula == "counted")), *(["a mask"] * (self.masks == "counted"))]
        tolerance = ", 6 h tolerance" if self.measure == "span" else ""
        where = "in the ICU stay of the first ventilation" if landmark else f"in any ICU stay{tolerance}"
        seen = ", alive and in hospital then" if landmark else ", some of it after the landmark"
        left_out = "; exclusions applied" if self.exclusions == "published" else ""
        base = f"ventilated for {self.base_days:g} days or more"
        return Question(
            title="Prolonged mechanical ventilation",
            asked=f"{self.days:g} days or more by {' or '.join(airways)} {where}, {_WORDS[self.measure]}; {rule}",
            known=("ventilated long enough", f"{self.base_days:g} days or more in an ICU stay, gaps ignored{left_out}"),
            citation="Huang et al. (2020), Clinical XLNet; Gema et al. (2023), arXiv:2307.03042",
            scored=MACRO if self.competing == "classes" else BINARY.headline.metric,
            whose=f"{base} (gaps ignored, 6 h tolerance){seen}, with a text",
        )

    def asked(self, records: Records) -> pl.DataFrame:
        """The answer of each admission of the cohort, null if not known, and `anchor`, its first ventilation."""
        if records.ventilation is None:
            return pl.DataFrame(schema={**ASKED, ANCHOR: pl.Datetime("us"), LEFT_VENTILATED: pl.Boolean()})
        cohort = self._cohort(records.ventilation(self.oxygen_join), records.stays)
        if self.exclusions == "published":
            cohort = cohort.join(excluded(records), on="hadm_id", how="anti")
        known = cohort.join(records.admissions.drop("subject_id"), on="hadm_id", maintain_order="left")
        prolonged = pl.col("days") >= self.days
        if self.tracheostomy == "prolonged":
            prolonged |= pl.col("hadm_id").is_in(tracheostomies(records).implode())
        named = known.select("subject_id", "hadm_id", ANCHOR, asked=self._named(prolonged), gone=self._gone(prolonged))
        answered = pl.when(~pl.col("gone") & pl.col("asked").is_not_null()).then(pl.concat_list("asked"))
        labels = named.with_columns(answered.alias("asked"), pl.col("gone").alias(LEFT_VENTILATED))
        return labels.select(*ASKED, ANCHOR, LEFT_VENTILATED)

    def usable(self, *, labelled: bool) -> tuple[Filter, ...]:
        """At the landmark: of who was ventilated long enough, those who are still there; then whose answer is known."""
        question = self.question()
        long_enough = () if labelled else ((*question.known, VENTILATED),)
        why = f"who left on the machine before day {self.days:g}: how long it went on is not known"
        known = ("did not leave on the machine", why, ~pl.col(LEFT_VENTILATED).fill_null(False))
        kept = () if self._leavers_answer or not labelled else (known,)
        if self.cohort == "in-hindsight":
            return (*long_enough, *kept)
        why = f"who has left or died {self._landmark:g} hours after the first ventilation is not asked about"
        landmark = _hours_on(self._landmark)
        lasts = (pl.col("dischtime") > landmark) & (pl.col("deathtime") > landmark).fill_null(True)
        # Who has no answer for another reason is left out, and counted, by the filter that says so.
        apart = pl.col("asked").is_null() & ~pl.col(LEFT_VENTILATED).fill_null(False) if labelled else pl.lit(False)
        return (*long_enough, ("still there at the landmark", why, apart | lasts), *kept)

    def select(self, cohort: Cohort, attrition: Attrition, *, labelled: bool = True) -> Cohort:
        """As every task; the landmark is the time of the prediction."""
        chosen = super().select(cohort, attrition, labelled=labelled)
        return chosen if self.cohort == "in-hindsight" else timed(chosen, _hours_on(self._predicted_after))

    def coverage(self, records: Records) -> list[Coverage]:
        """In how many ICU stays ventilation was found, and how many admissions say where patients went."""
        if records.ventilation is None:
            return []
        place = records.admissions["discharge_location"]
        placed = [] if self.competing == "negative" else [_PLACED.of(place.len(), place.len() - place.null_count())]
        stays = records.stays.select("stay_id").unique() if records.stays is not None else None
        if stays is None:
            return placed
        episodes = records.ventilation(self.oxygen_join).filter(pl.col("status").is_in(self._statuses))
        return [_VENTILATED.of(stays.height, stays.join(episodes, on="stay_id", how="semi").height), *placed]

    @property
    def _statuses(self) -> tuple[str, ...]:
        """Those of episodes that count."""
        more = {ON_MACHINE: self.cannula, "non-invasive": self.masks}
        return (*INVASIVE, *(status for status, switch in more.items() if switch == "counted"))

    @property
    def _leavers_answer(self) -> bool:
        """Whether who leaves on the machine counts as not prolonged."""
        return self.competing == "negative" or self.left_ventilated == "weaned"

    @property
    def _landmark(self) -> float:
        """Hours from the anchor on."""
        return 24 * self.base_days

    @property
    def _predicted_after(self) -> float:
        """Hours from the anchor to the prediction at the landmark; bedside notes may be read for longer."""
        return self.reads.hours if isinstance(self.reads, BedsideNotes) else self._landmark

    def _cohort(self, episodes: pl.DataFrame, stays: pl.DataFrame | None) -> pl.DataFrame:
        """The admissions of the cohort, their anchor and their days on the ventilator."""
        statuses = self._statuses
        if self.cohort == "in-hindsight":
            spans = ventilated(episodes, statuses, "span")
            times = ventilated(episodes, statuses, self.measure)
        else:
            spans = ventilated(episodes, statuses, "span", self.base_days)
            times = ventilated(episodes, statuses, self.measure, self.days, tolerance_hours=0)
        base = spans.filter(pl.col("days") >= self.base_days)
        intimes = stays if stays is not None else times.select("stay_id", intime="first")
        admissions = by_admission(times, base, intimes, "any-stay" if self.cohort == "in-hindsight" else "anchor-stay")
        return admissions.join(last_ends(episodes, statuses), on="hadm_id", how="left", maintain_order="left")

    def _named(self, prolonged: pl.Expr) -> pl.Expr:
        left, died = self._left_and_died()
        dead, moved, short, long = {
            "classes": ("died or hospice", "transferred", COMPETING[0], COMPETING[1]),
            "negative": (CLASSES[0], CLASSES[0], *CLASSES),
            "left-out": (None, None, *CLASSES),
        }[self.competing]
        competing = ((died | (left & _HOSPICE), dead), (left & _ELSEWHERE, moved))
        enough = (prolonged, long)
        name = pl.lit(short, pl.String)
        rules = (enough, *competing) if self.cohort == "in-hindsight" else (*competing, enough)
        for happened, label in reversed(rules):
            name = pl.when(happened).then(pl.lit(label, pl.String)).otherwise(name)
        return name

    def _gone(self, prolonged: pl.Expr) -> pl.Expr:
        """Whether a patient left on the machine, and no rule but that would tell the answer."""
        if self._leavers_answer:
            return pl.lit(False)
        left, died = self._left_and_died()
        on_it = pl.col("dischtime") - pl.col("last") <= pl.duration(hours=TOLERANCE_HOURS)
        return (left & on_it & ~(died | _HOSPICE | _ELSEWHERE | prolonged)).fill_null(False)

    def _left_and_died(self) -> tuple[pl.Expr, pl.Expr]:
        """Whether a patient left, and died, before the day that is asked about."""
        until = _hours_on(24 * self.days)
        left = (pl.col("dischtime") < until).fill_null(False)
        return left, (pl.col("deathtime") < until).fill_null((pl.col("hospital_expire_flag") == 1) & left)


def _hours_on(hours: float) -> pl.Expr:
    """So many hours after the anchor."""
    return pl.col(ANCHOR) + pl.duration(minutes=round(hours * 60))
