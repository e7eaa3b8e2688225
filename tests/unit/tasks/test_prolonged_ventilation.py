"""Prolonged ventilation: who is in and when, who is left out, what death and transfer before day seven are."""

from dataclasses import replace
from typing import Any, get_args

import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.sources.ventilation.episodes import OXYGEN_JOINS
from chartune.tasks.bedside_notes import BedsideNotes
from chartune.tasks.prolonged_ventilation import CLASSES, COMPETING, ProlongedVentilation
from chartune.tasks.ventilation_time import Measure
from chartune.tasks.whole_summary import WholeSummary
from chartune.testing.small_charts import Row, answers, at, icu_stay, note, read_by, records_of, stay, ventilated

HINDSIGHT = ProlongedVentilation(cohort="in-hindsight", competing="negative")
MEASURES = get_args(Measure)
NEGATIVE, POSITIVE = CLASSES
WEANED, PROLONGED, DIED, TRANSFERRED = COMPETING
DAY = 24


def labels_by_stay(
    task: ProlongedVentilation, *episodes: Row, stays: tuple[Row, ...] = (), **more: Any
) -> dict[int, str]:
    """hadm_id → answer; every admission has an ICU stay that begins with it."""
    there = stays or tuple(stay(n, days=60) for n in dict.fromkeys(row["hadm_id"] for row in episodes))
    icu = [icu_stay(row["hadm_id"], stay_id=row["stay_id"]) for row in episodes]
    records = records_of(*there, episodes=episodes, icu=icu, **more)
    return {hadm_id: asked for hadm_id, (asked,) in answers(task, records).items()}


@pytest.mark.parametrize(
    ("hours", "answer"),
    [(41.9, None), (42, NEGATIVE), (161.9, NEGATIVE), (162, POSITIVE), (168, POSITIVE)],
)
def test_as_published_two_days_make_the_cohort_and_seven_the_answer_with_six_hours_of_tolerance(
    hours: float, answer: str | None
) -> None:
    assert labels_by_stay(HINDSIGHT, ventilated(1, 0, hours)).get(1) == answer


@pytest.mark.parametrize(
    ("hours", "answer"), [(41.9, None), (42, WEANED), (167.99, WEANED), (168, PROLONGED), (500, PROLONGED)]
)
@pytest.mark.parametrize("measure", MEASURES)
def test_at_the_landmark_seven_days_are_seven_days(measure: Measure, hours: float, answer: str | None) -> None:
    assert labels_by_stay(ProlongedVentilation(measure=measure), ventilated(1, 0, hours)).get(1) == answer


def test_fourteen_days_can_be_asked_about() -> None:
    assert labels_by_stay(ProlongedVentilation(days=14), ventilated(1, 0, 14 * DAY), ventilated(2, 0, 13 * DAY)) == {
        1: PROLONGED, 2: WEANED
    }  # fmt: skip


@pytest.mark.parametrize("days", [2, 1.5])
def test_a_question_that_the_landmark_has_answered_is_refused(days: float) -> None:
    with pytest.raises(ConfigError, match=rf"after the landmark, but days={days:g} and base_days=2"):
        ProlongedVentilation.parse({"days": days})


def test_measures_disagree_about_gaps() -> None:
    weaning = (ventilated(1, 0, 50), ventilated(1, 100, 168))
    assert labels_by_stay(ProlongedVentilation(), *weaning) == {1: PROLONGED}
    assert labels_by_stay(ProlongedVentilation(measure="longest"), *weaning) == {1: WEANED}
    assert labels_by_stay(ProlongedVentilation(measure="sum", days=118 / 24), *weaning) == {1: PROLONGED}
    assert labels_by_stay(ProlongedVentilation(measure="sum", days=5), *weaning) == {1: WEANED}


@pytest.mark.parametrize("cohort", ["at-landmark", "in-hindsight"])
def test_whatever_is_measured_the_same_admissions_are_asked_about(cohort: str) -> None:
    gaps = (ventilated(1, 0, 20), ventilated(1, 29, 205), ventilated(2, 0, 48), ventilated(3, 0, 1),
            ventilated(3, 41, 43), ventilated(4, 0, 41))  # fmt: skip
    found = {m: labels_by_stay(ProlongedVentilation.parse({"measure": m, "cohort": cohort}), *gaps) for m in MEASURES}
    assert all(set(answer) == {1, 2, 3} for answer in found.values())
    assert [found[measure][1] for measure in MEASURES] == [PROLONGED] * 3


