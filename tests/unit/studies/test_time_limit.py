"""Which cells fit into a time limit: the first of the order first, with what they are built on, on several workers."""

from collections.abc import Mapping

import pytest

from chartune.studies.forecast import Forecast
from chartune.studies.time_limit import Choice, chosen

ALONE: Mapping[int, frozenset[int]] = {n: frozenset() for n in range(4)}


def planned(*seconds: float | None) -> list[Forecast]:
    return [Forecast(f"cell {n}", seconds=value) for n, value in enumerate(seconds)]


def within(each: list[Forecast], limit: float, waits: Mapping[int, frozenset[int]] = ALONE, workers: int = 1) -> Choice:
    return chosen(each, [False] * len(each), range(len(each)), waits, limit, workers)


def test_the_first_of_the_order_come_first_and_a_long_one_makes_room_for_shorter_ones() -> None:
    choice = within(planned(40, 50, 70, 10), 100)
    assert choice.seconds == {0: 40, 1: 50, 3: 10}
    assert choice.left_out == {2: "with about 1 min 10 s it does not fit into 1 min 40 s"}


def test_what_is_built_on_a_cell_that_is_left_out_is_left_out() -> None:
    choice = within(planned(40, 90, 10, 10), 100, {**ALONE, 2: frozenset({1}), 3: frozenset({2})})
    assert choice.seconds == {0: 40}
    assert choice.left_out[2] == "it depends on `cell 1`, which is left out"
    assert choice.left_out[3] == "it depends on `cell 2`, which is left out"


def test_several_workers_do_more_but_a_cell_waits_for_its_parent() -> None:
    assert set(within(planned(60, 60, 40, 40), 100, workers=2).seconds) == {0, 1, 2, 3}
    assert set(within(planned(60, 60, 40, 40), 99, workers=2).seconds) == {0, 1}
    built = {**ALONE, 1: frozenset({0})}
    assert set(within(planned(60, 60, 40, 40), 100, built, workers=2).seconds) == {0, 2, 3}


def test_a_cell_whose_time_is_not_known_is_left_out_unless_its_kind_takes_seconds() -> None:
    each = planned(None, None, 10, 10)
    choice = chosen(each, [False, True, False, False], range(4), ALONE, 15, 1)
    assert choice.seconds == {1: 0, 2: 10}
    assert "its time is not known" in choice.left_out[0]


def test_what_is_done_takes_no_time_and_is_never_left_out() -> None:
    each = [Forecast("cell 0", done=True, seconds=None), *planned(90, 10)]
    choice = within(each, 100, {**ALONE, 1: frozenset({0})})
    assert set(choice.seconds) == {1, 2}
    assert choice.left_out == {}


def test_a_chosen_cell_is_not_begun_once_too_little_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    choice = within(planned(40, 50), 100)
    assert choice.refuses(1) == ""
    monkeypatch.setattr("time.monotonic", lambda: 1051.0)
    assert choice.refuses(0) == ""
    assert choice.refuses(1) == "it takes about 50 s, but 49 s of the time limit are left"
    assert choice.refuses(2) == ""  # it takes none
