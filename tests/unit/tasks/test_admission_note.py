"""The admission note: which summaries count, by whose rules they are cut, and where a stated death is cut away."""

from datetime import date

import pytest

from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.length_of_stay import LengthOfStay
from chartune.tasks.mortality import Mortality
from chartune.tasks.stays import Stays
from chartune.testing.small_charts import Row, at, note, read_by, stay

NOTE = "Chief Complaint:\nfall\n\nPhysical Exam:\nShe died of cold. Patient had died.\n\nBrief Course:\nlong\n"
CORE = AdmissionNote(sections="core")


def texts(task: Mortality | LengthOfStay, *notes: Row, stays: tuple[Row, ...] = (stay(1),)) -> list[str]:
    return read_by(task, stays, notes)[0]["text"].to_list()


def test_by_this_houses_rules_asides_are_gone_from_every_task() -> None:
    aside = NOTE.replace("She died of cold. ", "T 38. ")
    text = "CHIEF COMPLAINT: fall\n\nPHYSICAL EXAM: T 38. ."
    assert texts(Mortality(), note(1, aside)) == texts(LengthOfStay(), note(1, aside)) == [text]


@pytest.mark.parametrize(
    ("said", "by_context", "by_core"),
    [
        ("Autopsy was performed.", 0, 1), ("He worsened and died 2 hours later.", 0, 1), ("Pt expired.", 0, 0),
        ("His father died of MI.", 1, 1), ("Asked what to do if the patient died.", 1, 0),
    ],
)  # fmt: skip
def test_where_death_is_asked_a_told_death_is_known_by_context_or_by_the_wordings_of_core(
    said: str, by_context: int, by_core: int
) -> None:
    text = f"Chief Complaint:\nfall. {said}\n\nBrief Course:\nlong\n"
    assert len(texts(Mortality(), note(1, text))) == by_context
    assert len(texts(Mortality(reads=AdmissionNote(told_deaths="core-wordings")), note(1, text))) == by_core
    assert len(texts(LengthOfStay(), note(1, text))) == 1


def test_by_the_rules_of_core_the_first_aside_is_cut_where_death_is_asked_only() -> None:
    """The second, "Patient had died", is found by the filter for deaths, so that mortality loses the note."""
    assert texts(Mortality(reads=CORE), note(1, NOTE)) == []
    once = NOTE.replace(" Patient had died.", "")
    (of_death,) = texts(Mortality(reads=CORE), note(1, once))
    (of_stay,) = texts(LengthOfStay(reads=CORE), note(1, once))
    assert "PHYSICAL EXAM: She of cold.\n\n" in of_death
    assert "PHYSICAL EXAM: She died of cold.\n\n" in of_stay
    assert of_stay.endswith("\n\nFAMILY HISTORY: \n\nSOCIAL HISTORY: ")


@pytest.mark.parametrize("reads", [AdmissionNote(), CORE])
def test_a_death_told_elsewhere_leaves_the_note_out_where_death_is_asked(reads: AdmissionNote) -> None:
    text = "Chief Complaint:\npatient expired at home\n\nBrief Course:\nlong\n"
    examples, steps = read_by(Mortality(reads=reads), [stay(1)], [note(1, text)])
    assert examples.is_empty()
    assert steps["does not state the death"]["removed_admissions"] == 1
    assert len(texts(LengthOfStay(reads=reads), note(1, text))) == 1


def test_she_expired_is_found_at_word_bounds_by_this_house_and_anywhere_by_core() -> None:
    text = "Chief Complaint:\nthe expired inhaler\n\nBrief Course:\nlong\n"
    assert len(texts(Mortality(), note(1, text))) == 1
    assert texts(Mortality(reads=CORE), note(1, text)) == []


def test_a_last_section_is_lost_by_the_rules_of_core_only() -> None:
    text = "Chief Complaint:\nfall\n\nAllergies:\nlatex"
    assert texts(Mortality(), note(1, text)) == ["CHIEF COMPLAINT: fall\n\nALLERGIES: latex"]
    assert "ALLERGIES: \n\n" in texts(Mortality(reads=CORE), note(1, text))[0]