def test_a_gap_on_the_way_to_the_landmark_leaves_nobody_out() -> None:
    """Nine hours off the ventilator: of 48 hours it has not had 48."""
    gap = (ventilated(1, 0, 20), ventilated(1, 29, 100))
    assert [labels_by_stay(ProlongedVentilation(measure=measure), *gap) for measure in MEASURES] == [{1: WEANED}] * 3


def test_who_was_ventilated_for_two_days_only_in_hindsight_is_in_as_published_only() -> None:
    """An hour, and two days later another: at the landmark nobody knows of the second."""
    later = (ventilated(1, 0, 1), ventilated(1, 100, 101))
    assert labels_by_stay(ProlongedVentilation(cohort="in-hindsight"), *later) == {1: WEANED}
    assert labels_by_stay(ProlongedVentilation(), *later) == {}
    for begins, answer in ((47, {1: WEANED}), (48, {1: WEANED}), (48.01, {})):  # is it there when the landmark comes?
        assert labels_by_stay(ProlongedVentilation(), ventilated(1, 0, 1), ventilated(1, begins, 60)) == answer


@pytest.mark.parametrize(
    "later",
    [
        pytest.param((ventilated(1, 300, 500, stay_id=2),), id="a stay that would be in the cohort"),
        pytest.param((ventilated(1, 300, 301, stay_id=2), ventilated(1, 420, 500, stay_id=2)), id="and one that fails"),
    ],
)
def test_another_icu_stay_makes_it_prolonged_in_hindsight_only(later: tuple[Row, ...]) -> None:
    both = (ventilated(1, 0, 60, stay_id=1), *later)
    assert labels_by_stay(HINDSIGHT, *both) == {1: POSITIVE}
    assert labels_by_stay(ProlongedVentilation(), *both) == {1: WEANED}


@pytest.mark.parametrize(("begins", "answer"), [(160, PROLONGED), (168, PROLONGED), (168.01, WEANED), (480, WEANED)])
def test_who_is_ventilated_again_after_day_seven_was_weaned(begins: float, answer: str) -> None:
    """In the same ICU stay; the published span runs on over the gap, however long."""
    again = (ventilated(1, 0, 60), ventilated(1, begins, begins + 20))
    assert labels_by_stay(ProlongedVentilation(), *again) == {1: answer}
    assert labels_by_stay(HINDSIGHT, *again) == {1: POSITIVE}


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
    stay(9, dischtime=at(70), discharge_location="HOSPICE-HOME"),
    stay(10, dischtime=at(7 * DAY), discharge_location="HOSPICE-HOME"),
    stay(11, dischtime=at(7 * DAY), discharge_location="SHORT TERM HOSPITAL"),
    stay(12, died=1, dischtime=at(7 * DAY)),
)
LASTED = (2, 5, 6, 7, 10, 11, 12)
"""Who was not cut short."""


@pytest.mark.parametrize(
    ("competing", "expected"),
    [
        ("classes", {**dict.fromkeys(LASTED, WEANED), **dict.fromkeys((1, 3, 8, 9), DIED), 4: TRANSFERRED}),
        ("negative", dict.fromkeys(range(1, 13), NEGATIVE)),
        ("left-out", dict.fromkeys(LASTED, NEGATIVE)),
    ],
)
def test_death_and_transfer_before_day_seven_are_told_apart(competing: str, expected: dict[int, str]) -> None:
    episodes = [ventilated(n, 0, 162 if n == 8 else 60) for n in range(1, 13)]
    task = ProlongedVentilation.parse({"competing": competing})
    assert labels_by_stay(task, *episodes, stays=CUT_SHORT) == expected
    space = task.label_space(pl.DataFrame(), records_of())
    assert space.answer == ("multiclass" if competing == "classes" else "binary")
    assert set(expected.values()) <= set(space.labels)
    late = {**expected, 8: PROLONGED}
    assert labels_by_stay(task.model_copy(update={"cohort": "in-hindsight"}), *episodes, stays=CUT_SHORT) == late


