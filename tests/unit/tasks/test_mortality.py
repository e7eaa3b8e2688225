"""Mortality: in hospital by its flag, hospices as a sensitivity, and within some days by the date of death."""

from datetime import date, timedelta

import polars as pl
import pytest

from chartune.disclosure import shown_sentence
from chartune.errors import ConfigError
from chartune.sources.source import Records
from chartune.tasks.late_mortality import LateMortality
from chartune.tasks.mortality import Mortality
from chartune.tasks.stays import Stays
from chartune.testing.small_charts import BEGIN, answers, at, icu_stay, note, read_by, records_of, stay, ventilated

TODAY = BEGIN.date()


def test_the_flag_tells_who_died_and_another_flag_is_no_answer() -> None:
    records = records_of(stay(1), stay(2, died=1), stay(3, died=None), stay(4, died=7))
    assert answers(Mortality(), records) == {1: ["survived"], 2: ["died"]}


@pytest.mark.parametrize("place", ["HOSPICE-HOME", "HOSPICE-MEDICAL FACILITY", "Hospice"])
def test_a_discharge_to_a_hospice_can_count_as_a_death(place: str) -> None:
    records = records_of(
        stay(1, discharge_location=place), stay(2, discharge_location="HOME"), stay(3, died=1), stay(4)
    )
    survived = {n: ["survived"] for n in (1, 2, 4)}
    assert answers(Mortality(), records) == {**survived, 3: ["died"]}
    assert answers(Mortality(hospice="died"), records) == {**survived, 1: ["died"], 3: ["died"]}


def test_the_sensitivity_has_a_name_of_its_own() -> None:
    assert (Mortality().name, Mortality(hospice="died").name) == ("mortality", "mortality_or_hospice")
    assert "hospice" in Mortality(hospice="died").card().asked
    assert "hospice" not in Mortality().card().asked


def test_the_number_of_death_is_one() -> None:
    for task in (Mortality(), LateMortality()):
        space = task.label_space(pl.DataFrame(), records_of())
        assert (space.answer, space.labels) == ("binary", ("survived", "died"))


def test_the_ninetieth_day_is_the_last_one_counted_from_the_day_of_admission() -> None:
    days = {1: 0, 2: 89, 3: 90, 4: 91, 5: 4000}
    records = records_of(*(stay(n) for n in (*days, 6)), dod={n: TODAY + timedelta(days=d) for n, d in days.items()})
    assert answers(LateMortality(), records) == {
        1: ["died"], 2: ["died"], 3: ["died"], 4: ["survived"], 5: ["survived"], 6: ["survived"]
    }  # fmt: skip
    assert answers(LateMortality(days=91), records)[4] == ["died"]


def test_hours_do_not_move_the_day() -> None:
    late = stay(1, admittime=BEGIN.replace(hour=23, minute=59))
    assert answers(LateMortality(days=1), records_of(late, dod={1: TODAY + timedelta(days=1)})) == {1: ["died"]}


def test_a_death_before_the_admission_is_no_answer() -> None:
    records = records_of(stay(1), stay(2), dod={1: TODAY - timedelta(days=1), 2: TODAY})
    assert answers(LateMortality(), records) == {2: ["died"]}


def test_a_death_in_hospital_without_a_date_of_death_counts_from_its_time_and_else_is_no_answer() -> None:
    records = records_of(
        stay(1, died=1, deathtime=BEGIN + timedelta(days=3)), stay(2, died=1), stay(3, died=0), stay(4), dod={4: TODAY}
    )
    assert answers(LateMortality(), records) == {1: ["died"], 3: ["survived"], 4: ["died"]}


def disagreeing() -> Records:
    """Deaths in hospital on day three; the register says a later day, the next, an earlier one; 4 has no time."""
    three = BEGIN + timedelta(days=3)
    inside = [stay(n, died=1, dischtime=three, deathtime=None if n == 4 else three) for n in (1, 2, 3, 4)]
    stays = [*inside, stay(5)]
    days = {1: 200, 2: 4, 3: 1, 4: 200, 5: 200}
    return records_of(*stays, dod={n: TODAY + timedelta(days=d) for n, d in days.items()})


