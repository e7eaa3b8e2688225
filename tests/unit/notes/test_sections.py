"""Sections of a discharge summary: what was known on arrival is kept, what came later never."""

import pytest

from chartune.notes.sections import (
    ADMISSION,
    admission_sections,
    admission_text,
    sections,
    without_death_asides,
    words_death_as_core,
)

SUMMARY = """Admission Date:  [**2188-4-30**]     Discharge Date:   [**2188-5-2**]

Service: MEDICINE

Allergies:
Penicillins

Attending:[**First Name3 (LF) 1**]
Chief Complaint:
chest pain

Major Surgical or Invasive Procedure:
none

History of Present Illness:
Mr. X was well: until today.
He came.

Past Medical History:
1. CHF
2. DM
Family History: father died of MI
SOCIAL HISTORY:  smoker
Physical Exam:
T 38.2
Brief Hospital Course:
Intubated.

Medications on Admission:
aspirin"""


def test_the_eight_sections_are_found_and_put_into_their_order() -> None:
    text = admission_text(admission_sections(SUMMARY))
    assert text == (
        "CHIEF COMPLAINT: chest pain\n\nPRESENT ILLNESS: Mr. X was well: until today. He came.\n\n"
        "MEDICAL HISTORY: 1. CHF 2. DM\n\nMEDICATION ON ADMISSION: aspirin\n\nALLERGIES: Penicillins\n\n"
        "PHYSICAL EXAM: T 38.2\n\nFAMILY HISTORY: father died of MI\n\nSOCIAL HISTORY: smoker"
    )


def test_windows_line_ends_change_nothing() -> None:
    assert admission_sections(SUMMARY.replace("\n", "\r\n")) == admission_sections(SUMMARY)


def test_a_section_says_where_its_heading_begins() -> None:
    starts = {section.title: section.start for section in sections(SUMMARY)}
    assert SUMMARY[starts["ALLERGIES"] :].startswith("Allergies:")
    assert SUMMARY[starts["MEDICATION ON ADMISSION"] :].startswith("Medications on Admission:")


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("Past Medical History:", "MEDICAL HISTORY"),
        ("HISTORY OF PRESENT ILLNESS:", "PRESENT ILLNESS"),
        ("  chief complaint :", "CHIEF COMPLAINT"),
        ("Physical Examination:", "PHYSICAL EXAM"),
        ("Physical Exam on Admission:", "PHYSICAL EXAM"),
        ("Admission Physical Exam:", "PHYSICAL EXAM"),
        ("Allergy:", "ALLERGIES"),
        ("Drug Allergies:", "ALLERGIES"),
        ("Medications on Admission:", "MEDICATION ON ADMISSION"),
        ("Family Medical History:", "FAMILY HISTORY"),
    ],
)
def test_headings_are_known_by_how_they_end(heading: str, title: str) -> None:
    assert admission_sections(f"{heading}\nsome words\n") == {title: "some words"}


@pytest.mark.parametrize(
    "heading",
    ["Discharge Physical Exam:", "Physical Exam on Discharge:", "Discharge Allergies:", "Nonmedical History:"],
)
def test_headings_of_the_discharge_are_not_taken_for_those_of_the_arrival(heading: str) -> None:
    assert admission_sections(f"{heading}\nsome words\n") == {}


@pytest.mark.parametrize(
    "heading",
    [
        "\nBrief Hospital Course:", "Brief Hospital Course:", "HOSPITAL COURSE", "Hospital course by problem",
        "Hospital Course by System:", "Discharge Medications:", "Discharge Diagnosis", "Pertinent Results:",
        "Physical Exam on discharge:", "Addendum:", "\nAnything at all:", "ICU Course:", "MICU course:", "MICU Course",
        "# CCU course:", "OR Course:", "Post-operative course:", "Hospital Course - he did well.", "Course:",
        "Hospital Course (by problem):", "CONCISE SUMMARY OF HOSPITAL COURSE BY SYSTEM:", "Course in the hospital:",
        "History and hospital course:", "Medications on transfer:", "Transfer medications", "Exam at time of death:",
        "Physical Exam on transfer to the floor:", "DISCHARGE PHYSICAL EXAMINATION:", "At Discharge - walking",
    ],
)  # fmt: skip
def test_what_came_later_ends_a_section(heading: str) -> None:
    text = f"Physical Exam:\nT 38.2\n{heading}\nLATER WORDS\n"
    assert admission_sections(text) == {"PHYSICAL EXAM": "T 38.2"}


@pytest.mark.parametrize(
    "line",
    [
        "discharge home was planned", "hospital course was complicated by a fall", "Cardiac: regular", "in 3:1 ratio",
        "at discharge (1.2 mg)", "hospital course - he fell", "ED course: fluids", "Vitals on transfer: 98.2",
        "Medications on transfer from OSH: heparin",
    ],
)  # fmt: skip
def test_prose_and_findings_do_not_end_a_section(line: str) -> None:
    assert admission_sections(f"Physical Exam:\nT 38.2\n{line}\n")["PHYSICAL EXAM"].endswith(line)