def test_at_the_landmark_what_cut_it_short_comes_before_a_chart_that_runs_on() -> None:
    """Rows of a chart that was closed late; and of two ends death is the one that is reported."""
    gone: dict[str, Any] = {"dischtime": at(6 * DAY), "discharge_location": "ACUTE HOSPITAL"}
    stays = (stay(1, **gone), stay(2, died=1, deathtime=at(6 * DAY), **gone))
    charted = [ventilated(n, 0, 170) for n in (1, 2)]
    assert labels_by_stay(ProlongedVentilation(), *charted, stays=stays) == {1: TRANSFERRED, 2: DIED}
    assert labels_by_stay(HINDSIGHT, *charted, stays=stays) == {1: POSITIVE, 2: POSITIVE}


@pytest.mark.parametrize("measure", MEASURES)
def test_who_is_gone_at_the_landmark_is_not_asked_about(measure: Measure) -> None:
    """42 hours and the tolerance are two days: the last episode ends before, and the patient may have died since."""
    ends = {
        1: stay(1, died=1, deathtime=at(43.5), dischtime=at(43.5)), 2: stay(2, dischtime=at(47.9)),
        3: stay(3, died=1, deathtime=at(48), dischtime=at(48)), 4: stay(4, dischtime=at(48)),
        5: stay(5, died=1, deathtime=at(48.1), dischtime=at(48.1)), 6: stay(6, days=60),
        7: stay(7, dischtime=at(49.5)), 8: stay(8, died=1, deathtime=at(48), dischtime=at(60)),
    }  # fmt: skip
    records = records_of(*ends.values(), episodes=[ventilated(n, 0, 43) for n in ends], icu=[icu_stay(n) for n in ends])
    notes = [note(n, f"Chief Complaint:\nFever {n}") for n in ends]
    found, steps = read_by(ProlongedVentilation(measure=measure), list(ends.values()), notes, records)
    assert found["hadm_id"].to_list() == [5, 6, 7]
    assert steps["still there at the landmark"]["removed_admissions"] == 5  # who leaves or dies right then is not there
    published, steps = read_by(HINDSIGHT, list(ends.values()), notes, records)
    assert published["hadm_id"].to_list() == list(ends)
    assert "still there at the landmark" not in steps


@pytest.mark.parametrize(
    ("switched", "predicted"),
    [
        ({}, 10 + 48), ({"base_days": 1.5}, 10 + 36), ({"reads": WholeSummary()}, 10 + 48),
        ({"reads": BedsideNotes(hours=72)}, 10 + 72), ({"cohort": "in-hindsight"}, 0),
    ],
)  # fmt: skip
def test_the_prediction_is_made_at_the_landmark_whatever_is_read(switched: dict[str, Any], predicted: float) -> None:
    task = ProlongedVentilation().model_copy(update=switched)
    stays = [stay(1, days=60)]
    records = records_of(*stays, episodes=[ventilated(1, 10, 70)], icu=[icu_stay(1)])
    notes = [note(1, "Chief Complaint:\nFever"), note(1, "Vented.", stored=12, category="Nursing")]
    found = read_by(task, stays, notes, records)[0]
    assert found["prediction_time"].to_list() == [at(predicted)]
    when = task.card().when
    assert when == ("on admission (admittime)" if predicted == 0 else f"{predicted - 10} hours after the first "
                    "ventilation")  # fmt: skip


def left_on_day_six(place: str | None, *, hours: float) -> tuple[Row, Row]:
    """A stay that ends on day six, and ventilation that ends so many hours before."""
    return stay(1, dischtime=at(6 * DAY), discharge_location=place), ventilated(1, 0, 6 * DAY - hours)


