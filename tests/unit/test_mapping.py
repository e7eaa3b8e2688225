"""One law for plain mappings: merged, set and read by paths; another `kind` begins anew."""

from typing import Any

import pytest

from chartune.mapping import merged, put, value_at


def changed(data: Any, *assignments: tuple[str, Any], kind: Any = None) -> Any:
    put(data, assignments, lambda path: kind)
    return data


def test_a_mapping_is_merged_at_every_depth_and_another_kind_takes_nothing_from_below() -> None:
    below = {"a": 1, "method": {"kind": "lora", "rank": 4, "inner": {"x": 1}}}
    assert merged(below, {"method": {"inner": {"y": 2}}})["method"] == {
        "kind": "lora", "rank": 4, "inner": {"x": 1, "y": 2},
    }  # fmt: skip
    assert merged(below, {"method": {"kind": "lora", "rank": 5}})["method"]["inner"] == {"x": 1}
    assert merged(below, {"method": {"kind": "full"}}) == {"a": 1, "method": {"kind": "full"}}
    assert merged(below, {"method": "none"}) == {"a": 1, "method": "none"}


@pytest.mark.parametrize("first", [0, 1])
def test_a_kind_is_set_before_the_fields_that_belong_to_it_in_whatever_order_they_come(first: int) -> None:
    both = [("method.kind", "ia3"), ("method.rank", 3)]
    data = changed({"method": {"kind": "lora", "alpha": 9}}, both[first], both[1 - first])
    assert data == {"method": {"kind": "ia3", "rank": 3}}


def test_outer_kinds_are_set_before_inner_ones() -> None:
    data = changed(
        {"layer": {"kind": "frozen", "adapter": "x"}}, ("layer.method.kind", "full"), ("layer.kind", "fresh")
    )
    assert data == {"layer": {"kind": "fresh", "method": {"kind": "full"}}}


def test_a_kind_that_a_mapping_has_already_leaves_its_fields_said_or_not() -> None:
    assert changed({"method": {"kind": "lora", "rank": 4}}, ("method.kind", "lora"))["method"]["rank"] == 4
    assert changed({"method": {"rank": 4}}, ("method.kind", "lora"), kind="lora")["method"] == {
        "rank": 4, "kind": "lora",
    }  # fmt: skip
    assert changed({"method": {"rank": 4}}, ("method.kind", "full"), kind="lora")["method"] == {"kind": "full"}


def test_paths_lead_through_mappings_that_are_made_and_lists_that_are_there() -> None:
    data = changed({"layers": [{"rank": 1}, 2]}, ("a.b.c", 3), ("layers.0.rank", 4), ("layers.1", 5))
    assert data == {"layers": [{"rank": 4}, 5], "a": {"b": {"c": 3}}}
    assert (value_at(data, "a.b.c"), value_at(data, "layers.0.rank"), value_at(data, "layers.7.rank")) == (3, 4, None)
    assert value_at(data, "layers.1.deeper") is None


@pytest.mark.parametrize("path", ["layers.7.rank", "layers.x", "name.deeper.rank", "layers.-1"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=f"`{path}`"):
        changed({"layers": [], "name": "x"}, (path, 1))
