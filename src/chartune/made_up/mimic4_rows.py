"""A patient's story as rows of MIMIC-IV and MIMIC-IV-Note; newborns are left out, as there.

hosp/ patients 1 · admissions · diagnoses_icd · procedures_icd; icu/ icustays, events in `mimic4_events`; note/ in
`mimic4_notes`. Ids are those of MIMIC-III with a digit in front.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from chartune.made_up.billing import Bill
from chartune.made_up.chart import Chart, add_truth, count_chapter, count_icu_stay, count_patient
from chartune.made_up.diagnosis_codes import DIAGNOSES, UNLISTED
from chartune.made_up.dice import Dice, Stream
from chartune.made_up.items import ITEMS
from chartune.made_up.mimic4_events import add_events
from chartune.made_up.mimic4_notes import Notes
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import OLDEST, Patient, icd_version, midnight
from chartune.made_up.procedure_codes import BRIEFLY_VENTILATED, PROCEDURES, UNLISTED_PROCEDURE
from chartune.made_up.register import Person
from chartune.made_up.spans import mimic4_sections
from chartune.made_up.story import Chapter, Story, write_story
from chartune.made_up.table_file import Cell

SUBJECT, HADM, STAY = 10_000_000, 20_000_000, 30_000_000
"""What is added to MIMIC-III's ids."""
WIDTH: Final = 7
"""Characters of an ICD code's column in the hospital's database; old releases fill it with blanks."""
ANCIENT: Final = 91
"""anchor_age of everybody above 89."""
CENSORED: Final = timedelta(days=365)
"""After the last discharge no death is known."""

# fmt: off
KINDS: Final = {
    "EMERGENCY": ("EW EMER.", "EW EMER.", "EW EMER.", "DIRECT EMER.", "OBSERVATION ADMIT", "EU OBSERVATION"),
    "ELECTIVE": ("ELECTIVE", "SURGICAL SAME DAY ADMISSION"), "URGENT": ("URGENT",),
}
INSURANCES: Final = ("Medicare", "Medicare", "Other", "Medicaid", "Other", "Other")
LANGUAGES: Final = ("ENGLISH", "ENGLISH", "ENGLISH", "ENGLISH", "ENGLISH", "?", "?", "ENGLISH")
MARRIAGES: Final = ("MARRIED", "SINGLE", "WIDOWED", "DIVORCED", "SINGLE", None)
RACES: Final = ("WHITE", "WHITE", "WHITE - OTHER EUROPEAN", "BLACK/AFRICAN AMERICAN", "HISPANIC/LATINO - PUERTO RICAN",
                "ASIAN", "UNKNOWN")
EMERGENCY: Final = "EMERGENCY ROOM"
ORIGINS: Final = ("CLINIC REFERRAL", "TRANSFER FROM HOSPITAL", "PHYSICIAN REFERRAL")
DESTINATIONS: Final = ("HOME", "HOME HEALTH CARE", "SKILLED NURSING FACILITY", "REHAB", None, "HOSPICE", "HOSPICE",
                       "ACUTE HOSPITAL", "PSYCH FACILITY")
UNITS: Final = ("Medical Intensive Care Unit (MICU)", "Surgical Intensive Care Unit (SICU)",
                "Coronary Care Unit (CCU)", "Cardiac Vascular Intensive Care Unit (CVICU)", "Trauma SICU (TSICU)")
# fmt: on
IN_BOTH_VERSIONS: Final = frozenset(DIAGNOSES) & {entry.ten for entry in DIAGNOSES.values()}
"""Code strings that mean one thing in ICD-9-CM and another in ICD-10-CM."""


def dictionaries() -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """(table, cells) of the dictionaries: ICD-9 before ICD-10."""
    for nine, entry in DIAGNOSES.items():
        yield "hosp/d_icd_diagnoses", (nine, 9, entry.nine_title)
    for ten, title in sorted((e.ten, e.ten_title) for e in DIAGNOSES.values() if e.ten):
        yield "hosp/d_icd_diagnoses", (ten, 10, title)
    for done in PROCEDURES.values():
        yield "hosp/d_icd_procedures", (done.nine, 9, done.nine_title)
    for ten, title in sorted([BRIEFLY_VENTILATED, *((p.ten, p.ten_title) for p in PROCEDURES.values())]):
        yield "hosp/d_icd_procedures", (ten, 10, title)
    for item in (item for item in ITEMS if item.metavision):
        table = "procedureevents" if item.procedure else "chartevents"
        kind = "Processes" if item.procedure else item.param_type
        yield "icu/d_items", (
            item.itemid, item.label, item.abbreviation, table, item.category, item.unit, kind, None, None,
        )  # fmt: skip