@pytest.mark.parametrize("place", ["HOME", "SNF", "REHAB/DISTINCT PART HOSP", "PSYCH FACILITY", None])
@pytest.mark.parametrize("cohort", ["at-landmark", "in-hindsight"])
def test_who_leaves_on_the_machine_was_not_weaned_and_is_left_out_and_counted(cohort: str, place: str | None) -> None:
    task = ProlongedVentilation.parse({"cohort": cohort})
    for hours, answer in ((0, {}), (6, {}), (6.01, {1: WEANED}), (-5, {})):  # six hours are the tolerance of a chart
        left, episode = left_on_day_six(place, hours=hours)
        assert labels_by_stay(task, episode, stays=(left,)) == answer
        records = records_of(left, episodes=[episode], icu=[icu_stay(1)])
        found, steps = read_by(task, [left], [note(1, "Chief Complaint:\nFever")], records)
        assert found["hadm_id"].to_list() == list(answer)
        assert steps["did not leave on the machine"]["removed_admissions"] == 1 - len(answer)


def test_what_is_known_of_who_left_on_the_machine_is_told_all_the_same() -> None:
    for place, answer in (("SHORT TERM HOSPITAL", TRANSFERRED), ("HOSPICE-HOME", DIED)):
        left, episode = left_on_day_six(place, hours=0)
        assert labels_by_stay(ProlongedVentilation(), episode, stays=(left,)) == {1: answer}
    left, episode = left_on_day_six("HOME", hours=0)
    assert labels_by_stay(ProlongedVentilation(days=5), episode, stays=(left,)) == {1: PROLONGED}
    dead = left | {"hospital_expire_flag": 1, "deathtime": at(6 * DAY)}
    assert labels_by_stay(ProlongedVentilation(), episode, stays=(dead,)) == {1: DIED}
    later = (episode, ventilated(1, 0, 6 * DAY - 20))
    assert labels_by_stay(ProlongedVentilation(), later[1], stays=(left,)) == {1: WEANED}
    elsewhere = (ventilated(1, 0, 60, stay_id=1), ventilated(1, 130, 6 * DAY - 1, stay_id=2))  # in a later ICU stay
    assert labels_by_stay(ProlongedVentilation(), *elsewhere, stays=(left,)) == {}


def test_who_left_on_the_machine_can_count_as_weaned_and_is_not_prolonged_as_published() -> None:
    left, episode = left_on_day_six("HOME", hours=0)
    weaned = ProlongedVentilation(left_ventilated="weaned")
    assert labels_by_stay(weaned, episode, stays=(left,)) == {1: WEANED}
    assert weaned.name == "prolonged_ventilation_left_ventilated_weaned"
    assert labels_by_stay(HINDSIGHT, episode, stays=(left,)) == {1: NEGATIVE}
    assert labels_by_stay(ProlongedVentilation(competing="left-out"), episode, stays=(left,)) == {}
    asked = [task.card().asked for task in (ProlongedVentilation(), weaned, HINDSIGHT)]
    assert ["who left on the machine before that is left out" in text for text in asked] == [True, False, False]


@pytest.mark.parametrize(
    ("place", "elsewhere"),
    [
        ("SHORT TERM HOSPITAL", True), ("LONG TERM CARE HOSPITAL", True), ("DISC-TRAN CANCER/CHLDRN H", True),
        ("DISC-TRAN TO FEDERAL HC", True), ("ACUTE HOSPITAL", True), ("CHRONIC/LONG TERM ACUTE CARE", True),
        ("DISCH-TRAN TO PSYCH HOSP", False), ("PSYCHIATRIC HOSPITAL", False),
        ("REHAB/DISTINCT PART HOSP", False), ("HOSPICE-HOME", None),
        ("SNF", False), ("HOSPICE-MEDICAL FACILITY", None), ("PSYCH FACILITY", False), ("HOME", False),
        ("REHAB", False), ("Hospice", None),
    ],
)  # fmt: skip
def test_another_hospital_and_a_hospice_are_told_from_other_places(place: str, elsewhere: bool | None) -> None:
    left = (stay(1, dischtime=at(6 * DAY), discharge_location=place),)
    expected = DIED if elsewhere is None else TRANSFERRED if elsewhere else WEANED
    assert labels_by_stay(ProlongedVentilation(), ventilated(1, 0, 60), stays=left) == {1: expected}


