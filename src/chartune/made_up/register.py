"""What the admission office knows of a stay, in the words of no layout: times as they were typed, place in each list.

Typing errors are here, not in the patient: notes and bedside events keep the true times.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from chartune.made_up.admission_text import COMPLAINTS
from chartune.made_up.dice import Dice
from chartune.made_up.patients import ORDINARY, Admission, Patient

Kind = Literal["NEWBORN", "EMERGENCY", "ELECTIVE", "URGENT"]

BACKWARDS: Final = 0.004
"""Share of stays whose end is typed before their beginning, or that begin after death, for organ donation."""
DEATH_ELSEWHEN: Final = 0.04
"""Share of deaths whose time is not the time of discharge."""
HOSPICES, ACUTE_HOSPITAL, PSYCHIATRY = (5, 6), 7, 8
"""Places in the layouts' lists of destinations; those before them are the usual ones."""
REFERRED: Final = ((5, 0.02), (6, 0.02), (7, 0.02), (8, 0.01), (None, 0.93))
"""(place in the lists of destinations, share of survivors who go there); None: as the office had typed."""
REFERRED_EARLY: Final = ((5, 0.08), (6, 0.08), (7, 0.35), (8, 0.04), (None, 0.45))
"""The same of those who were on a ventilator and leave within `EARLY`: hardly anybody is well by then."""
EARLY: Final = timedelta(days=7.5)
FAMILIES: Final = 7
"""Entries of each layout's list of ethnicities; the other lists are as long as below."""


@dataclass(frozen=True, slots=True)
class Person:
    """What stays the same from one admission to the next: places in the layouts' lists."""

    language: int
    religion: int
    marriage: int
    ethnicity: int
    registered: bool
    """Whether the social security register knows of a death in hospital."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One stay as it was typed."""

    admittime: datetime
    dischtime: datetime
    deathtime: datetime | None
    kind: Kind
    emergency: bool
    """Came through the emergency department."""
    edregtime: datetime | None
    edouttime: datetime | None
    origin: int
    destination: int
    insurance: int
    complaint: str
    pick: float
    """A number in [0, 1) for what only one layout distinguishes."""

    @property
    def backwards(self) -> bool:
        """Whether it ends before it begins."""
        return self.dischtime < self.admittime


def draw_person(dice: Dice) -> Person:
    """The unchanging facts."""
    return Person(dice.below(8), dice.below(7), dice.below(6), dice.below(FAMILIES), dice.chance(0.5))


def register(dice: Dice, patient: Patient, stay: Admission) -> Registration:
    """One stay as the office typed it."""
    kind: Kind = dice.weighted((("EMERGENCY", 0.84), ("ELECTIVE", 0.12), ("URGENT", 0.04)))
    kind = "NEWBORN" if patient.newborn else kind
    emergency = kind == "EMERGENCY" and dice.chance(0.8)
    waited, lingered = timedelta(minutes=dice.between(60, 600)), timedelta(minutes=dice.between(0, 120))
    admittime, dischtime, deathtime = _typed(dice, patient, stay)
    return Registration(
        admittime,
        dischtime,
        deathtime,
        kind,
        emergency,
        stay.admittime - waited if emergency else None,
        stay.admittime + lingered if emergency else None,
        dice.below(3),
        dice.below(5),
        dice.below(6),
        "NEWBORN" if patient.newborn else dice.pick(COMPLAINTS)[1].upper(),
        dice.roll(),
    )


def referred(dice: Dice, patient: Patient, stay: Admission, typed: Registration, *, ventilated: bool) -> Registration:
    """The stay of a survivor as typed, with a hospice or another hospital in place of home for some."""
    early = ventilated and stay.dischtime - stay.admittime < EARLY
    place = dice.weighted(REFERRED_EARLY if early else REFERRED)
    if place is None or stay.died or patient.newborn or patient.index < ORDINARY:
        return typed
    return replace(typed, destination=place)


def _typed(dice: Dice, patient: Patient, stay: Admission) -> tuple[datetime, datetime, datetime | None]:
    """Admission, discharge, death."""
    begins, ends = stay.admittime, stay.dischtime
    wrong, elsewhen = dice.chance(BACKWARDS), dice.chance(DEATH_ELSEWHEN)
    off = timedelta(minutes=dice.between(20, 600))
    after = dice.chance(0.3)
    if patient.index < ORDINARY or not (wrong or elsewhen):
        return begins, ends, ends if stay.died else None
    if wrong:
        return (ends + off, ends, ends) if stay.died else (begins, begins - off, None)
    return begins, ends, (ends + off if after else ends - off) if stay.died else None