def write_mimic4(dice: Dice, model: OutcomeModel, patient: Patient, events: bool) -> Chart:
    """All rows of a patient, in the order of the stays; none for a newborn."""
    chart = Chart()
    if patient.newborn:
        return chart
    story = write_story(dice, model, patient, "mimic4")
    own, bedside = dice.apart(Stream.MIMIC4), dice.apart(Stream.EVENTS)
    notes = Notes(own, chart, SUBJECT + patient.subject_id)
    count_patient(chart, story, deaths=patient.died_in_hospital)
    chart.add("hosp/patients", *_person(story))
    for chapter in story.chapters:
        hadm_id = HADM + chapter.stay.hadm_id
        count_chapter(chart, chapter)
        chart.add("hosp/admissions", *_admission(own, patient, story.person, chapter))
        _bill(own, chart, patient, chapter)
        _icu_stays(chart, patient, chapter)
        if events:
            for icu_stay in chapter.icu:
                add_events(
                    bedside, chart, (SUBJECT + patient.subject_id, hadm_id, STAY + icu_stay.icustay_id), icu_stay
                )
        notes.add(chapter.radiology, chapter.written.notes, hadm_id)
        sections = chapter.written.sections
        add_truth(chart, model, patient, chapter, hadm_id, None if sections is None else mimic4_sections(sections))
    return chart


def _person(story: Story) -> tuple[Cell, ...]:
    patient, last = story.patient, story.chapters[-1].typed
    start = patient.real_year - (patient.real_year - 2008) % 3
    dod = midnight(last.deathtime) if last.deathtime else patient.died_later
    if dod is not None and dod > last.dischtime + CENSORED:
        dod = None
    return (
        SUBJECT + patient.subject_id, patient.gender, ANCIENT if patient.age > OLDEST else patient.age,
        patient.admissions[0].admittime.year, f"{start} - {start + 2}", None if dod is None else dod.date(),
    )  # fmt: skip


def _admission(dice: Dice, patient: Patient, person: Person, chapter: Chapter) -> tuple[Cell, ...]:
    stay, typed = chapter.stay, chapter.typed
    kinds = KINDS[typed.kind]
    provider = "P" + "".join(dice.pick("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(5))
    return (
        SUBJECT + patient.subject_id,
        HADM + stay.hadm_id,
        typed.admittime,
        typed.dischtime,
        typed.deathtime,
        kinds[int(typed.pick * len(kinds))],
        provider,
        EMERGENCY if typed.emergency else ORIGINS[typed.origin],
        "DIED" if stay.died else DESTINATIONS[typed.destination],
        INSURANCES[typed.insurance],
        LANGUAGES[person.language],
        MARRIAGES[person.marriage],
        RACES[person.ethnicity],
        typed.edregtime,
        typed.edouttime,
        int(stay.died),
    )


def _bill(dice: Dice, chart: Chart, patient: Patient, chapter: Chapter) -> None:
    bill, stay = chapter.bill, chapter.stay
    ids, version = (SUBJECT + patient.subject_id, HADM + stay.hadm_id), icd_version(patient, stay)
    codes = [code if version == 9 else DIAGNOSES[code].ten for code in bill.diagnoses]
    if codes:
        codes += [codes[0]] * bill.repeated + [UNLISTED[version]] * bill.unlisted
    for place, code in enumerate(codes, 1):
        padded = bill.padded and len(code) < WIDTH
        chart.add("hosp/diagnoses_icd", *ids, place, code.ljust(WIDTH) if padded else code, version)
        chart.count("diagnosis_codes_starting_with_0", code[0] == "0")
        chart.count("diagnosis_codes_padded_with_blanks", padded)
        chart.count("diagnosis_rows_whose_code_is_in_both_versions", code in IN_BOTH_VERSIONS)
        chart.counts[f"diagnosis_rows_icd{version}"] += 1
    chart.count("diagnosis_codes_repeated", bill.repeated)
    chart.count("diagnosis_codes_missing_from_dictionary", bill.unlisted)
    chart.counts[f"admissions_billed_in_icd{version}"] += bool(codes)
    done = _procedures(bill, version)
    nights = (stay.dischtime.date() - stay.admittime.date()).days
    for place, code in enumerate(done, 1):
        day = stay.admittime.date() + timedelta(days=dice.between(0, nights))
        chart.add("hosp/procedures_icd", *ids, place, day, code, version)
        chart.count("procedure_codes_starting_with_0", code[0] == "0")
    chart.count("procedure_codes_missing_from_dictionary", bill.unlisted_procedure)


def _procedures(bill: Bill, version: int) -> list[str]:
    done = [PROCEDURES[name].nine if version == 9 else PROCEDURES[name].ten for name in bill.procedures]
    if version == 10 and bill.hours_ventilated < 24:
        brief, _ = BRIEFLY_VENTILATED
        done = [brief if code == PROCEDURES["mechanical ventilation"].ten else code for code in done]
    return done + [UNLISTED_PROCEDURE[version]] * bill.unlisted_procedure


def _icu_stays(chart: Chart, patient: Patient, chapter: Chapter) -> None:
    for icu_stay, endless in zip(chapter.icu, chapter.without_outtime, strict=True):
        outtime = None if endless else icu_stay.outtime
        days = None if endless else (icu_stay.outtime - icu_stay.intime).total_seconds() / 86_400
        chart.add(
            "icu/icustays", SUBJECT + patient.subject_id, HADM + chapter.stay.hadm_id, STAY + icu_stay.icustay_id,
            UNITS[icu_stay.unit], UNITS[icu_stay.unit], icu_stay.intime, outtime, days,
        )  # fmt: skip
        count_icu_stay(chart, icu_stay)
