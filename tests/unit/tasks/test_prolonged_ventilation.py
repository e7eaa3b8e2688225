"""Prolonged ventilation: who is in, who is left out, and what death and transfer before day seven are."""

from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.prolonged_ventilation import CLASSES, COMPETING, ProlongedVentilation
from chartune.testing.small_charts import Row, answers, at, icu_stay, note, read_by, records_of, stay, ventilated

NEGATIVE, POSITIVE = CLASSES
WEANED, PROLONGED, DIED, TRANSFERRED = COMPETING
DAY = 24


def told(task: ProlongedVentilation, *episodes: Row, stays: tuple[Row, ...] = (), **more: Any) -> dict[int, str]:
    """hadm_id → answer; every admission has an ICU stay that begins with it."""
    there = stays or tuple(stay(n, days=60) for n in dict.fromkeys(row["hadm_id"] for row in episodes))
    icu = [icu_stay(row["hadm_id"], stay_id=row["stay_id"]) for row in episodes]
    records = records_of(*there, episodes=episodes, icu=icu, **more)
    return {hadm_id: asked for hadm_id, (asked,) in answers(task, records).items()}


@pytest.mark.parametrize(
    ("hours", "answer"),
    [(41.9, None), (42, WEANED), (161.9, WEANED), (162, PROLONGED), (168, PROLONGED)],
)
def test_two_days_make_the_cohort_and_seven_the_answer_with_six_hours_of_tolerance(
    hours: float, answer: str | None
) -> None:
    assert told(ProlongedVentilation(), ventilated(1, 0, hours)).get(1) == answer


def test_fourteen_days_can_be_asked_about() -> None:
    assert told(ProlongedVentilation(days=14), ventilated(1, 0, 14 * DAY - 6), ventilated(2, 0, 13 * DAY)) == {
        1: PROLONGED, 2: WEANED
    }  # fmt: skip


def test_measures_disagree_about_gaps() -> None:
    weaning = (ventilated(1, 0, 50), ventilated(1, 100, 168))
    assert told(ProlongedVentilation(), *weaning) == {1: PROLONGED}
    assert told(ProlongedVentilation(measure="longest"), *weaning) == {1: WEANED}
    assert told(ProlongedVentilation(measure="sum", days=118 / 24), *weaning) == {1: PROLONGED}
    assert told(ProlongedVentilation(measure="sum", days=5), *weaning) == {1: WEANED}


def test_who_was_ventilated_for_two_days_only_in_hindsight_is_in_as_published_only() -> None:
    """An hour, and two days later another: at the landmark nobody knows of the second."""
    later = (ventilated(1, 0, 1), ventilated(1, 100, 101))
    assert told(ProlongedVentilation(cohort="in-hindsight"), *later) == {1: WEANED}
    assert told(ProlongedVentilation(), *later) == {}
    again = (ventilated(1, 0, 1), ventilated(1, 47, 60))  # on the ventilator when the landmark comes
    assert told(ProlongedVentilation(), *again) == {1: WEANED}


def test_any_stay_of_the_admission_can_be_the_prolonged_one() -> None:
    both = (ventilated(1, 0, 60, stay_id=1), ventilated(1, 300, 500, stay_id=2))
    assert told(ProlongedVentilation(), *both) == {1: PROLONGED}


def test_the_anchor_is_the_first_ventilation_of_the_first_such_stay() -> None:
    records = records_of(
        stay(1, days=60), icu=[icu_stay(1, stay_id=1, begins=5), icu_stay(1, stay_id=2, begins=90)],
        episodes=[ventilated(1, 10, 20, stay_id=1), ventilated(1, 101, 160, stay_id=2)],
    )  # fmt: skip
    asked = ProlongedVentilation().asked(records)
    assert asked.select("hadm_id", "anchor").rows() == [(1, at(101))]


CUT_SHORT = (
    stay(1, died=1, deathtime=at(7 * DAY - 1), dischtime=at(7 * DAY - 1)),  # died before
    stay(2, died=1, deathtime=at(7 * DAY), dischtime=at(7 * DAY)),  # died on time
    stay(3, died=1, dischtime=at(6 * DAY)),  # died at a time that nobody wrote down
    stay(4, dischtime=at(6 * DAY), discharge_location="SHORT TERM HOSPITAL"),
    stay(5, dischtime=at(8 * DAY), discharge_location="SHORT TERM HOSPITAL"),
    stay(6, dischtime=at(6 * DAY), discharge_location="HOME"),
    stay(7, dischtime=at(6 * DAY), discharge_location=None),
    stay(8, died=1, deathtime=at(6.9 * DAY), dischtime=at(6.9 * DAY)),  # ventilated into the tolerance
)


