"""The bedside chart of one ICU stay: readings every few hours, and what was done.

    tube in ─ mode, device, PEEP, volumes, pressures every 2 to 4 h ─▶ tube out ─ oxygen every 4 h ─▶ room air
                                                        heart rate and saturation every 4 h throughout

The first reading of a spell on the ventilator stands at its start and the last at its end, so that the rules of
mimic-code find exactly the spells of `icu_stays`. Oddities are rows beside these, which a correct reader passes over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chartune.made_up import items
from chartune.made_up.dice import Dice
from chartune.made_up.icu_stays import IcuStay, Ventilation
from chartune.made_up.items import Item

ERROR: Final = 0.012
"""Per pair of vital signs: a ventilator reading that was entered by mistake and marked so (MIMIC-III, MetaVision)."""
DETACHED: Final = 0.010
"""Per set of ventilator readings: one without ICUSTAY_ID (MIMIC-III)."""
VALUELESS: Final = 0.010
"""Per set: one without a value (MIMIC-III)."""
BLANKS: Final = 0.08
"""Share of CareVue's oxygen devices with a trailing blank."""
YEAR_OFF: Final = 0.002
"""Share of heart rates whose time is one year off (MIMIC-IV)."""
HAMILTON: Final = 0.2
"""Share of spells on a Hamilton ventilator (MIMIC-IV)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One row of chart events."""

    item: Item
    charttime: datetime
    value: str | None
    number: float | None = None
    error: bool = False
    attached: bool = True
    """Whether it says of which ICU stay it is."""


@dataclass(frozen=True, slots=True)
class Done:
    """One row of procedure events."""

    item: Item
    start: datetime
    end: datetime
    continuous: bool


def readings(dice: Dice, icu_stay: IcuStay, *, metavision: bool, fourth: bool) -> Iterator[Reading]:
    """The chart of an ICU stay.

    Args:
        dice: the patient's stream of events.
        icu_stay: the ICU stay.
        metavision: which bedside system.
        fourth: MIMIC-IV, which lacks rows in error and has later machines.
    """
    yield from _vital_signs(dice, icu_stay, metavision, fourth)
    for spell in icu_stay.ventilation:
        if spell.invasive:
            yield from _on_ventilator(dice, spell, metavision, fourth)
        else:
            yield from _on_mask(dice, spell, metavision)
    for begins, ends in _afterwards(icu_stay):
        cut = icu_stay.cannula is not None and begins > icu_stay.cannula
        yield from _on_oxygen(dice, begins, ends, metavision, cut)


def procedures(dice: Dice, icu_stay: IcuStay) -> Iterator[Done]:
    """What MetaVision recorded as done."""
    for spell in icu_stay.ventilation:
        if spell.invasive:
            yield _task(items.INTUBATION, spell.start)
        yield Done(items.INVASIVE if spell.invasive else items.NONINVASIVE, spell.start, spell.end, True)
        if spell.ends_by in ("extubation", "patient"):
            yield _task(items.EXTUBATION if spell.ends_by == "extubation" else items.EXTUBATION_BY_PATIENT, spell.end)
    if icu_stay.invasive or dice.chance(0.2):
        begins = icu_stay.intime.replace(second=0) + timedelta(minutes=dice.between(10, 200))
        ends = begins + (icu_stay.outtime - begins) * 0.5
        yield Done(items.ARTERIAL_LINE, begins, ends.replace(second=0, microsecond=0), True)


def _task(item: Item, moment: datetime) -> Done:
    return Done(item, moment, moment + timedelta(minutes=1), False)


def _vital_signs(dice: Dice, icu_stay: IcuStay, metavision: bool, fourth: bool) -> Iterator[Reading]:
    """Every four hours, for two days at most."""
    for moment in _rhythm(
        dice, icu_stay.intime, min(icu_stay.outtime, icu_stay.intime + timedelta(hours=48)), 230, 240
    ):
        rate = dice.between(58, 124)
        off = timedelta(days=365) if fourth and dice.chance(YEAR_OFF) else timedelta()
        yield _number(items.HEART_RATE[metavision], moment + off, rate)
        yield _number(items.SATURATION[metavision], moment, dice.between(90, 100))
        if metavision and not fourth and dice.chance(ERROR):
            yield Reading(items.PEEP[1], moment, "5", 5.0, error=True)


