"""Length of stay: how long will the patient stay? Four classes, asked on arrival (van Aken et al., 2021; P1's LOS).

    0 ───── 3 ───────── 7 ─────────────── 14 ──────────▶ days       each bound belongs to the shorter class

Deaths end a stay early and are no short stays: as published they are removed, which nobody can do on arrival. `class`
keeps them as a fifth answer.
"""

from typing import ClassVar, Final, Literal

import polars as pl

from chartune.sources.source import Records
from chartune.tasks.chart_task import MACRO, ClassTask, Question
from chartune.tasks.labels import one_each
from chartune.tasks.task import CORE

BOUNDS: Final = (3, 7, 14)
"""Days, each the last of its class."""
CLASSES: Final = ("up to 3 days", "3 to 7 days", "7 to 14 days", "more than 14 days")
DIED: Final = "died"


class LengthOfStay(ClassTask):
    """Days in hospital, in four classes."""

    kind: Literal["length-of-stay"] = "length-of-stay"
    deaths: Literal["removed", "class"] = "removed"
    """In-hospital deaths: `removed` as published, or a fifth `class`."""
    days: Literal["exact", "tenths"] = "exact"
    """`tenths`: rounded to 0.1 day before they are binned, as in CORe: 3.04 days are 3, and so are 3.05."""
    asks_outcome: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`length_of_stay`; with deaths as a class `length_of_stay_or_death`."""
        return "length_of_stay" if self.deaths == "removed" else "length_of_stay_or_death"

    @property
    def classes(self) -> tuple[str, ...]:
        """Four, or five with deaths."""
        return CLASSES if self.deaths == "removed" else (*CLASSES, DIED)

    def question(self) -> Question:
        """What is asked, in words."""
        removed = self.deaths == "removed"
        why = "a stay that ends in death has no length" if removed else "times and survival are known"
        return Question(
            title="Length of stay" if removed else "Length of stay, or death",
            asked=f"days from admittime to dischtime: {', '.join(self.classes)}",
            known=("length known", why),
            citation=CORE,
            scored=MACRO,
            whose="with a text, who left alive" if removed else "with a text",
        )

    @property
    def death_is_asked(self) -> bool:
        """Where it is one of the answers."""
        return self.deaths == "class"

    def asked(self, records: Records) -> pl.DataFrame:
        """The class of each admission; null where it has no end, or ended in death and deaths are removed."""
        days = (pl.col("dischtime") - pl.col("admittime")).dt.total_seconds() / 86_400
        # Halves go to the even tenth, as pandas rounds them for CORe: 3 days, 1 hour and 12 minutes are up to 3 days.
        days = days if self.days == "exact" else (days * 10).round(mode="half_to_even") / 10
        died = pl.lit(DIED if self.deaths == "class" else None, pl.String)
        label = pl.when(pl.col("hospital_expire_flag") == 1).then(died).otherwise(_class(days))
        known = records.admissions.filter(pl.col("hospital_expire_flag").is_in([0, 1]))
        return one_each(known.select("subject_id", "hadm_id", asked=label))


def _class(days: pl.Expr) -> pl.Expr:
    name: pl.Expr = pl.when(days.is_not_null()).then(pl.lit(CLASSES[-1]))
    for bound, shorter in reversed(list(zip(BOUNDS, CLASSES, strict=False))):
        name = pl.when(days <= bound).then(pl.lit(shorter)).otherwise(name)
    return name