@pytest.mark.parametrize(
    ("competing", "expected"),
    [
        ("classes", {1: DIED, 2: WEANED, 3: DIED, 4: TRANSFERRED, 5: WEANED, 6: WEANED, 7: WEANED, 8: PROLONGED}),
        ("negative", {**dict.fromkeys(range(1, 8), NEGATIVE), 8: POSITIVE}),
        ("left-out", {**dict.fromkeys((2, 5, 6, 7), NEGATIVE), 8: POSITIVE}),
    ],
)
def test_death_and_transfer_before_day_seven_are_told_apart(competing: str, expected: dict[int, str]) -> None:
    episodes = [ventilated(n, 0, 60 if n < 8 else 162) for n in range(1, 9)]
    task = ProlongedVentilation.parse({"competing": competing})
    assert told(task, *episodes, stays=CUT_SHORT) == expected
    space = task.label_space(pl.DataFrame(), records_of())
    assert space.answer == ("multiclass" if competing == "classes" else "binary")
    assert set(expected.values()) <= set(space.labels)


@pytest.mark.parametrize(
    ("place", "elsewhere"),
    [
        ("SHORT TERM HOSPITAL", True), ("LONG TERM CARE HOSPITAL", True), ("DISC-TRAN CANCER/CHLDRN H", True),
        ("DISC-TRAN TO FEDERAL HC", True), ("ACUTE HOSPITAL", True), ("CHRONIC/LONG TERM ACUTE CARE", True),
        ("DISCH-TRAN TO PSYCH HOSP", False), ("REHAB/DISTINCT PART HOSP", False), ("HOSPICE-HOME", False),
        ("SNF", False), ("HOSPICE-MEDICAL FACILITY", False), ("PSYCH FACILITY", False), ("HOME", False),
        ("REHAB", False),
    ],
)  # fmt: skip
def test_another_hospital_is_told_from_other_places(place: str, elsewhere: bool) -> None:
    left = (stay(1, dischtime=at(6 * DAY), discharge_location=place),)
    expected = TRANSFERRED if elsewhere else WEANED
    assert told(ProlongedVentilation(), ventilated(1, 0, 60), stays=left) == {1: expected}


def test_published_diagnoses_exclude() -> None:
    codes = ["1409", "1499", "3589", "3590", "3591", "35801", "9410", "94830", "94899", "C01", "C14", "C15", "G7001",
             "T203XXA", "T3130", "Z524", "150", "3580", "94820", "35921", "T3120", "4280"]  # fmt: skip
    diagnoses = [(n, code, 10 if code[0].isalpha() else 9) for n, code in enumerate(codes, 1)]
    episodes = [ventilated(n, 0, 60) for n, _, _ in diagnoses]
    kept = told(ProlongedVentilation(), *episodes, diagnoses=diagnoses)
    assert [code for n, code, _ in diagnoses if n in kept] == [
        "C15", "150", "3580", "94820", "35921", "T3120", "4280"
    ]  # fmt: skip
    assert len(told(ProlongedVentilation(exclusions="none"), *episodes, diagnoses=diagnoses)) == len(codes)


def test_a_code_excludes_in_its_own_version_only() -> None:
    """3591 is a muscular dystrophy of ICD-9; no code of ICD-10 may fall under its pattern, nor the other way round."""
    diagnoses = [(1, "3591", 10), (2, "C01", 9), (3, "3591", 9)]
    assert set(told(ProlongedVentilation(), *(ventilated(n, 0, 60) for n in (1, 2, 3)), diagnoses=diagnoses)) == {1, 2}


def test_donors_are_found_by_their_titles() -> None:
    told_ = told(
        ProlongedVentilation(), ventilated(1, 0, 60), ventilated(2, 0, 60), ventilated(3, 0, 60),
        diagnoses=[(1, "V594", 9), (2, "V420", 9), (3, "V594", 10)],
        titles=[("V594", 9, "Kidney donors"), ("V420", 9, "Kidney replaced by transplant; donornephropathy")],
    )  # fmt: skip
    assert set(told_) == {2, 3}


