"""Headings: what authors write over the eight sections, and what they write over something else."""

import pytest

from chartune.notes.headings import CORE, ENDINGS, SURGICAL, VARIANTS, title_of
from chartune.notes.sections import ADMISSION, admission_sections

OTHERS = """Discharge Date: 2101-01-09

CC:
Dizziness

HPI: He fell.

Past Medical/Surgical History:
CHF

Past Surgical History:
appendectomy

Home Medications:
aspirin
Admission Exam:
T 38
FHx: none
Social Hx:
smoker
Drug Allergies/Adverse reactions: latex

Brief Hospital Course:
LATER WORDS
Home medications: LATER WORDS
"""


def test_the_headings_of_other_authors_are_known() -> None:
    assert admission_sections(OTHERS) == {
        "CHIEF COMPLAINT": "Dizziness", "PRESENT ILLNESS": "He fell.",
        "MEDICAL HISTORY": "CHF Surgical history: appendectomy", "MEDICATION ON ADMISSION": "aspirin",
        "PHYSICAL EXAM": "T 38", "FAMILY HISTORY": "none", "SOCIAL HISTORY": "smoker", "ALLERGIES": "latex",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("label", "title"),
    [
        ("History of Presenting Illness", "PRESENT ILLNESS"), ("HPI", "PRESENT ILLNESS"), ("H.P.I.", "PRESENT ILLNESS"),
        ("Presenting complaint", "CHIEF COMPLAINT"), ("C/C", "CHIEF COMPLAINT"),
        ("Reason for Admission", "CHIEF COMPLAINT"),
        ("PMH", "MEDICAL HISTORY"), ("PMHx", "MEDICAL HISTORY"),
        ("Past Medical and Surgical History", "MEDICAL HISTORY"),
        ("Past History", "MEDICAL HISTORY"), ("PSH", SURGICAL), ("Past Surgical  History", SURGICAL),
        ("Home Meds", "MEDICATION ON ADMISSION"), ("Preadmission Medications", "MEDICATION ON ADMISSION"),
        ("Meds on arrival", "MEDICATION ON ADMISSION"), ("Allergies and adverse reactions", "ALLERGIES"),
        ("Exam on admission", "PHYSICAL EXAM"), ("Admission exam", "PHYSICAL EXAM"), ("FH", "FAMILY HISTORY"),
        ("SHx", "SOCIAL HISTORY"), ("Family and Social History", "SOCIAL HISTORY"),
    ],
)  # fmt: skip
def test_a_variant_stands_for_its_title(label: str, title: str) -> None:
    assert title_of(label) == title
    assert title_of(label.upper()) == title


@pytest.mark.parametrize(
    "label",
    [
        "Discharge exam", "Home Medications at discharge", "Discharge Medications", "Medications", "Exam", "PE",
        "Bowel habits",
        "Given 200 cc",
        "Oncologic History", "History", "Labs on admission", "Course", "Psych", "Plan", "Allergist",
    ],
)  # fmt: skip
def test_other_headings_stand_for_none(label: str) -> None:
    assert title_of(label) is None


@pytest.mark.parametrize(
    "label", ["HPI", "Physical Examination", "Allergy", "Medication on Admission", "Home Medications"]
)
def test_core_knows_none_but_its_own(label: str) -> None:
    assert title_of(label) is not None
    assert title_of(label, "core") is None


@pytest.mark.parametrize("ending", CORE.values())
def test_what_core_knows_this_house_knows_too(ending: str) -> None:
    assert title_of(f"Some {ending}") == title_of(f"Some {ending}", "core") is not None


def test_every_title_has_its_headings() -> None:
    assert set(CORE) == set(ENDINGS) == set(ADMISSION)
    assert set(VARIANTS) == {*ADMISSION, SURGICAL}


def test_below_the_hospital_course_a_variant_counts_only_where_it_stands_alone_after_a_blank_line() -> None:
    course = "Chief Complaint: fall\n\nHospital Course:\nHe was intubated.\n"
    for sub in ("Home meds: held\n", "Home meds:\nheld\n", "\nHome meds: held\n\nHe died.\n"):
        assert "MEDICATION ON ADMISSION" not in admission_sections(course + sub)
    assert admission_sections(f"{course}\nHome Medications:\naspirin\n")["MEDICATION ON ADMISSION"] == "aspirin"
    sure = admission_sections(f"{course}Medications on Admission: aspirin\n")
    assert sure["MEDICATION ON ADMISSION"] == "aspirin"


def test_a_surgical_history_alone_is_the_medical_one() -> None:
    assert admission_sections("PSH: appendectomy\n") == {"MEDICAL HISTORY": "appendectomy"}
