"""Stays in intensive care, and when a ventilator breathed for the patient.

    admission  ├──────────────────────────────────────┤
    ICU stay      ├─────────────────────────────┤
    ventilation     ├──────────┤ extubated  ├────────┤ extubated, or died

Who needs it is read off the conditions (`care`). MIMIC-III holds hardly anything but patients of intensive care,
MIMIC-IV the whole hospital: a layout takes the stays that are needed enough.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from chartune.made_up.care import CARE, p_ventilated
from chartune.made_up.dice import Dice
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import Admission, Patient, icu_stay_number

Layout = Literal["mimic3", "mimic4"]

SHARE_3: Final = 0.97
"""Share of admissions of MIMIC-III with intensive care."""
SHARE_4: Final = (0.22, 0.85)
"""The same for MIMIC-IV, of patients without and with a severe condition."""
SEVERE: Final = 4.0
"""Days of stay from which a condition counts as severe."""
TWICE: Final = 0.08
"""Share of stays that go back to intensive care, if there is time for it."""
REINTUBATED: Final = 0.15
TUBE_OUT_BY_PATIENT: Final = 0.08
"""Share of extubations that the patient did."""
NONINVASIVE: Final = 0.10
"""Share of the others who get a mask for some hours."""
CANNULA: Final = 0.4
"""Share of spells of more than `LONG` that go on through a cannula, which replaces the tube."""
LONG: Final = timedelta(days=4)
METAVISION: Final = 0.45
"""Share of MIMIC-III's ICU stays that its second bedside system recorded."""
PROLONGED: Final = timedelta(days=6.75)
"""Ventilation counts as prolonged from this span on, first start to last end (Huang et al., 2020)."""


@dataclass(frozen=True, slots=True)
class Ventilation:
    """One spell on a ventilator."""

    start: datetime
    end: datetime
    invasive: bool = True
    ends_by: Literal["extubation", "patient", "death", "mask off"] = "extubation"
    cannula: datetime | None = None
    """When a cannula took the place of the tube."""


@dataclass(frozen=True, slots=True)
class IcuStay:
    """One stay in intensive care."""

    icustay_id: int
    intime: datetime
    outtime: datetime
    unit: int
    """Index into the layouts' names of care units; -1: newborns'."""
    metavision: bool
    """MIMIC-III: recorded by MetaVision rather than CareVue."""
    ventilation: tuple[Ventilation, ...]

    @property
    def invasive(self) -> tuple[Ventilation, ...]:
        """The spells with a tube."""
        return tuple(v for v in self.ventilation if v.invasive)

    @property
    def cannula(self) -> datetime | None:
        """When the first tube became a cannula; None: none did."""
        return min((v.cannula for v in self.ventilation if v.cannula), default=None)

    @property
    def prolonged(self) -> bool:
        """Whether ventilation counts as prolonged, gaps included."""
        tubes = self.invasive
        return bool(tubes) and tubes[-1].end - tubes[0].start >= PROLONGED


def draw_icu_stays(
    dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, layout: Layout
) -> tuple[IcuStay, ...]:
    """The ICU stays of an admission, at most two; every layout that has one has the same."""
    needed, unit, metavision = dice.roll(), dice.below(5), dice.chance(METAVISION)
    if patient.newborn:
        number = icu_stay_number(patient.index, 0, 0)
        crib = IcuStay(number, stay.admittime, stay.dischtime, -1, metavision, ())
        return (crib,) if needed < SHARE_3 else ()
    ventilated = dice.chance(p_ventilated(model.conditions, stay.present))
    begins, ends = _first(dice, stay, ventilated)
    back = ends + timedelta(minutes=dice.between(18 * 60, 48 * 60))
    again = dice.chance(TWICE) and not stay.died and stay.dischtime - back > timedelta(hours=10)
    spells = _tubes(dice, stay, begins, ends) if ventilated else _mask(dice, begins, ends)
    first, second = (icu_stay_number(patient.index, stay.ordinal, place) for place in (0, 1))
    stays = [IcuStay(first, begins, ends, unit, metavision, spells)]
    if again:
        ends = _second(back + (stay.dischtime - back) * 0.7)
        stays.append(IcuStay(second, back, ends, unit, metavision, ()))
    return tuple(stays) if ventilated or needed < _share(model, stay, layout) else ()


def with_cannulas(dice: Dice, stays: tuple[IcuStay, ...]) -> tuple[IcuStay, ...]:
    """The ICU stays of an admission, in which some long spells go on through a cannula; all times stay as they are."""
    cuts = [(dice.chance(CANNULA), 0.4 + 0.3 * dice.roll()) for _ in range(2)]  # as many as there can be spells
    return tuple(
        replace(icu_stay, ventilation=tuple(_cut(v, *cut) for v, cut in zip(icu_stay.ventilation, cuts, strict=False)))
        for icu_stay in stays
    )


def _cut(spell: Ventilation, wanted: bool, share: float) -> Ventilation:
    lasts = spell.end - spell.start
    fits = wanted and spell.invasive and lasts > LONG
    return replace(spell, cannula=_minute(spell.start + lasts * share)) if fits else spell


def _share(model: OutcomeModel, stay: Admission, layout: Layout) -> float:
    if layout == "mimic3":
        return SHARE_3
    severe = any(has and CARE[c.name].days >= SEVERE for c, has in zip(model.conditions, stay.present, strict=True))
    return SHARE_4[severe]


def _first(dice: Dice, stay: Admission, ventilated: bool) -> tuple[datetime, datetime]:
    begins = stay.admittime + timedelta(seconds=dice.below(2 * 3600))
    rest = stay.dischtime - begins
    if stay.died:
        return begins, _second(stay.dischtime)
    share = 0.6 + 0.35 * dice.roll() if ventilated else 0.2 + 0.6 * dice.roll()
    return begins, _second(begins + max(rest * share, timedelta(hours=8)))


def _tubes(dice: Dice, stay: Admission, begins: datetime, ends: datetime) -> tuple[Ventilation, ...]:
    """One or two spells on the ventilator within an ICU stay."""
    start = _minute(begins + timedelta(minutes=dice.between(10, 240)))
    room = ends - start
    on_it = stay.died and dice.chance(0.5)
    length = room * (0.15 + 0.8 * dice.roll())
    if on_it:
        return (Ventilation(start, _minute(ends), ends_by="death"),)
    first = Ventilation(start, _minute(start + max(length, timedelta(hours=4))), ends_by=_out(dice))
    again = first.end + timedelta(minutes=dice.between(10 * 60, 40 * 60))
    if dice.chance(REINTUBATED) and ends - again > timedelta(hours=12):
        second = Ventilation(again, _minute(again + (ends - again) * (0.3 + 0.6 * dice.roll())), ends_by=_out(dice))
        return first, second
    return (first,)


def _mask(dice: Dice, begins: datetime, ends: datetime) -> tuple[Ventilation, ...]:
    if not dice.chance(NONINVASIVE):
        return ()
    start = _minute(begins + timedelta(minutes=dice.between(10, 180)))
    end = start + min(timedelta(minutes=dice.between(6 * 60, 30 * 60)), (ends - start) * 0.8)
    return (Ventilation(start, _minute(end), False, "mask off"),)


def _out(dice: Dice) -> Literal["extubation", "patient"]:
    return "patient" if dice.chance(TUBE_OUT_BY_PATIENT) else "extubation"


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