def test_a_death_in_hospital_wins_over_a_later_date_of_death_and_is_counted() -> None:
    died = {n: ["died"] for n in (1, 2, 3, 4)}
    assert answers(LateMortality(), disagreeing()) == {**died, 5: ["survived"]}
    assert answers(LateMortality(days=3), disagreeing()) == {**died, 5: ["survived"]}
    assert answers(LateMortality(days=2), disagreeing()) == {n: ["survived"] for n in (1, 2, 3, 4, 5)}
    (warning,) = LateMortality().warnings(disagreeing(), pl.DataFrame())
    assert warning.startswith("mortality_90d: 3 admissions end with a death in hospital, but a later date of death")
    agreeing = records_of(stay(1, died=1, deathtime=BEGIN, dischtime=BEGIN), stay(2), dod={1: TODAY, 2: TODAY})
    assert LateMortality().warnings(agreeing, pl.DataFrame()) == ()
    assert shown_sentence(warning, exact=False).startswith("mortality_90d: <10 admissions end")


def test_days_can_be_counted_from_the_first_ventilation_of_those_who_were_ventilated_for_two_days() -> None:
    """Huang's: within 92 days of it. Patient 3 was ventilated for a day only; 4 had no ventilator; 5 died before."""
    days = {1: 102, 2: 103, 3: 20, 4: 20, 5: 5}
    stays = [stay(n, days=60) for n in days]
    records = records_of(
        *stays, dod={n: TODAY + timedelta(days=d) for n, d in days.items()}, icu=[icu_stay(n) for n in (1, 2, 3, 5)],
        episodes=[ventilated(n, 240, 240 + hours) for n, hours in ((1, 42), (2, 300), (3, 24), (5, 60))],
    )  # fmt: skip
    task = LateMortality(days=92, anchor="first-ventilation")
    assert answers(task, records) == {1: ["died"], 2: ["survived"]}
    asked = task.asked(records)  # of patient 5 it is not known
    assert asked["anchor"].to_list() == [at(240)] * 3
    assert asked.drop_nulls("asked")["hadm_id"].to_list() == [1, 2]
    assert (task.name, LateMortality(days=92).name) == ("mortality_92d_after_ventilation", "mortality_92d")
    assert (task.needs_events, LateMortality().needs_events) == (True, False)
    card = task.card()
    assert "within 92 days of the day of the first ventilation" in card.asked
    assert "ventilated for 2 days or more" in card.who
    assert card.citation == "Huang et al. (2020), Clinical XLNet"
    assert "from the first ventilation" in LateMortality().card().citation
    assert answers(task, records_of(*stays, dod={1: TODAY})) == {}  # a source without a bedside chart


def test_a_source_that_knows_no_dates_of_death_is_asked_nothing() -> None:
    assert answers(LateMortality(), records_of(stay(1), stay(2, died=1))) == {}


def test_every_admission_of_a_patient_is_asked_from_its_own_day() -> None:
    again = stay(2, subject_id=1, admittime=BEGIN + timedelta(days=100), dischtime=BEGIN + timedelta(days=110))
    records = records_of(stay(1), again, dod={1: TODAY + timedelta(days=120)})
    assert answers(LateMortality(), records) == {1: ["survived"], 2: ["died"]}


def test_days_are_at_most_a_year_because_later_deaths_are_censored() -> None:
    with pytest.raises(ConfigError, match="less than or equal to 365"):
        LateMortality.parse({"days": 366})
    assert LateMortality(days=30).name == "mortality_30d"


@pytest.mark.parametrize("task", [Mortality(), LateMortality()])
def test_a_text_that_tells_the_death_is_left_out_where_death_is_asked(task: Mortality | LateMortality) -> None:
    stays = [stay(1), stay(2)]
    notes = [note(1, "Chief Complaint:\nFever"), note(2, "Chief Complaint:\nThe patient expired at home")]
    examples, steps = read_by(task, stays, notes, records_of(*stays, dod={1: date(2100, 7, 9)}))
    assert examples["hadm_id"].to_list() == [1]
    assert steps["does not state the death"]["removed_admissions"] == 1


def test_who_was_dead_before_the_stay_is_left_out_and_counted() -> None:
    stays = [
        stay(1, died=1, deathtime=at(-30)), stay(2, died=1, deathtime=at(0)), stay(3, died=1, deathtime=at(60)), stay(4)
    ]  # fmt: skip
    notes = [note(n, f"Chief Complaint:\nFever {n}") for n in (1, 2, 3, 4)]
    examples, steps = read_by(Mortality(), stays, notes)
    assert examples["hadm_id"].to_list() == [2, 3, 4]
    assert steps["alive when it begins"]["removed_admissions"] == 1
    assert steps["ends after it begins"]["removed_admissions"] == 0
    as_given = Mortality(stays=Stays(times="as-given"))
    assert read_by(as_given, stays, notes)[0]["hadm_id"].to_list() == [1, 2, 3, 4]
