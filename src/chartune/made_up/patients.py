"""Made-up patients: who they are, when they came, what they had and whether they lived.

    Patient ──┬── Admission 0 ── survived ──▶ Admission 1 ── died
              └── newborns have one admission and none of the conditions

Dates lie in the twenty-second century, as after the de-identification of MIMIC; nobody's birthday falls between two
admissions, so that a patient has one age. Ids of MIMIC-IV are those of MIMIC-III with a digit in front.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chartune.made_up.background import draw_acute, draw_chronic
from chartune.made_up.care import minutes_of_stay
from chartune.made_up.conditions import BANDS
from chartune.made_up.dice import Dice, Stream
from chartune.made_up.outcome import OutcomeModel, p_death

NEWBORNS: Final = 0.02
"""Share of subjects who come to the world here."""
NEWBORN_DEATHS: Final = 0.01
LATER_DEATHS: Final = 0.15
"""Share of survivors with a date of death after their last stay, from the social security register."""
ORDINARY: Final = 2
"""The first subjects are adults with one stay and one plain summary: they carry the canary."""
REAL_YEARS: Final = (
    (2008, 0.10), (2009, 0.10), (2010, 0.09), (2011, 0.09), (2012, 0.08), (2013, 0.08), (2014, 0.07), (2015, 0.07),
    (2016, 0.08), (2017, 0.08), (2018, 0.08), (2019, 0.08),
)  # fmt: skip
"""(real year of the first admission, share of subjects)."""
LAST_YEAR_OF_NINE: Final = 2014
"""Real year up to which MIMIC-IV's layout bills in ICD-9; afterwards in ICD-10."""
OLDEST: Final = 89
"""Above it an age is hidden: the date of birth is moved to 300 years before the first admission."""


@dataclass(frozen=True, slots=True)
class Admission:
    """One stay in hospital."""

    hadm_id: int
    ordinal: int
    """How many stays of the patient came before."""
    admittime: datetime
    dischtime: datetime
    died: bool
    present: tuple[bool, ...]
    """Which of the model's conditions the patient has; empty for a newborn."""
    background: tuple[bool, ...] = ()
    """Which of BACKGROUNDS, which have no bearing on the outcome; empty for a newborn."""


@dataclass(frozen=True, slots=True)
class Patient:
    """One subject with all stays."""

    subject_id: int
    index: int
    """Place in the hospital, from 0."""
    gender: str
    """`F` or `M`."""
    age: int
    """Years at every stay; 0 for newborns."""
    band: int
    """Index into BANDS."""
    dob: datetime
    newborn: bool
    admissions: tuple[Admission, ...]
    died_later: datetime | None
    """Date of death after the last stay."""
    real_year: int = REAL_YEARS[0][0]
    """The year in which the first admission really was, before dates were shifted."""

    @property
    def died_in_hospital(self) -> bool:
        """Whether the last stay ended in death."""
        return self.admissions[-1].died

    @property
    def dod(self) -> datetime | None:
        """The date of death at midnight, wherever it happened."""
        return midnight(self.admissions[-1].dischtime) if self.died_in_hospital else self.died_later


def subject_number(index: int) -> int:
    """SUBJECT_ID: rising, with gaps as in a hospital's register."""
    return 10_000 + 3 * index + index * 7919 % 3


def admission_number(index: int, ordinal: int) -> int:
    """HADM_ID: six digits in no order for the first 33,000 subjects; unique for any number of them."""
    stay, block = index * 3 + ordinal, 99_991
    return 100_001 + stay // block * 100_000 + stay * 31_337 % block


def icu_stay_number(index: int, ordinal: int, place: int) -> int:
    """ICUSTAY_ID of the first or second (`place` 0, 1) ICU stay of an admission, as HADM_ID but from 200,001."""
    stay, block = (index * 3 + ordinal) * 2 + place, 99_991
    return 200_001 + stay // block * 100_000 + stay * 31_337 % block


def icd_version(patient: Patient, stay: Admission) -> int:
    """In which version MIMIC-IV's layout bills a stay: by its real year, never two versions in one admission."""
    real = patient.real_year + stay.admittime.year - patient.admissions[0].admittime.year
    return 9 if real <= LAST_YEAR_OF_NINE else 10


def draw_patient(dice: Dice, model: OutcomeModel, index: int) -> Patient:
    """The `index`-th patient of the hospital."""
    arrival = datetime(dice.between(2101, 2198), 1, 1) + timedelta(minutes=dice.below(365 * 24 * 60))  # noqa: DTZ001
    gender = "F" if dice.chance(0.46) else "M"
    if dice.chance(NEWBORNS) and index >= ORDINARY:
        return _newborn(dice, index, gender, arrival)
    band = dice.weighted(tuple(enumerate(model.band_weights)))
    age = dice.between(*BANDS[band])
    often = dice.roll()
    stays = sum(often < reach for reach in model.stays)
    if index < ORDINARY:
        age, stays = min(age, OLDEST), 1
    admissions = _stays(dice, model, index, band, arrival, stays)
    besides = dice.apart(Stream.BACKGROUND)
    admissions = _with_background(besides, admissions, band, gender)
    birthday = midnight(arrival) - timedelta(days=dice.between(0, 40))
    later = not admissions[-1].died and dice.chance(LATER_DEATHS)
    return Patient(
        subject_id=subject_number(index),
        index=index,
        gender=gender,
        age=age,
        band=band,
        dob=_years_before(birthday, 300 if age > OLDEST else age),
        newborn=False,
        admissions=admissions,
        died_later=midnight(admissions[-1].dischtime) + timedelta(days=dice.between(5, 900)) if later else None,
        real_year=besides.weighted(REAL_YEARS),
    )


def _stays(
    dice: Dice, model: OutcomeModel, index: int, band: int, arrival: datetime, stays: int
) -> tuple[Admission, ...]:
    """Up to `stays` admissions; acute conditions are drawn anew each time, death ends the series."""
    chronic = [c.chronic and dice.chance(c.prevalence[band]) for c in model.conditions]
    admissions: list[Admission] = []
    for ordinal in range(stays):
        present = tuple(
            chronic[i] if c.chronic else dice.chance(c.prevalence[band]) for i, c in enumerate(model.conditions)
        )
        died = dice.chance(p_death(model, band, present))
        leaves = arrival + timedelta(minutes=minutes_of_stay(dice, model.conditions, present, died))
        admissions.append(Admission(admission_number(index, ordinal), ordinal, arrival, leaves, died, present))
        if died:
            break
        arrival = leaves + timedelta(minutes=dice.between(4 * 24 * 60, 100 * 24 * 60))
    return tuple(admissions)


def _with_background(dice: Dice, admissions: tuple[Admission, ...], band: int, gender: str) -> tuple[Admission, ...]:
    chronic = draw_chronic(dice, band, gender)
    return tuple(replace(stay, background=draw_acute(dice, band, gender, chronic)) for stay in admissions)


def _newborn(dice: Dice, index: int, gender: str, arrival: datetime) -> Patient:
    died = dice.chance(NEWBORN_DEATHS)
    stay = Admission(
        admission_number(index, 0), 0, arrival, arrival + timedelta(minutes=dice.between(1500, 9000)), died, ()
    )
    return Patient(subject_number(index), index, gender, 0, 0, midnight(arrival), True, (stay,), None)


def _years_before(day: datetime, years: int) -> datetime:
    # Nobody is born on 29 February, which most years lack.
    return day.replace(year=day.year - years, day=min(day.day, 28))


def midnight(moment: datetime) -> datetime:
    """The day without the clock."""
    return moment.replace(hour=0, minute=0)