def _on_ventilator(dice: Dice, spell: Ventilation, metavision: bool, fourth: bool) -> Iterator[Reading]:
    mode, device = items.MODE[metavision], items.DEVICE[metavision]
    modes: tuple[str, ...] = items.MODES[metavision]
    if fourth and dice.chance(HAMILTON):
        mode, modes = items.HAMILTON, ("APV (cmv)", "ASV", "SIMV", "P-CMV")
    peep = dice.pick((5, 5, 8, 10, 12))
    for place, moment in enumerate([*_rhythm(dice, spell.start, spell.end, 120, 235), spell.end]):
        last = moment == spell.end
        tube_out = last and spell.ends_by != "death"
        if tube_out and not metavision:
            how = "Extubated" if spell.ends_by == "extubation" else "Self Extubation"
            yield Reading(items.EVENT, moment, how)
        if tube_out:
            continue
        if place % 2 == 0:
            yield Reading(mode, moment, dice.pick(modes))
            yield _number(items.PLATEAU[metavision], moment, dice.between(15, 29))
        yield Reading(device, moment, _airway(spell, moment, metavision))
        yield _number(items.PEEP[metavision], moment, peep)
        yield _number(items.TIDAL[metavision], moment, dice.between(36, 60) * 10)
        yield _number(items.MINUTE[metavision], moment, dice.between(55, 130) / 10)
        if not fourth:
            yield from _odd(dice, moment, metavision)


def _airway(spell: Ventilation, moment: datetime, metavision: bool) -> str:
    cut = metavision and spell.cannula is not None and moment >= spell.cannula
    return items.CANNULA if cut else items.TUBE[metavision]


def _odd(dice: Dice, moment: datetime, metavision: bool) -> Iterator[Reading]:
    if dice.chance(DETACHED):
        volume = dice.between(30, 50) * 10
        yield Reading(items.TIDAL_OWN[metavision], moment, str(volume), float(volume), attached=False)
    if dice.chance(VALUELESS):
        yield Reading(items.PEAK[metavision], moment, None)


def _on_mask(dice: Dice, spell: Ventilation, metavision: bool) -> Iterator[Reading]:
    for moment in [*_rhythm(dice, spell.start, spell.end, 120, 235), spell.end]:
        yield Reading(items.DEVICE[metavision], moment, items.MASK[metavision])
        if metavision:
            yield _number(items.MASK_FLOW, moment, dice.between(4, 12))


def _afterwards(icu_stay: IcuStay) -> Iterator[tuple[datetime, datetime]]:
    """The times without a machine: before, between and after the spells on one."""
    begins = icu_stay.intime
    for spell in icu_stay.ventilation:
        yield begins, spell.start
        begins = spell.end
    yield begins, min(icu_stay.outtime, begins + timedelta(hours=36))


def _on_oxygen(dice: Dice, begins: datetime, ends: datetime, metavision: bool, cut: bool) -> Iterator[Reading]:
    drawn = dice.pick(items.OXYGEN[metavision])
    device = items.TRACH_MASK[metavision] if cut else drawn
    moments = _rhythm(dice, begins + timedelta(minutes=30), ends - timedelta(minutes=30), 200, 240)
    for place, moment in enumerate(moments):
        # `None` is a value: the patient breathes room air. Readers that take it for a null lose it.
        value = "None" if place > 4 else device
        padded = not metavision and value != "None" and dice.chance(BLANKS)
        yield Reading(items.DEVICE[metavision], moment, f"{value} " if padded else value)
        if value != "None":
            yield _number(items.FLOW[metavision], moment, dice.between(2, 10))


def _rhythm(dice: Dice, begins: datetime, ends: datetime, least: int, most: int) -> Iterator[datetime]:
    """Moments from `begins` on, so many minutes apart, before `ends`; whole minutes."""
    moment = begins.replace(second=0)
    while moment < ends:
        yield moment
        moment += timedelta(minutes=dice.between(least, most))


def _number(item: Item, moment: datetime, number: float) -> Reading:
    return Reading(item, moment, f"{number:g}", float(number))
