"""CORe's own rules: what its public code makes of a note, line by line, faults included."""

import pytest

from chartune.notes.core_rules import core_sections, core_tells_death, core_text, core_without_asides
from chartune.notes.sections import ADMISSION

WHOLE = """Admission Date:  [**2188-4-30**]     Discharge Date:   [**2188-5-2**]

Service: MEDICINE

Allergies:
Penicillins

Attending:[**First Name3 (LF) 1**]

Chief Complaint:
chest  pain

Major Surgical or Invasive Procedure:
none

History of Present Illness:
Mr. X was well.
He came.

Past Medical History:
1. CHF
2. DM

Social History:
smoker

Family History:
father died of MI

Physical Exam:
T 38.2

Brief Hospital Course:
Intubated.

Medications on Admission:
aspirin

Discharge Disposition:
Home
"""


def found(text: str, *more: str) -> dict[str, str]:
    """The sections that have words."""
    return {title: body for title, body in core_sections([text, *more]).items() if body}


def test_a_whole_note_becomes_its_eight_sections_in_their_order() -> None:
    assert core_text(core_sections([WHOLE])) == (
        "CHIEF COMPLAINT: chest  pain\n\nPRESENT ILLNESS: Mr. X was well. He came.\n\nMEDICAL HISTORY: 1. CHF 2. DM\n\n"
        "MEDICATION ON ADMISSION: aspirin\n\nALLERGIES: Penicillins\n\nPHYSICAL EXAM: T 38.2\n\n"
        "FAMILY HISTORY: father died of MI\n\nSOCIAL HISTORY: smoker"
    )


def test_every_title_of_an_admission_note_is_looked_for() -> None:
    assert set(core_sections([""])) == set(ADMISSION)


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("History of Present Illness:", "PRESENT ILLNESS"), ("PAST MEDICAL HISTORY:", "MEDICAL HISTORY"),
        ("Transfer Medications on Admission:", "MEDICATION ON ADMISSION"), ("Food Allergies:", "ALLERGIES"),
        ("chief complaint:", "CHIEF COMPLAINT"),
    ],
)  # fmt: skip
def test_a_heading_is_found_by_its_ending_in_any_case(heading: str, title: str) -> None:
    assert found(f"{heading} so\n\nNext:") == {title: "so"}


@pytest.mark.parametrize("heading", ["Physical Examination:", "Allergy:", "Allergies :", "Medication on Admission:"])
def test_other_spellings_are_not_known(heading: str) -> None:
    assert found(f"{heading} so\n\nNext:") == {}


def test_a_heading_is_found_in_the_middle_of_a_sentence_and_the_first_one_counts() -> None:
    text = "He denied allergies: none known.\n\nAllergies:\nlatex\n\nNext:"
    assert found(text) == {"ALLERGIES": "none known."}


def test_a_last_section_is_lost() -> None:
    assert found("Chief Complaint: fall\n\nMedications on Admission:\naspirin\n") == {"CHIEF COMPLAINT": "fall"}


def test_a_section_runs_over_headings_that_no_empty_line_precedes() -> None:
    text = "Family History: none\nSocial History: smoker\n\nNext:"
    assert found(text) == {"FAMILY HISTORY": "none Social History: smoker", "SOCIAL HISTORY": "smoker"}


def test_prose_after_an_empty_line_does_not_end_a_section() -> None:
    assert found("Chief Complaint: fall\n\nHe fell on ice\n\nNext:") == {"CHIEF COMPLAINT": "fall  He fell on ice"}


def test_prose_that_reaches_a_colon_on_its_line_ends_a_section() -> None:
    assert found("Chief Complaint: fall\n\nHe said: ice\n\nNext:") == {"CHIEF COMPLAINT": "fall"}
    assert found("Physical Exam:\nwell\n\nHEENT: clear\n\nNext:") == {"PHYSICAL EXAM": "well"}