def test_published_diagnoses_exclude() -> None:
    codes = ["1409", "1499", "3589", "3590", "3591", "35801", "9410", "94830", "94899", "C01", "C14", "C15", "G7001",
             "T203XXA", "T3130", "Z524", "150", "3580", "94820", "35921", "T3120", "4280"]  # fmt: skip
    diagnoses = [(n, code, 10 if code[0].isalpha() else 9) for n, code in enumerate(codes, 1)]
    episodes = [ventilated(n, 0, 60) for n, _, _ in diagnoses]
    kept = labels_by_stay(ProlongedVentilation(), *episodes, diagnoses=diagnoses)
    assert [code for n, code, _ in diagnoses if n in kept] == [
        "C15", "150", "3580", "94820", "35921", "T3120", "4280"
    ]  # fmt: skip
    assert len(labels_by_stay(ProlongedVentilation(exclusions="none"), *episodes, diagnoses=diagnoses)) == len(codes)


def test_a_code_excludes_in_its_own_version_only() -> None:
    """3591 is a muscular dystrophy of ICD-9; no code of ICD-10 may fall under its pattern, nor the other way round."""
    diagnoses = [(1, "3591", 10), (2, "C01", 9), (3, "3591", 9)]
    assert set(
        labels_by_stay(ProlongedVentilation(), *(ventilated(n, 0, 60) for n in (1, 2, 3)), diagnoses=diagnoses)
    ) == {1, 2}


def test_donors_are_found_by_their_titles() -> None:
    labels = labels_by_stay(
        ProlongedVentilation(), ventilated(1, 0, 60), ventilated(2, 0, 60), ventilated(3, 0, 60),
        diagnoses=[(1, "V594", 9), (2, "V420", 9), (3, "V594", 10)],
        titles=[("V594", 9, "Kidney donors"), ("V420", 9, "Kidney replaced by transplant; donornephropathy")],
    )  # fmt: skip
    assert set(labels) == {2, 3}


def test_a_tracheostomy_can_count_as_prolonged() -> None:
    episodes = [ventilated(n, 0, 60) for n in (1, 2, 3, 4)]
    billed = [(1, "311", 9), (2, "3129", 9), (3, "0B110F4", 10), (4, "9671", 9)]
    assert labels_by_stay(ProlongedVentilation(), *episodes, procedures=billed) == dict.fromkeys((1, 2, 3, 4), WEANED)
    assert labels_by_stay(ProlongedVentilation(tracheostomy="prolonged"), *episodes, procedures=billed) == {
        **dict.fromkeys((1, 2, 3), PROLONGED), 4: WEANED
    }  # fmt: skip
    assert labels_by_stay(ProlongedVentilation(tracheostomy="prolonged"), *episodes) == dict.fromkeys(
        (1, 2, 3, 4), WEANED
    )


def test_a_tracheostomy_alone_brings_nobody_into_the_cohort() -> None:
    task = ProlongedVentilation(tracheostomy="prolonged")
    assert labels_by_stay(task, ventilated(1, 0, 10), procedures=[(1, "311", 9)]) == {}


def test_masks_count_where_it_is_said() -> None:
    masked = (ventilated(1, 0, 60, status="non-invasive"), ventilated(2, 0, 60, status="oxygen"),
              ventilated(3, 0, 30, status="invasive"), ventilated(3, 30, 170, status="non-invasive"))  # fmt: skip
    assert labels_by_stay(ProlongedVentilation(), *masked) == {}
    assert labels_by_stay(ProlongedVentilation(masks="counted"), *masked) == {1: WEANED, 3: PROLONGED}


@pytest.mark.parametrize("measure", MEASURES)
def test_a_machine_through_a_cannula_counts(measure: Measure) -> None:
    """Patient 1 gets one on day four and stays on the machine, patient 2 breathes through it alone."""
    cut = (ventilated(1, 0, 96, status="invasive"), ventilated(1, 90, 700, status="on-machine"),
           ventilated(1, 96, 700, status="tracheostomy"), ventilated(2, 0, 96, status="invasive"),
           ventilated(2, 0, 97, status="on-machine"), ventilated(2, 97, 700, status="tracheostomy"))  # fmt: skip
    assert labels_by_stay(ProlongedVentilation(measure=measure), *cut) == {1: PROLONGED, 2: WEANED}
    assert labels_by_stay(ProlongedVentilation(measure=measure, cannula="left-out"), *cut) == {1: WEANED, 2: WEANED}


