"""Ventilation time: three readings of the same episodes, the edge of each, and what a landmark can see of them."""

from typing import Literal

import polars as pl
import pytest

from chartune.sources.ventilation import EPISODES
from chartune.tasks.ventilation_time import INVASIVE, Measure, by_admission, ventilated
from chartune.testing.small_charts import Row, at, frame, icu_stay
from chartune.testing.small_charts import ventilated as episode


def days_of(*episodes: Row, measure: Measure = "span", within: float | None = None) -> dict[int, float]:
    """stay_id → days."""
    ventilation = ventilated(frame(episodes, EPISODES), INVASIVE, measure, within)
    return dict(ventilation.select("stay_id", "days").iter_rows())


def test_a_span_runs_over_gaps_and_six_hours_further() -> None:
    assert days_of(episode(1, 0, 12), episode(1, 100, 162)) == {1: 7.0}  # 6 days and 18 hours, and the tolerance
    assert days_of(episode(1, 0, 12), episode(1, 100, 162 - 1 / 3600))[1] < 7.0


def test_the_edge_is_exact_on_every_day_and_quarter() -> None:
    """Days are a quotient of floats; one that fell short by its last digit would lose a patient at the edge."""
    quarters = range(2, 400)
    days = days_of(*(episode(n, 0, 6 * n - 6) for n in quarters))
    assert days == {n: n / 4 for n in quarters}


def test_the_order_of_episodes_does_not_matter() -> None:
    assert days_of(episode(1, 100, 162), episode(1, 0, 12)) == days_of(episode(1, 0, 12), episode(1, 100, 162))


def test_the_longest_and_the_sum_have_no_tolerance() -> None:
    episodes = (episode(1, 0, 12), episode(1, 24, 72), episode(1, 80, 92))
    assert days_of(*episodes, measure="longest") == {1: 2.0}
    assert days_of(*episodes, measure="sum") == {1: 3.0}


def test_stays_are_counted_apart_and_come_in_order() -> None:
    episodes = (episode(1, 0, 18, stay_id=12), episode(1, 200, 218, stay_id=11), episode(2, 0, 42))
    assert days_of(*episodes) == {2: 2.0, 11: 1.0, 12: 1.0}
    frame_ = ventilated(frame(episodes, EPISODES), INVASIVE, "span")
    assert frame_["stay_id"].to_list() == [2, 11, 12]
    assert frame_["first"].to_list() == [at(0), at(200), at(0)]


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("ventilated", True), ("invasive", True), ("non-invasive", False), ("tracheostomy", False), ("oxygen", False),
        ("high-flow", False), ("none", False),
    ],
)  # fmt: skip
def test_masks_cannulas_and_tracheostomies_are_no_invasive_ventilation(status: str, counts: bool) -> None:
    assert (days_of(episode(1, 0, 18, status=status)) == {1: 1.0}) == counts


def test_a_stay_without_an_admission_is_left_out() -> None:
    assert days_of({**episode(1, 0, 18), "hadm_id": None}) == {}


def test_nothing_that_comes_after_the_landmark_counts() -> None:
    late = (episode(1, 0, 1), episode(1, 90, 120))
    assert days_of(*late) == {1: 5.25}
    assert days_of(*late, within=2) == {1: 7 / 24}
    assert days_of(episode(1, 0, 1), episode(1, 48, 90), within=2) == {1: 4.0}  # it begins at the landmark
    assert days_of(episode(1, 0, 1), episode(1, 48 + 1 / 3600, 90), within=2) == {1: 7 / 24}
    assert days_of(episode(1, 0, 18), episode(1, 30, 492), episode(1, 500, 600), within=2, measure="sum") == {1: 20.0}


def test_the_tolerance_is_what_it_is_set_to() -> None:
    ventilation = ventilated(frame([episode(1, 0, 42)], EPISODES), INVASIVE, "span", tolerance_hours=0)
    assert ventilation["days"].to_list() == [42 / 24]


@pytest.mark.parametrize(("begins", "longest", "total"), [(10, 2.0, 2.0), (24, 2.0, 2.0), (27, 1.0, 1.875)])
def test_episodes_that_overlap_or_touch_are_one(begins: float, longest: float, total: float) -> None:
    """Of several statuses that count, such as a tube and then a cannula; another stay is another matter."""
    changed = (episode(1, 0, 24), episode(1, begins, 48, status="invasive"), episode(1, 2, 3, status="invasive"))
    other = episode(2, 20, 44)
    assert days_of(*changed, other, measure="longest") == {1: longest, 2: 1.0}
    assert days_of(*changed, other, measure="sum") == {1: total, 2: 1.0}


def test_the_landmark_is_counted_from_the_first_start_of_each_stay() -> None:
    episodes = (episode(1, 0, 18, stay_id=1), episode(1, 300, 318, stay_id=2))
    later = (episode(1, 49, 70, stay_id=1), episode(1, 348, 366, stay_id=2))
    assert days_of(*episodes, *later, within=2) == {1: 1.0, 2: 3.0}


def cohort(
    *episodes: Row, icu: tuple[Row, ...], counted: Literal["any-stay", "anchor-stay"] = "any-stay"
) -> list[tuple[object, ...]]:
    times = ventilated(frame(episodes, EPISODES), INVASIVE, "span")
    intimes = frame(icu, {"stay_id": pl.Int64, "intime": pl.Datetime("us")})
    found = by_admission(times, times.filter(pl.col("days") >= 2), intimes, counted)
    return found.select("hadm_id", "anchor", "days").rows()


def test_the_first_stay_of_the_cohort_by_intime_gives_the_anchor_and_any_stay_or_it_alone_the_days() -> None:
    episodes = (episode(1, 300, 350, stay_id=1), episode(1, 20, 24, stay_id=2), episode(1, 100, 142, stay_id=3),
            episode(1, 500, 900, stay_id=4))  # fmt: skip
    icu = (icu_stay(1, stay_id=1, begins=290), icu_stay(1, stay_id=2, begins=10), icu_stay(1, stay_id=3, begins=90),
           icu_stay(1, stay_id=4, begins=480))  # fmt: skip
    assert cohort(*episodes, icu=icu) == [(1, at(100), pytest.approx(400 / 24 + 0.25))]
    assert cohort(*episodes, icu=icu, counted="anchor-stay") == [(1, at(100), 2.0)]


def test_days_of_any_stay_are_also_those_of_a_stay_outside_the_cohort() -> None:
    both = (episode(1, 0, 60, stay_id=1), episode(1, 300, 486, stay_id=2))
    ventilation = ventilated(frame(both, EPISODES), INVASIVE, "span")
    base, intimes = ventilation.head(1), ventilation.select("stay_id", intime="first")
    assert by_admission(ventilation, base, intimes, "any-stay")["days"].to_list() == [8.0]
    assert by_admission(ventilation, base, intimes, "anchor-stay")["days"].to_list() == [66 / 24]


def test_a_stay_without_an_intime_begins_with_its_ventilation() -> None:
    episodes = (episode(1, 300, 350, stay_id=1), episode(1, 100, 150, stay_id=2))
    assert cohort(*episodes, icu=(icu_stay(1, stay_id=1, begins=290),)) == [(1, at(100), pytest.approx(56 / 24))]
    assert cohort(*episodes, icu=(icu_stay(1, stay_id=1, begins=90),)) == [(1, at(300), pytest.approx(56 / 24))]


def test_an_admission_without_a_long_enough_stay_is_not_in_the_cohort() -> None:
    assert cohort(episode(1, 0, 41), episode(2, 0, 42), icu=(icu_stay(1), icu_stay(2))) == [(2, at(0), 2.0)]