@pytest.mark.parametrize("line", ["Day 2:", "Labs (new):", "a | b:", "Dr. No:", "a\\b:", "over two\nlines:", ":"])
def test_lines_with_digits_brackets_bars_dots_or_without_a_word_end_nothing(line: str) -> None:
    assert "CHIEF COMPLAINT" not in found(f"Chief Complaint: fall\n\n{line} more")


def test_a_heading_without_words_keeps_its_place_and_a_single_line_break_belongs_to_the_body() -> None:
    assert found("Chief Complaint:\n\nHistory: long\n\nNext:") == {"CHIEF COMPLAINT": "History: long"}
    assert found("Chief Complaint:\n\n\nHistory: long\n\nNext:") == {}


def test_each_line_break_becomes_one_blank_and_double_blanks_stay() -> None:
    assert found("Chief Complaint:\n a  b\n\n\n1. c\r\nd \n\nNext:") == {"CHIEF COMPLAINT": "a  b   1. c d"}


def test_empty_sections_keep_their_headings() -> None:
    assert core_text(core_sections(["Chief Complaint: fall\n\nNext:"])) == (
        "CHIEF COMPLAINT: fall\n\nPRESENT ILLNESS: \n\nMEDICAL HISTORY: \n\nMEDICATION ON ADMISSION: \n\n"
        "ALLERGIES: \n\nPHYSICAL EXAM: \n\nFAMILY HISTORY: \n\nSOCIAL HISTORY: "
    )


@pytest.mark.parametrize(
    ("heading", "there"),
    [("Chief Complaint", True), ("Present Illness", True), ("Medical History", True), ("Allergies", False)],
)
def test_a_note_needs_complaint_illness_or_history(heading: str, there: bool) -> None:
    assert bool(core_text(core_sections([f"{heading}: some\n\nNext:"]))) == there


def test_summaries_are_glued_so_that_a_last_section_runs_on_into_the_addendum() -> None:
    assert found("Chief Complaint: fall", "Addendum: she went home") == {"CHIEF COMPLAINT": "fall"}
    assert found("Chief Complaint: fall", "she went home\n\nNext:") == {"CHIEF COMPLAINT": "fall  she went home"}


def test_the_brackets_of_masks_stay() -> None:
    assert found("Chief Complaint: since [**2101-1-1**]\n\nNext:") == {"CHIEF COMPLAINT": "since [**2101-1-1**]"}


def test_letters_that_grow_in_lower_case_shift_nothing() -> None:
    assert found("\u0130\u0130\u0130 Chief Complaint: fall\n\nNext:") == {"CHIEF COMPLAINT": "fall"}


@pytest.mark.parametrize(
    "said",
    [
        "The patient expired", "pt had died", "PATIENT HAS DECEASED", "patient passed away",
        "patient  expired", "she expired", "the expired", "pronounced expired", "Time of death 4 am",
        "patient pa\u017f\u017fed away", "t\u0131me of death",
    ],
)  # fmt: skip
def test_wordings_of_death_are_found(said: str) -> None:
    assert core_tells_death(f"PRESENT ILLNESS: {said}.")


@pytest.mark.parametrize("said", ["father died of MI", "the patient had not died", "expired inhaler", "pt has  died"])
def test_other_wordings_are_not_found(said: str) -> None:
    assert not core_tells_death(said)


def test_of_examination_and_medication_the_first_aside_is_cut_whoever_died() -> None:
    text = "PHYSICAL EXAM: cold, patient has expired. pt died\n\nMEDICATION ON ADMISSION: her mother died"
    assert core_without_asides(text) == "PHYSICAL EXAM: cold, . pt died\n\nMEDICATION ON ADMISSION: her mother"
    assert core_tells_death(core_without_asides(text))


def test_elsewhere_nothing_is_cut() -> None:
    text = "CHIEF COMPLAINT: patient has expired\n\nPHYSICAL EXAM: \n\nFAMILY HISTORY: patient died"
    assert core_without_asides(text) == text