def test_the_episodes_are_those_of_the_join_that_is_asked_for() -> None:
    long, short = (records_of(stay(1), episodes=[ventilated(1, 0, hours)]).ventilation for hours in (168, 50))
    assert long is not None
    assert short is not None
    records = replace(records_of(stay(1)), ventilation=lambda join="fixed": long() if join == "fixed" else short())
    found = [answers(ProlongedVentilation(oxygen_join=join), records) for join in OXYGEN_JOINS]
    assert found == [{1: [PROLONGED]}, {1: [WEANED]}]


def test_a_source_without_a_bedside_chart_has_no_answers() -> None:
    asked = ProlongedVentilation().asked(records_of(stay(1)))
    assert asked.is_empty()
    assert asked.columns == ["subject_id", "hadm_id", "asked", "anchor", "left_ventilated"]
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
    assert steps["still there at the landmark"]["removed_admissions"] == 2
    assert steps["still there at the prediction"]["removed_admissions"] == 0
    assert task.card().kind == "prospective"


def test_the_whole_summary_tells_how_it_went_on_and_is_refused() -> None:
    with pytest.raises(ConfigError, match="must not tell the answer"):
        ProlongedVentilation.parse({"reads": {"kind": "whole-summary"}})


def test_a_prediction_before_the_landmark_is_refused() -> None:
    reads = {"kind": "bedside-notes", "hours": 24}
    with pytest.raises(ConfigError, match="48 hours after the first ventilation, but reads"):
        ProlongedVentilation.parse({"reads": reads})
    assert ProlongedVentilation.parse({"reads": reads, "base_days": 1}).base_days == 1
    assert ProlongedVentilation.parse({"reads": reads, "cohort": "in-hindsight"}).reads.kind == "bedside-notes"


def test_the_card_says_how_time_is_counted_and_what_death_is() -> None:
    card = ProlongedVentilation(measure="longest", competing="negative").card()
    assert "longest episode" in card.asked
    assert "by a tube or a cannula in the ICU stay of the first ventilation" in card.asked
    assert "tolerance" not in card.asked
    assert "count as not prolonged, as published" in card.asked
    assert "for 2 days or more (gaps ignored, 6 h tolerance), alive and in hospital then" in card.who
    published = HINDSIGHT.model_copy(update={"cannula": "left-out"}).card()
    assert "7 days or more by a tube in any ICU stay, 6 h tolerance" in published.asked
    assert "some of it after the landmark" in published.who
    assert "death or hospice and transfer" in ProlongedVentilation().card().asked
    assert "a cannula or a mask" in ProlongedVentilation(masks="counted").card().asked


def test_icu_stays_with_ventilation_and_admissions_with_a_place_are_counted() -> None:
    """Of three stays one has no episode, one a mask only; an episode of no stay counts for none."""
    episodes = (
        ventilated(1, 0, 5),
        ventilated(1, 9, 10),
        ventilated(2, 0, 5, status="non-invasive"),
        ventilated(9, 0, 5),
    )
    there = [stay(n, discharge_location=place) for n, place in ((1, "HOME"), (2, None), (3, "HOSPICE"))]
    records = records_of(*there, episodes=episodes, icu=[icu_stay(n, stay_id=n) for n in (1, 2, 3)])

    def counts(task: ProlongedVentilation) -> dict[str, tuple[int, int]]:
        return {rule.rule: (rule.reachable, rule.reached) for rule in task.coverage(records)}

    assert counts(ProlongedVentilation()) == {"ventilation": (3, 1), "a discharge location": (3, 2)}
    assert counts(ProlongedVentilation(masks="counted"))["ventilation"] == (3, 2)
    assert counts(ProlongedVentilation(competing="left-out"))["a discharge location"] == (3, 2)
    assert set(counts(HINDSIGHT)) == {"ventilation"}  # there every place is the same answer
    assert ProlongedVentilation().coverage(replace(records, ventilation=None)) == []
