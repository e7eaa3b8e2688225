"""The notes of one stay that both releases have: its discharge summary and its radiology reports, and their oddities.

Every oddity is planted by chance that looks at neither conditions nor outcome (so the truth about the outcome stays
what it is), except a death that is stated. A note is kept in MIMIC-III's words; `spans` turns it into MIMIC-IV's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from chartune.made_up.admission_text import CANARY, Sections, write_sections
from chartune.made_up.dice import Dice
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import ORDINARY, Admission, Patient
from chartune.made_up.summary import hidden, summary, wrapped

NO_SUMMARY: Final = 0.015
"""Share of adult stays without a discharge summary."""
NO_SECTIONS: Final = 0.004
"""Share whose summary is a line without headings."""
WRONG_CHART: Final = 0.008
"""Share with another patient's summary in front, marked as an error (MIMIC-III)."""
COPIED: Final = 0.010
"""Share whose summary is filed twice (MIMIC-III)."""
ADDENDUM: Final = 0.040
EARLY_ADDENDUM: Final = 0.25
"""Share of addenda that MIMIC-III files before their report."""
RADIOLOGY: Final = (0.35, 0.12)
"""Shares of stays with a first and a second radiology report."""
RADIOLOGY_ADDENDUM: Final = 0.05
UNLINKED: Final = 0.12
"""Share of radiology reports without HADM_ID: of clinics and other units."""
ONE_WORD: Final = 0.012
"""Share of radiology reports whose whole text is `NA` or `null`."""
LATIN_1: Final = 0.002
"""Share of radiology reports with a byte that is no UTF-8; the third and fourth patient always have one."""

# fmt: off
STUDIES: Final = (
    ("CHEST (PORTABLE AP)", "C11", "71010"), ("CT HEAD W/O CONTRAST", "W111", "70450"),
    ("CHEST (PA & LAT)", "C14", "71020"), ("ABDOMEN (SUPINE & ERECT)", "A12", "74020"),
    ("RENAL U.S.", "U40", "76775"),
)
"""(name, MIMIC-IV's exam code, CPT code) of radiology studies."""
_FINDINGS = ("Heart size is normal.", "No acute fracture.", "Lungs are grossly clear.", "Lines are in place.",
             "Comparison is made to [**{day}**].", "Bibasilar atelectasis.", "Study is limited by motion.",
             "Patient is s\\p median sternotomy.", "Wet read: \"unchanged\".")
_ADDENDA = ("The discharge dose of furosemide was corrected.", "Pending cultures were negative at discharge.",
            "The appointment with Dr. [**Last Name (STitle) {n}**] was moved to [**{day}**].",
            "A copy was sent to the primary care office.")
# fmt: on


@dataclass(frozen=True, slots=True)
class Note:
    """One document of the chart, in MIMIC-III's words."""

    category: str
    """As MIMIC-III spells it, trailing blank included."""
    parts: tuple[str, ...]
    """Text, to be parted by blank lines."""
    taken: datetime
    timed: bool = True
    """Whether the clock is known, or only the date."""
    stored: datetime | None = None
    description: str = "Report"
    error: bool = False
    linked: bool = True
    """Whether the note says of which admission it is."""
    author: int | None = None
    both: bool = True
    """Whether MIMIC-IV has it as well."""
    study: int = 0
    """Index into STUDIES."""


@dataclass(slots=True)
class Written:
    """The notes of a stay and what they state."""

    notes: list[Note] = field(default_factory=list)
    sections: Sections | None = None
    """Those of the discharge summary; None: there is none, or it has none."""
    death_stated: bool = False
    """Whether a section gives the death away."""
    no_summary: bool = False
    canary: list[str] = field(default_factory=list)
    """Where the canary sings."""


def write_summary(
    dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, procedures: Sequence[str]
) -> Written:
    """The discharge summary of a stay, with what is filed beside it."""
    if patient.newborn:
        return Written([_filed(stay, _newborn_summary(dice, patient, stay))])
    if patient.index < ORDINARY:
        return _plain(dice, model, patient, stay, procedures)
    if dice.chance(NO_SUMMARY):
        return Written(no_summary=True)
    if dice.chance(NO_SECTIONS):
        return Written([_filed(stay, [f"See the dictated note of [**{hidden(stay.dischtime)}**]."])])
    wrong = [_of_somebody_else(dice, model, patient, stay)] if dice.chance(WRONG_CHART) else []
    death_stated = stay.died and dice.chance(model.death_stated)
    sections = write_sections(dice, model, patient, stay, tells_death=death_stated, canary=False)
    parts = summary(dice, model.conditions, patient, stay, sections, procedures, canary=False)
    report = _filed(stay, parts)
    reports = [report, replace(report, both=False)] if dice.chance(COPIED) else [report]
    if dice.chance(ADDENDUM):
        addendum = _filed(stay, _addendum(dice, patient, stay), description="Addendum")
        reports.insert(0 if dice.chance(EARLY_ADDENDUM) else len(reports), addendum)
    return Written(wrong + reports, sections, death_stated)