def test_a_tracheostomy_can_count_as_prolonged() -> None:
    episodes = [ventilated(n, 0, 60) for n in (1, 2, 3, 4)]
    billed = [(1, "311", 9), (2, "3129", 9), (3, "0B110F4", 10), (4, "9671", 9)]
    assert told(ProlongedVentilation(), *episodes, procedures=billed) == dict.fromkeys((1, 2, 3, 4), WEANED)
    assert told(ProlongedVentilation(tracheostomy="prolonged"), *episodes, procedures=billed) == {
        **dict.fromkeys((1, 2, 3), PROLONGED), 4: WEANED
    }  # fmt: skip
    assert told(ProlongedVentilation(tracheostomy="prolonged"), *episodes) == dict.fromkeys((1, 2, 3, 4), WEANED)


def test_a_tracheostomy_alone_brings_nobody_into_the_cohort() -> None:
    task = ProlongedVentilation(tracheostomy="prolonged")
    assert told(task, ventilated(1, 0, 10), procedures=[(1, "311", 9)]) == {}


def test_masks_count_where_it_is_said() -> None:
    masked = (ventilated(1, 0, 60, status="non-invasive"), ventilated(2, 0, 60, status="oxygen"),
              ventilated(3, 0, 30, status="invasive"), ventilated(3, 30, 170, status="non-invasive"))  # fmt: skip
    assert told(ProlongedVentilation(), *masked) == {}
    assert told(ProlongedVentilation(masks="counted"), *masked) == {1: WEANED, 3: PROLONGED}


def test_a_source_without_a_bedside_chart_has_no_answers() -> None:
    asked = ProlongedVentilation().asked(records_of(stay(1)))
    assert asked.is_empty()
    assert asked.columns == ["subject_id", "hadm_id", "asked", "anchor"]
    assert ProlongedVentilation().needs_events


def test_without_icu_stays_the_first_ventilation_orders_them() -> None:
    episodes = [ventilated(1, 300, 360, stay_id=1), ventilated(1, 100, 160, stay_id=2)]
    records = records_of(stay(1, days=60), episodes=episodes)
    assert ProlongedVentilation().asked(records)["anchor"].to_list() == [at(100)]


def test_an_episode_of_another_patients_admission_is_nobodys() -> None:
    stranger = {**ventilated(1, 0, 60), "subject_id": 9}
    records = records_of(stay(1, days=60), episodes=[stranger], icu=[icu_stay(1)])
    stays = [stay(1, days=60)]
    assert read_by(ProlongedVentilation(), stays, [note(1, "Chief Complaint:\nFever")], records)[0].is_empty()


def test_read_prospectively_the_prediction_is_made_at_the_landmark() -> None:
    task = ProlongedVentilation(reads=BedsideNotes(hours=48))
    stays = [stay(1, days=60), stay(2, dischtime=at(57)), stay(3, died=1, dischtime=at(58), deathtime=at(57))]
    episodes = [ventilated(n, 10, 55) for n in (1, 2, 3)]
    records = records_of(*stays, episodes=episodes, icu=[icu_stay(n) for n in (1, 2, 3)])
    notes = [note(n, f"In time {n}", stored=58, category="Nursing") for n in (1, 2, 3)]
    notes += [note(n, f"Too late {n}", stored=58.01, category="Nursing") for n in (1, 2, 3)]
    examples, steps = read_by(task, stays, notes, records)
    assert examples.select("hadm_id", "text", "prediction_time").rows() == [(1, "In time 1", at(58))]
    assert steps["still there at the prediction"]["removed_admissions"] == 2
    assert task.card().kind == "prospective"


def test_a_prediction_before_the_landmark_is_refused() -> None:
    reads = {"kind": "bedside-notes", "hours": 24}
    with pytest.raises(ConfigError, match="48 hours after the first ventilation, but reads"):
        ProlongedVentilation.parse({"reads": reads})
    assert ProlongedVentilation.parse({"reads": reads, "base_days": 1}).base_days == 1
    assert ProlongedVentilation.parse({"reads": reads, "cohort": "in-hindsight"}).reads.kind == "bedside-notes"


def test_the_card_says_how_time_is_counted_and_what_death_is() -> None:
    card = ProlongedVentilation(measure="longest", competing="negative").card()
    assert "longest episode" in card.asked
    assert "count as not prolonged, as published" in card.asked
    assert ProlongedVentilation(measure="longest").name == "prolonged_ventilation_longest"
    assert ProlongedVentilation().name == "prolonged_ventilation"