def test_a_subheading_after_a_blank_line_does_not_close_an_empty_section() -> None:
    assert admission_sections("Physical Exam:\n\nVitals: 98.6\n")["PHYSICAL EXAM"] == "Vitals: 98.6"


def test_the_first_words_of_a_title_count() -> None:
    assert admission_sections("Allergies:\n\nChief Complaint: pain\nAllergies: latex\nAllergies: none") == {
        "CHIEF COMPLAINT": "pain",
        "ALLERGIES": "latex",
    }


def test_a_note_that_does_not_say_why_the_patient_came_has_no_admission_text() -> None:
    assert admission_text({"ALLERGIES": "none", "SOCIAL HISTORY": "smoker"}) == ""
    assert admission_text(admission_sections("no headings at all")) == ""


def test_every_title_can_be_found() -> None:
    text = "\n\n".join(f"{title.title()}:\nwords" for title in ADMISSION)
    assert set(admission_sections(text)) == set(ADMISSION)


@pytest.mark.parametrize(
    "text",
    [
        "the patient died", "Patient has expired.", "pt had passed\naway", "Pt. deceased", "he expired", "She expired",
        "was pronounced  expired", "TIME OF DEATH 03:15",
    ],
)  # fmt: skip
def test_the_wordings_of_death_are_recognised(text: str) -> None:
    assert words_death_as_core(f"Some words. {text} Some more.")


@pytest.mark.parametrize(
    "text",
    [
        "father died of MI",
        "the expired inhaler",
        "his patient wife died",
        "outpatients died down",
        "died",
        "expiredness",
    ],
)
def test_other_deaths_and_other_expiries_are_not(text: str) -> None:
    assert not words_death_as_core(text)


def test_asides_are_cut_from_examination_and_medication_only() -> None:
    found = {"PHYSICAL EXAM": "Patient has expired. T 38", "CHIEF COMPLAINT": "patient has died"}
    assert without_death_asides(found) == {"PHYSICAL EXAM": ". T 38", "CHIEF COMPLAINT": "patient has died"}


MIMIC_IV = """
Name:  ___                     Unit No:   ___
 
Admission Date:  ___              Discharge Date:   ___
 
Service: MEDICINE
 
Allergies: 
No Known Allergies / Adverse Drug Reactions
 
Attending: ___.
 
Chief Complaint:
___ pain
 
Major Surgical or Invasive Procedure:
___ - Paracentesis
 
History of Present Illness:
___ is a ___ year old with:
 
___: first seen by Dr. ___ 
___ presented with the following history: cough.
 
Past Medical History:
1. CHF
 
Social History:
___
Family History:
Father: MI at ___
 
Physical Exam:
ADMISSION PHYSICAL EXAM:
VS: 98.1
 
___ DISCHARGE EXAM:
VS: 97.0, comfortable
 
Pertinent Results:
___ 10:25PM   GLUCOSE-109*
 
Brief Hospital Course:
Ms. ___ was intubated.
 
Medications on Admission:
The Preadmission Medication list is accurate and complete.
1. Aspirin 81 mg PO DAILY 
 
Discharge Medications:
1. Morphine
"""
"""The layout of MIMIC-IV-Note: a blank on every empty line, `___` for every de-identified span."""


def test_a_summary_of_mimic_iv_note_is_read_as_one_of_mimic_iii() -> None:
    assert admission_sections(MIMIC_IV) == {
        "ALLERGIES": "No Known Allergies / Adverse Drug Reactions",
        "CHIEF COMPLAINT": "___ pain",
        "PRESENT ILLNESS": (
            "___ is a ___ year old with: ___: first seen by Dr. ___ ___ presented with the following history: cough."
        ),
        "MEDICAL HISTORY": "1. CHF",
        "FAMILY HISTORY": "Father: MI at ___",
        "PHYSICAL EXAM": "VS: 98.1",
        "MEDICATION ON ADMISSION": (
            "The Preadmission Medication list is accurate and complete. 1. Aspirin 81 mg PO DAILY"
        ),
    }


@pytest.mark.parametrize("masked", ["___", "[**2151-7-16**]"])
def test_a_discharge_exam_behind_a_deidentified_date_ends_the_exam_on_arrival(masked: str) -> None:
    found = admission_sections(f"Physical Exam:\nT 38\n{masked} DISCHARGE EXAM: T 36\n")
    assert found == {"PHYSICAL EXAM": "T 38"}


def test_a_section_of_nothing_but_masks_says_nothing() -> None:
    assert admission_text(admission_sections("Chief Complaint:\n___ ___\n\nSocial History:\n___\n")) == ""