def test_a_note_of_which_nothing_is_left_is_counted() -> None:
    examples, steps = read_by(Mortality(reads=CORE), [stay(1)], [note(1, "Chief Complaint: fall")])
    assert examples.is_empty()
    assert steps["states why the patient came"]["removed_notes"] == 1


def test_withdrawn_summaries_are_kept_where_it_is_said() -> None:
    notes = [note(1, NOTE, is_error=True)]
    assert texts(LengthOfStay(), *notes) == []
    assert len(texts(LengthOfStay(reads=AdmissionNote(withdrawn="kept")), *notes)) == 1


def test_reports_and_addenda_are_glued_by_date_and_an_addendum_alone_is_no_summary() -> None:
    report = note(1, "Chief Complaint:\nfall", chartdate=date(2100, 7, 4))
    addendum = note(1, "Addendum:\nwell", description="Addendum", chartdate=date(2100, 7, 9))
    assert "CHIEF COMPLAINT: fall\n\n" in texts(LengthOfStay(reads=CORE), addendum, report)[0]
    assert texts(LengthOfStay(reads=CORE), addendum) == []


def test_of_identical_summaries_the_latest_counts_even_of_other_patients() -> None:
    notes = [note(1, NOTE, chartdate=date(2100, 7, 9)), note(2, NOTE, chartdate=date(2100, 7, 4))]
    stays = (stay(1), stay(2))
    assert read_by(LengthOfStay(), stays, notes)[0]["hadm_id"].to_list() == [1]


def test_the_prediction_is_made_on_admission() -> None:
    examples, _ = read_by(Mortality(), [stay(1)], [note(1, "Chief Complaint:\nfall")])
    assert examples["prediction_time"].to_list() == [at(0)]


@pytest.mark.parametrize(
    ("who", "left"),
    [
        (Stays(), [1, 6]), (Stays(min_age=None), [1, 2, 5, 6]), (Stays(min_age=None, newborns="kept"), [1, 2, 3, 5, 6]),
        (Stays(min_age=17), [1, 2, 6]), (Stays(min_age=None, times="as-given"), [1, 2, 4, 5, 6]),
    ],
)  # fmt: skip
def test_who_is_asked_about_is_a_choice(who: Stays, left: list[int]) -> None:
    stays = [
        stay(1, age=18.0), stay(2, age=17.0), stay(3, age=0.0, admission_type="Newborn"), stay(4, days=-2),
        stay(5, age=None), stay(6, age=91.4, admission_type=None), stay(7, split=None), stay(8, split="corpus"),
    ]  # fmt: skip
    notes = [note(row["hadm_id"], f"Chief Complaint:\nfall {row['hadm_id']}") for row in stays]
    examples, steps = read_by(Mortality(stays=who), stays, notes)
    assert examples["hadm_id"].to_list() == left
    assert steps["patient in a split"]["removed_admissions"] == 2
    total = sum(row["removed_admissions"] for row in steps.values())
    assert total == len(stays) - len(left)


def test_an_empty_line_of_mimic_iv_ends_a_section_of_core_when_blanks_at_line_ends_are_gone() -> None:
    """MIMIC-IV writes an empty line as a blank; CORe's end of a section has none."""
    three = "Chief Complaint:\nfall\n\nAllergies:\nlatex\n\nBrief Course:\nlong\n"
    four = three.replace("\n\n", "\n \n").replace("fall\n", "fall \t\r\n")
    stripped = AdmissionNote(sections="core-stripped")
    (text,) = texts(LengthOfStay(reads=CORE), note(1, three))
    assert "CHIEF COMPLAINT: fall\n\n" in text
    assert "ALLERGIES: latex\n\n" in text
    assert texts(LengthOfStay(reads=stripped), note(1, four)) == [text]
    assert texts(LengthOfStay(reads=CORE), note(1, four)) == []
    died = four.replace("latex", "patient expired")
    assert texts(Mortality(reads=stripped), note(1, died)) == []
    aside = four.replace("Allergies:\nlatex", "Physical Exam:\nShe died of cold.")
    assert "She of cold." in texts(Mortality(reads=stripped), note(1, aside))[0]
