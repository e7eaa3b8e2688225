"""A patient's rows in the tables: register, stays and bills, with the notes of each stay.

Patient ─write_chart─▶ Chart: PATIENTS 1 · ADMISSIONS n · DIAGNOSES_ICD n · NOTEEVENTS n rows
                              the ideal reader's trace of each admission text
                              how often each oddity of real charts was planted
"""

from datetime import timedelta
from typing import Final

from chartune.sources.made_up.admission_text import COMPLAINTS
from chartune.sources.made_up.codes import BACKGROUND, NEWBORN, UNLISTED
from chartune.sources.made_up.dice import Dice
from chartune.sources.made_up.mimic3_layout import Cell
from chartune.sources.made_up.notes_of_stay import Chart, write_notes
from chartune.sources.made_up.outcome import OutcomeModel
from chartune.sources.made_up.patients import OLDEST, ORDINARY, Admission, Patient

# fmt: off
INSURANCES: Final = ("Medicare", "Medicare", "Private", "Medicaid", "Government", "Self Pay")
LANGUAGES: Final = ("ENGL", "ENGL", "ENGL", None, None, "SPAN", "RUSS", "PTUN")
RELIGIONS: Final = ("CATHOLIC", "NOT SPECIFIED", "UNOBTAINABLE", "PROTESTANT QUAKER", "JEWISH", "OTHER", None)
MARRIAGES: Final = ("MARRIED", "SINGLE", "WIDOWED", "DIVORCED", "SEPARATED", None)
ETHNICITIES: Final = ("WHITE", "WHITE", "WHITE", "BLACK/AFRICAN AMERICAN", "HISPANIC OR LATINO", "ASIAN",
                      "UNKNOWN/NOT SPECIFIED")
ORIGINS: Final = ("EMERGENCY ROOM ADMIT", "CLINIC REFERRAL/PREMATURE", "TRANSFER FROM HOSP/EXTRAM",
                  "PHYS REFERRAL/NORMAL DELI")
DESTINATIONS: Final = ("HOME", "HOME HEALTH CARE", "SNF", "REHAB/DISTINCT PART HOSP", "LONG TERM CARE HOSPITAL")
# fmt: on

NO_DIAGNOSES: Final = 0.006
"""Share of stays that were never billed."""
EMPTY_CODE: Final = 0.004
UNLISTED_CODE: Final = 0.010
REPEATED_CODE: Final = 0.020


def write_chart(dice: Dice, model: OutcomeModel, patient: Patient) -> Chart:
    """All rows of a patient, in the order of the stays."""
    chart = Chart()
    chart.count("newborns", patient.newborn)
    chart.count("subjects_over_89", patient.age > OLDEST)
    chart.count("subjects_with_several_admissions", len(patient.admissions) > 1)
    chart.add("PATIENTS", *_register(dice, patient))
    person = (dice.pick(LANGUAGES), dice.pick(RELIGIONS), dice.pick(MARRIAGES), dice.pick(ETHNICITIES))
    for stay in patient.admissions:
        chart.add("ADMISSIONS", *_stay(dice, patient, stay, person))
        _bill(dice, model, chart, patient, stay)
        write_notes(dice, model, chart, patient, stay)
    return chart


def _register(dice: Dice, patient: Patient) -> tuple[Cell, ...]:
    inside = patient.dod if patient.died_in_hospital else None
    registered = patient.dod if patient.died_later or dice.chance(0.5) else None
    return (
        patient.subject_id, patient.gender, patient.dob, patient.dod, inside, registered, int(patient.dod is not None),
    )  # fmt: skip


def _stay(dice: Dice, patient: Patient, stay: Admission, person: tuple[str | None, ...]) -> tuple[Cell, ...]:
    kind = "NEWBORN" if patient.newborn else dice.weighted((("EMERGENCY", 0.84), ("ELECTIVE", 0.12), ("URGENT", 0.04)))
    emergency = kind == "EMERGENCY" and dice.chance(0.8)
    seen = stay.admittime - timedelta(minutes=dice.between(60, 600))
    left = stay.admittime + timedelta(minutes=dice.between(0, 120))
    return (
        patient.subject_id,
        stay.hadm_id,
        stay.admittime,
        stay.dischtime,
        stay.dischtime if stay.died else None,
        kind,
        ORIGINS[0] if emergency else dice.pick(ORIGINS[1:]),
        "DEAD/EXPIRED" if stay.died else dice.pick(DESTINATIONS),
        dice.pick(INSURANCES),
        *person,
        seen if emergency else None,
        left if emergency else None,
        "NEWBORN" if patient.newborn else dice.pick(COMPLAINTS)[1].upper(),
        int(stay.died),
        1,
    )


def _bill(dice: Dice, model: OutcomeModel, chart: Chart, patient: Patient, stay: Admission) -> None:
    """Codes for everything that the patient had, written about or not, among others by chance."""
    plain = patient.index < ORDINARY
    if dice.chance(NO_DIAGNOSES) and not plain:
        chart.count("admissions_without_diagnoses")
        return
    if patient.newborn:
        codes: list[str | None] = [dice.pick(NEWBORN[:2]), *dice.some(NEWBORN[2:], dice.between(1, 3))]
    else:
        had = (c.codes for c, has in zip(model.conditions, stay.present, strict=True) if has)
        codes = list(dict.fromkeys([code for some in had for code in some] + dice.some(BACKGROUND, dice.between(1, 4))))
    if not plain:
        _odd_codes(dice, chart, codes)
    for place, code in enumerate(codes, 1):
        chart.add("DIAGNOSES_ICD", patient.subject_id, stay.hadm_id, place if code else None, code)


def _odd_codes(dice: Dice, chart: Chart, codes: list[str | None]) -> None:
    for name, share, code in (
        ("codes_missing_from_dictionary", UNLISTED_CODE, UNLISTED),
        ("codes_repeated", REPEATED_CODE, codes[0]),
        ("codes_empty", EMPTY_CODE, None),
    ):
        if dice.chance(share):
            chart.count(name)
            codes.append(code)
