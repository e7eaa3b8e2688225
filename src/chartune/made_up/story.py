"""Everything that happens to a patient, before any layout writes it down: both layouts tell the same story.

    Patient ─▶ Story: for each stay registration · ICU stays · procedures · bill · summary · radiology · ward notes

Each part has its own stream of draws, so that a layout that leaves one out, or writes more of another, changes nothing
else. The only difference between the layouts here is which admissions came to intensive care (`icu_stays`).
"""

from dataclasses import dataclass
from typing import Final

from chartune.made_up.billing import Bill, draw_bill, draw_procedures
from chartune.made_up.dice import Dice, Stream
from chartune.made_up.icu_stays import IcuStay, Layout, draw_icu_stays, with_cannulas
from chartune.made_up.notes_of_stay import Note, Written, write_radiology, write_summary
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import Admission, Patient
from chartune.made_up.register import Person, Registration, draw_person, referred, register
from chartune.made_up.ward_notes import write_ward_notes

NO_OUTTIME: Final = 0.003
"""Share of ICU stays whose end was never recorded."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One stay."""

    stay: Admission
    typed: Registration
    icu: tuple[IcuStay, ...]
    without_outtime: tuple[bool, ...]
    """For each ICU stay, whether its end was never recorded."""
    bill: Bill
    written: Written
    """The discharge summary and what it states."""
    radiology: list[Note]
    ward: list[Note]
    """Empty in MIMIC-IV."""


@dataclass(frozen=True, slots=True)
class Story:
    """One patient."""

    patient: Patient
    person: Person
    chapters: list[Chapter]


def write_story(dice: Dice, model: OutcomeModel, patient: Patient, layout: Layout) -> Story:
    """The story of a patient; `dice` is any of the patient's streams."""
    office, care, bills = dice.apart(Stream.REGISTER), dice.apart(Stream.CARE), dice.apart(Stream.BILL)
    leaving, airway = dice.apart(Stream.LEAVING), dice.apart(Stream.AIRWAY)
    author, radiologist, ward = dice.apart(Stream.SUMMARY), dice.apart(Stream.NOTES), dice.apart(Stream.MIMIC3)
    story = Story(patient, draw_person(office), [])
    for stay in patient.admissions:
        typed = register(office, patient, stay)
        icu = with_cannulas(airway, draw_icu_stays(care, model, patient, stay, layout))
        typed = referred(leaving, patient, stay, typed, ventilated=any(icu_stay.invasive for icu_stay in icu))
        procedures = draw_procedures(care, model, stay, icu)
        endless = tuple(care.chance(NO_OUTTIME) for _ in range(2))[: len(icu)]
        bill = draw_bill(bills, model, patient, stay, procedures, icu)
        written = write_summary(author, model, patient, stay, procedures)
        radiology = write_radiology(radiologist, patient, stay)
        notes = write_ward_notes(ward, model, patient, stay, icu) if layout == "mimic3" else []
        story.chapters.append(Chapter(stay, typed, icu, endless, bill, written, radiology, notes))
    return story
