"""A space: idle settings are left out, points that mean the same are one, and slips are said with their path."""

from typing import Any

import pytest

from chartune.search.choice import Search
from chartune.search.space import Space, Values
from chartune.yaml_text import plain

P_TUNING = {
    "method.tokens": [1, 5, 10, 15, 20], "method.network": ["mlp", "lstm"], "method.hidden": [64, 128, 256, 768],
    "method.layers": {"values": [1, 2, 4, 8, 12], "when": {"method.network": "lstm"}},
    "method.dropout": {"values": [0.0, 0.1, 0.2], "when": {"method.layers": [2, 4, 8, 12]}},
}  # fmt: skip


def test_settings_that_are_idle_are_left_out_and_points_that_mean_the_same_are_one() -> None:
    space = Space.parse(P_TUNING)
    one, other = (
        {**space.first, "method.network": "mlp", "method.layers": n, "method.dropout": 0.1 * n} for n in (1, 2)
    )
    assert space.settings(one) == {"method.tokens": 1, "method.network": "mlp", "method.hidden": 64}
    assert space.settings(one) == space.settings(other)
    assert "method.dropout" not in space.settings({**space.first, "method.network": "lstm"})  # one layer drops nothing
    assert space.size == 280  # 600 nominal: 5 tokens x (4 widths of the MLP + 4 x (1 + 4 x 3) of the LSTM)


def test_a_multiple_of_another_setting_is_worked_out() -> None:
    space = Space.parse({"rank": [4, 8], "alpha": {"values": [0.3, 0.5, 1], "times": "rank"}})
    assert space.settings({"rank": 8, "alpha": 0.5}) == {"rank": 8, "alpha": 4}
    assert space.size == 6


def test_whole_numbers_between_two_are_counted_and_a_range_of_any_is_not() -> None:
    assert Space.parse({"n": {"low": 2, "high": 6, "integer": True}}).size == 5
    assert Space.parse({"rate": {"low": 1e-5, "high": 1e-2, "log": True}}).size is None


def test_shares_of_a_range_go_from_end_to_end_on_its_scale() -> None:
    space = Space.parse({"rate": {"low": 1e-5, "high": 1e-1, "log": True}, "n": {"low": 1, "high": 9, "integer": True}})
    assert space.at(iter([0.0, 0.0])) == pytest.approx({"rate": 1e-5, "n": 1})
    assert space.at(iter([0.5, 0.5])) == pytest.approx({"rate": 1e-3, "n": 5})
    assert type(space.at(iter([0.5, 0.49]))["n"]) is int


def test_corners_hold_every_value_where_it_is_not_idle() -> None:
    space = Space.parse(P_TUNING)
    settings = [space.settings(point) for point in space.corners()]
    for path, values in (("method.layers", [1, 2, 4, 8, 12]), ("method.dropout", [0.1, 0.2])):
        assert set(values) <= {known.get(path) for known in settings}
    assert len(settings) == 15


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "must map paths to values"),
        ([1], "must map paths to values"),
        ({"rank": 3}, "`rank` must be a list of values or a range"),
        ({"rank": []}, "(?s)`rank`.*at least 1 item"),
        ({"rank": [2, 2]}, "(?s)`rank`.*each value must be named once"),
        ({"rate": {"low": 2, "high": 1}}, "(?s)`rate`.*`low` must be below `high`"),
        ({"rate": {"low": 0, "high": 1, "log": True}}, "must lie above 0"),
        ({"n": {"low": 0.5, "high": 2, "integer": True}}, "must end at whole numbers"),
        ({"rate": {"low": 1, "high": 2, "lgo": True}}, "(?s)`rate`.*lgo: not a field"),
        ({"a": {"values": [1], "when": {"b": 2}}, "b": [1, 2]}, "`a` depends on `b`, which must stand before it"),
        ({"a": {"values": ["x"], "times": "b"}}, "multiples of `b` must be numbers"),
    ],
)
def test_a_slip_is_said_with_its_path(data: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Space.parse(data)


def test_a_grid_needs_an_end() -> None:
    with pytest.raises(ValueError, match="`grid` needs a space of listed values"):
        Search(sampler="grid").must_suit(Space.parse({"rate": {"low": 1, "high": 2}}))


def test_a_rate_without_a_point_is_a_number_although_yaml_takes_it_for_a_word() -> None:
    written = plain(
        "rate: [1e-4, 3E-4, 1.e-3, 0.01]\nname: [1e-4x, e5, lora]\nalpha: {values: [1e1, 20], times: rate}", "a test"
    )
    space = Space.parse(written)
    rates = space.dimensions["rate"]
    assert isinstance(rates, Values)
    assert (rates.values, rates.ordered) == ((1e-4, 3e-4, 1e-3, 0.01), True)
    assert space.dimensions["name"].listed == ("1e-4x", "e5", "lora")
    with pytest.raises(ValueError, match="each value must be named once"):
        Space.parse(plain("rate: [1e-4, 1.0e-4]", "a test"))