def _plain(dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, procedures: Sequence[str]) -> Written:
    """One summary without oddities; the first patient's hospital course and the second's social history sing."""
    second = patient.index == 1
    sections = write_sections(dice, model, patient, stay, tells_death=False, canary=second)
    parts = summary(dice, model.conditions, patient, stay, sections, procedures, canary=not second)
    return Written([_filed(stay, parts)], sections, canary=["social_history" if second else "hospital_course"])


def _of_somebody_else(dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission) -> Note:
    """A summary of the same age and dates with another's conditions: only its mark tells that it is wrong."""
    present = tuple(dice.chance(c.prevalence[patient.band]) for c in model.conditions)
    other = replace(stay, present=present, died=dice.chance(0.5))
    sections = write_sections(dice, model, patient, other, tells_death=False, canary=False)
    parts = summary(dice, model.conditions, patient, other, sections, canary=False)
    return replace(_filed(stay, parts), error=True, both=False)


def _filed(stay: Admission, parts: Sequence[str], description: str = "Report") -> Note:
    """A discharge summary has a date and no clock, neither when it was charted nor when it was stored."""
    return Note("Discharge summary", tuple(parts), stay.dischtime, timed=False, description=description)


def _addendum(dice: Dice, patient: Patient, stay: Admission) -> list[str]:
    sentences = " ".join(dice.some(_ADDENDA, dice.between(1, 2))).format(n=dice.below(1000), day=hidden(stay.dischtime))
    return [_dates(stay), f"Sex:   {patient.gender}", f"Addendum:\n{wrapped(sentences)}"]


def _newborn_summary(dice: Dice, patient: Patient, stay: Admission) -> list[str]:
    baby = "boy" if patient.gender == "M" else "girl"
    end = f"The infant died on [**{hidden(stay.dischtime)}**]." if stay.died else "Feeding well and discharged home."
    return [
        _dates(stay),
        "Service: NB",
        f"History of Present Illness:\nBaby {baby} born at {dice.between(34, 41)} weeks, Apgars {dice.between(5, 8)} "
        f"and {dice.between(8, 9)}.",
        f"Physical Exam:\nWeight {dice.between(1900, 4100)} grams. Anterior fontanelle soft.",
        f"Brief Hospital Course:\n{end}",
        "Discharge Instructions:\nN/A",
    ]


def _dates(stay: Admission) -> str:
    return f"Admission Date:  [**{hidden(stay.admittime)}**]     Discharge Date:   [**{hidden(stay.dischtime)}**]"


def write_radiology(dice: Dice, patient: Patient, stay: Admission) -> list[Note]:
    """Radiology reports of a stay; the first patient's sings."""
    sings = patient.index == 0
    foreign = patient.index in (2, 3) and stay.ordinal == 0
    notes: list[Note] = []
    for place, share in enumerate(RADIOLOGY):
        if dice.chance(share) or (place == 0 and (sings or foreign)):
            study, taken = dice.below(len(STUDIES)), within(dice, stay)
            text = _report(dice, stay, study, taken)
            word, byte = dice.chance(ONE_WORD), dice.chance(LATIN_1)
            if place == 0 and sings:
                text += f"\n{CANARY}"
            elif (place == 0 and foreign) or byte:
                text += "\nDr. Ren\udce9 was informed by telephone."  # the byte E9 alone: é in Latin-1, no UTF-8
            elif word:
                text = "NA" if dice.chance(0.5) else "null"
            linked = not dice.chance(UNLINKED) or (place == 0 and sings)
            note = Note("Radiology", (text,), taken, linked=linked, description=STUDIES[study][0], study=study)
            notes.append(note)
            if dice.chance(RADIOLOGY_ADDENDUM):
                notes.append(replace(note, parts=("ADDENDUM: The report was reviewed, no change.",),
                                     taken=taken + timedelta(hours=3)))  # fmt: skip
    return notes


def _report(dice: Dice, stay: Admission, study: int, taken: datetime) -> str:
    findings = " ".join(dice.some(_FINDINGS, dice.between(2, 4))).format(day=hidden(stay.admittime))
    clip = f"Clip # [**Clip Number (Radiology) {dice.below(99999)}**]"
    return f"[**{hidden(taken)}**] {STUDIES[study][0]}     {clip}\n\n{wrapped(findings)}"


def within(dice: Dice, stay: Admission) -> datetime:
    """A minute of the stay."""
    minutes = int((stay.dischtime - stay.admittime).total_seconds()) // 60
    return stay.admittime + timedelta(minutes=dice.below(minutes))
