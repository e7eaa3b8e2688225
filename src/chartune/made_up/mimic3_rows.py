"""A patient's story as rows of MIMIC-III.

PATIENTS 1 · ADMISSIONS · DIAGNOSES_ICD · PROCEDURES_ICD · ICUSTAYS · NOTEEVENTS per stay; events in `mimic3_events`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from chartune.made_up.chart import Chart, add_truth, count_chapter, count_icu_stay, count_patient
from chartune.made_up.diagnosis_codes import DIAGNOSES, UNLISTED
from chartune.made_up.dice import Dice, Stream
from chartune.made_up.items import ITEMS
from chartune.made_up.mimic3_events import add_events
from chartune.made_up.notes_of_stay import Note
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import Patient, midnight
from chartune.made_up.procedure_codes import PROCEDURES, UNLISTED_PROCEDURE
from chartune.made_up.register import Person
from chartune.made_up.spans import mimic3_text
from chartune.made_up.story import Chapter, Story, write_story
from chartune.made_up.table_file import Cell

# fmt: off
INSURANCES: Final = ("Medicare", "Medicare", "Private", "Medicaid", "Government", "Self Pay")
LANGUAGES: Final = ("ENGL", "ENGL", "ENGL", None, None, "SPAN", "RUSS", "PTUN")
RELIGIONS: Final = ("CATHOLIC", "NOT SPECIFIED", "UNOBTAINABLE", "PROTESTANT QUAKER", "JEWISH", "OTHER", None)
MARRIAGES: Final = ("MARRIED", "SINGLE", "WIDOWED", "DIVORCED", "SEPARATED", None)
ETHNICITIES: Final = ("WHITE", "WHITE", "WHITE", "BLACK/AFRICAN AMERICAN", "HISPANIC OR LATINO", "ASIAN",
                      "UNKNOWN/NOT SPECIFIED")
EMERGENCY: Final = "EMERGENCY ROOM ADMIT"
ORIGINS: Final = ("CLINIC REFERRAL/PREMATURE", "TRANSFER FROM HOSP/EXTRAM", "PHYS REFERRAL/NORMAL DELI")
DESTINATIONS: Final = ("HOME", "HOME HEALTH CARE", "SNF", "REHAB/DISTINCT PART HOSP", "LONG TERM CARE HOSPITAL",
                       "HOSPICE-HOME", "HOSPICE-MEDICAL FACILITY", "SHORT TERM HOSPITAL", "DISCH-TRAN TO PSYCH HOSP")
UNITS: Final = (("MICU", 52), ("SICU", 33), ("CCU", 7), ("CSRU", 14), ("TSICU", 15), ("NICU", 56))
# fmt: on


def dictionaries() -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """(table, cells) of the dictionaries."""
    for code, entry in DIAGNOSES.items():
        yield "D_ICD_DIAGNOSES", (code, entry.short, entry.nine_title)
    for done in PROCEDURES.values():
        yield "D_ICD_PROCEDURES", (done.nine, done.short, done.nine_title)
    for item in (item for item in ITEMS if item.since == 3):
        source = "metavision" if item.metavision else "carevue"
        table = "procedureevents_mv" if item.procedure else "chartevents"
        unit = item.unit if item.metavision else None
        yield "D_ITEMS", (
            item.itemid, item.label, item.abbreviation, source, table, item.category, unit, item.param_type, None,
        )  # fmt: skip


def write_mimic3(dice: Dice, model: OutcomeModel, patient: Patient, events: bool) -> Chart:
    """All rows of a patient, in the order of the stays."""
    story, chart = write_story(dice, model, patient, "mimic3"), Chart()
    bedside = dice.apart(Stream.EVENTS)
    count_patient(chart, story, deaths=patient.died_in_hospital and not patient.newborn)
    chart.count("newborns", patient.newborn)
    chart.add("PATIENTS", *_person(story))
    for chapter in story.chapters:
        count_chapter(chart, chapter)
        chart.add("ADMISSIONS", *_admission(patient, story.person, chapter))
        _bill(chart, patient, chapter)
        _icu_stays(chart, patient, chapter)
        if events:
            add_events(bedside, chart, patient, chapter)
        for note in (*chapter.radiology, *chapter.ward, *chapter.written.notes):
            _note(chart, patient, chapter, note)
        chart.count("addenda_before_report", _addendum_first(chapter.written.notes))
        add_truth(chart, model, patient, chapter, chapter.stay.hadm_id, chapter.written.sections)
    return chart


def _person(story: Story) -> tuple[Cell, ...]:
    patient, last = story.patient, story.chapters[-1].typed
    inside = midnight(last.deathtime) if last.deathtime else None
    dod = inside or patient.died_later
    registered = dod if patient.died_later or story.person.registered else None
    return (patient.subject_id, patient.gender, patient.dob, dod, inside, registered, int(dod is not None))


def _admission(patient: Patient, person: Person, chapter: Chapter) -> tuple[Cell, ...]:
    stay, typed = chapter.stay, chapter.typed
    return (
        patient.subject_id,
        stay.hadm_id,
        typed.admittime,
        typed.dischtime,
        typed.deathtime,
        typed.kind,
        EMERGENCY if typed.emergency else ORIGINS[typed.origin],
        "DEAD/EXPIRED" if stay.died else DESTINATIONS[typed.destination],
        INSURANCES[typed.insurance],
        LANGUAGES[person.language],
        RELIGIONS[person.religion],
        MARRIAGES[person.marriage],
        ETHNICITIES[person.ethnicity],
        typed.edregtime,
        typed.edouttime,
        typed.complaint,
        int(stay.died),
        int(bool(chapter.icu)),
    )


def _bill(chart: Chart, patient: Patient, chapter: Chapter) -> None:
    bill, ids = chapter.bill, (patient.subject_id, chapter.stay.hadm_id)
    codes: list[str | None] = [*bill.diagnoses]
    if codes:
        codes += [codes[0]] * bill.repeated + [UNLISTED[9]] * bill.unlisted + [None] * bill.empty
    for place, code in enumerate(codes, 1):
        chart.add("DIAGNOSES_ICD", *ids, place if code else None, code)
        chart.count("diagnosis_codes_starting_with_0", bool(code) and str(code)[0] == "0")
    chart.count("diagnosis_codes_repeated", bill.repeated)
    chart.count("diagnosis_codes_missing_from_dictionary", bill.unlisted)
    chart.count("diagnosis_codes_empty", bill.empty)
    done = [PROCEDURES[name].nine for name in bill.procedures]
    done += [UNLISTED_PROCEDURE[9]] * bill.unlisted_procedure
    for place, code in enumerate(done, 1):
        chart.add("PROCEDURES_ICD", *ids, place, code)
        chart.count("procedure_codes_starting_with_0", code[0] == "0")
    chart.count("procedure_codes_missing_from_dictionary", bill.unlisted_procedure)


def _icu_stays(chart: Chart, patient: Patient, chapter: Chapter) -> None:
    for icu_stay, endless in zip(chapter.icu, chapter.without_outtime, strict=True):
        unit, ward = UNITS[icu_stay.unit]
        outtime = None if endless else icu_stay.outtime
        days = None if endless else round((icu_stay.outtime - icu_stay.intime).total_seconds() / 86_400, 4)
        chart.add(
            "ICUSTAYS", patient.subject_id, chapter.stay.hadm_id, icu_stay.icustay_id,
            "metavision" if icu_stay.metavision else "carevue", unit, unit, ward, ward, icu_stay.intime, outtime, days,
        )  # fmt: skip
        count_icu_stay(chart, icu_stay)


def _addendum_first(notes: Sequence[Note]) -> bool:
    sound = [note for note in notes if not note.error]
    return bool(sound) and sound[0].description == "Addendum"


def _note(chart: Chart, patient: Patient, chapter: Chapter, note: Note) -> None:
    text, summary = mimic3_text(note), note.category == "Discharge summary"
    chart.add(
        "NOTEEVENTS", patient.subject_id, chapter.stay.hadm_id if note.linked else None, note.taken.date(),
        note.taken if note.timed else None, note.stored, note.category, note.description, note.author,
        "1" if note.error else None, text,
    )  # fmt: skip
    chart.count_text(text)
    chart.count("notes_without_hadm_id", not note.linked)
    chart.count("summaries_marked_as_error", note.error and summary)
    chart.count("ward_notes_marked_as_error", note.error and not summary)
    chart.count("addenda", note.description == "Addendum")
    chart.count("summaries_filed_twice", summary and not note.both and not note.error)
    chart.count("categories_with_a_trailing_blank", note.category.endswith(" "))
    chart.count("summaries_without_sections", summary and len(note.parts) == 1)
