"""Notes of the wards that MIMIC-III has and MIMIC-IV has not: nursing, physicians, respiratory therapy, ECG, echo.

Written during the stay, they tell what was known then: acute conditions that nobody had yet seen are left out, and
whether a tube was in. MetaVision has `Nursing`, `Physician ` and `Respiratory ` (the blank is real), CareVue
`Nursing/other`. ECG and echo have a date without a clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from chartune.made_up.conditions import Condition
from chartune.made_up.dice import Dice
from chartune.made_up.icu_stays import IcuStay
from chartune.made_up.notes_of_stay import UNLINKED, Note, within
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import Admission, Patient
from chartune.made_up.summary import hidden, wrapped

WITHDRAWN: Final = 0.03
"""Share of ward notes marked as an error."""
ONE_WORD: Final = 0.004
"""Share of nursing notes whose whole text is `NA` or `null`."""
ECG: Final = 0.25
ECHO: Final = 0.08
MENTIONED: Final = 0.6
"""P(a note mentions a condition | present)."""

# fmt: off
_NURSING = ("Pt slept in naps.", "Family in to visit.", "Turned q2h.", "Foley draining clear yellow urine.",
            "Tolerating diet.", "Lungs coarse, suctioned for scant secretions.", "Afebrile this shift.",
            "Plan: continue present management.", "Pt states \"I want to go home\".", "Sats 97% on 2L n\\c.")
_TUBE = ("Remains intubated and sedated.", "Vented on AC, PEEP 8.", "Weaning vent as tolerated.",
         "Failed SBT this morning.", "Tolerating PSV well.")
_NO_TUBE = ("Breathing comfortably.", "On nasal cannula.", "No resp distress.", "Extubation not needed, no tube.")
_ROLES = ("Physician Resident Admission Note", "Physician Resident Progress Note", "Intensivist Note")
_ECGS = ("Sinus rhythm. Normal tracing.", "Sinus tachycardia.", "Non-specific ST-T wave changes.",
         "Atrial premature beats. No previous tracing available for comparison.")
_ECHOS = ("LVEF>55%. No pericardial effusion.", "Mild mitral regurgitation. Suboptimal image quality.",
          "LVEF 40%. Moderately dilated left atrium.")
# fmt: on


def write_ward_notes(
    dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, icu: Sequence[IcuStay]
) -> list[Note]:
    """Ward notes of a stay, in no order of time."""
    notes = [
        Note(category, (dice.pick(texts),), within(dice, stay), timed=False, both=False)
        for category, share, texts in (("ECG", ECG, _ECGS), ("Echo", ECHO, _ECHOS))
        if dice.chance(share) and not patient.newborn
    ]
    for icu_stay in icu:
        notes += [_nursing(dice, model, stay, icu_stay) for _ in range(dice.between(1, 2))]
        if icu_stay.metavision and icu_stay.unit >= 0:
            notes += [_physician(dice, model, patient, stay, icu_stay, first) for first in (True, False)]
        if icu_stay.metavision and icu_stay.invasive:
            notes += [_respiratory(dice, icu_stay) for _ in range(dice.between(1, 2))]
    return notes


def _nursing(dice: Dice, model: OutcomeModel, stay: Admission, icu_stay: IcuStay) -> Note:
    taken = _moment(dice, icu_stay, 0.0, 1.0)
    sentences = [*dice.some(_NURSING, dice.between(2, 4)), _breathing(dice, icu_stay, taken)]
    sentences += [f"Being treated for {dice.pick(c.forms)}." for c in _seen(dice, model, stay, taken)]
    text = wrapped("NPN: " + " ".join(dice.shuffled(sentences)))
    if icu_stay.unit < 0:
        text = "NPN: Infant swaddled in open crib, feeding q3h, voiding and stooling."
    if dice.chance(ONE_WORD):
        text = "NA" if dice.chance(0.5) else "null"
    category = "Nursing" if icu_stay.metavision else "Nursing/other"
    description = "Nursing Progress Note" if icu_stay.metavision else "Report"
    return _ward_note(dice, category, description, taken, text)


def _physician(
    dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, icu_stay: IcuStay, first: bool
) -> Note:
    soon = icu_stay.intime.replace(second=0) + timedelta(minutes=dice.between(30, 360))
    taken = soon if first else _moment(dice, icu_stay, 0.3, 1.0)
    seen = _seen(dice, model, stay, taken)
    plan = "\n".join(f"- {dice.pick(c.forms)}: {c.course}." for c in seen) or "- Supportive care."
    text = (
        f"TITLE:\n24 Hour Events: {_breathing(dice, icu_stay, taken)}\n"
        f"HPI: {patient.age if patient.age < 90 else '>90'}yo "
        f"{patient.gender}, hospital day {(taken - stay.admittime).days + 1}, seen on [**{hidden(taken)}**].\n"
        f"ASSESSMENT AND PLAN\n{plan}\nICU Care: heparin SC, PPI.\nTotal time spent: {dice.between(20, 60)} minutes"
    )
    return _ward_note(dice, "Physician ", _ROLES[0] if first else dice.pick(_ROLES[1:]), taken, text)


def _respiratory(dice: Dice, icu_stay: IcuStay) -> Note:
    taken = _moment(dice, icu_stay, 0.0, 1.0)
    text = (
        f"Demographics\nDay of mechanical ventilation: {(taken - icu_stay.invasive[0].start).days + 1}\n"
        f"Tube Type\nETT: {dice.pick(('7.0', '7.5', '8.0'))} mm\nLung sounds: {dice.pick(('Clear', 'Rhonchi'))}\n"
        f"Comments: {_breathing(dice, icu_stay, taken)}"
    )
    return _ward_note(dice, "Respiratory ", "Respiratory Care Shift Note", taken, text)


def _ward_note(dice: Dice, category: str, description: str, taken: datetime, text: str) -> Note:
    stored = taken + timedelta(minutes=dice.between(1, 240))
    error, unlinked = dice.chance(WITHDRAWN), dice.chance(UNLINKED / 4)
    return Note(
        category, (text,), taken, stored=stored, description=description, error=error, linked=not unlinked,
        author=dice.between(14000, 21500), both=False,
    )  # fmt: skip


def _seen(dice: Dice, model: OutcomeModel, stay: Admission, taken: datetime) -> list[Condition]:
    """Acute conditions that the author mentions; what nobody knew on arrival is seen in the second half of the stay."""
    late = taken - stay.admittime > (stay.dischtime - stay.admittime) / 2
    return [
        c
        for c, has in zip(model.conditions, stay.present, strict=False)
        if has and not c.chronic and (late or c.where != "hidden") and dice.chance(MENTIONED)
    ]


def _breathing(dice: Dice, icu_stay: IcuStay, taken: datetime) -> str:
    tube = any(v.start <= taken <= v.end for v in icu_stay.invasive)
    return dice.pick(_TUBE if tube else _NO_TUBE)


def _moment(dice: Dice, icu_stay: IcuStay, first: float, last: float) -> datetime:
    """A minute of the ICU stay, between two shares of it."""
    moment = icu_stay.intime + (icu_stay.outtime - icu_stay.intime) * (first + (last - first) * dice.roll())
    return moment.replace(second=0, microsecond=0)
