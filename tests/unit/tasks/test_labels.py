"""Label spaces: names become numbers, and only names that training patients have are learnt."""

import polars as pl
import pytest

from chartune.tasks.labels import LabelSpace, frequent, titled


def examples(*asked: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"split": ["train"] * len(asked), "asked": asked}, schema={"split": pl.String, "asked": pl.List(pl.String)}
    )


def test_one_answer_becomes_its_place_in_the_space() -> None:
    space = LabelSpace("binary", ("survived", "died"), ("survived", "died"))
    numbered = space.number(examples(["died"], ["survived"], ["moved"]))
    assert numbered["label"].to_list() == [1, 0, None]
    assert numbered.schema["label"] == pl.Int64


def test_several_answers_become_a_sorted_list_and_strangers_are_left_out() -> None:
    space = LabelSpace("multilabel", ("038", "38", "428"), ("a", "b", "c"))
    numbered = space.number(examples(["428", "038"], ["999"], [], ["38"]))
    assert numbered["label"].to_list() == [[0, 2], [], [], [1]]
    assert numbered.schema["label"] == pl.List(pl.Int32)


def test_a_space_survives_json() -> None:
    space = LabelSpace("multilabel", ("1", "2"), ("one", "two"))
    assert LabelSpace.from_json({**space.to_json(), "attrition": []}) == space


def test_names_count_once_per_training_example_and_from_the_least_number_on() -> None:
    frame = pl.DataFrame(
        {"split": ["train", "train", "train", "test"], "asked": [["a", "b"], ["a"], ["c"], ["c"]]},
        schema={"split": pl.String, "asked": pl.List(pl.String)},
    )
    assert frequent(frame, 1) == ["a", "b", "c"]
    assert frequent(frame, 2) == ["a"]


def test_counts_say_what_the_answer_allows() -> None:
    assert LabelSpace("binary", ("n", "y"), ()).counts(pl.Series([0, 1, 1])) == {"positives": 2}
    assert LabelSpace("multilabel", ("n", "y"), ()).counts(pl.Series([[0, 1], []])) == {"labels_assigned": 2}
    assert LabelSpace("multiclass", ("a", "b", "c"), ()).counts(pl.Series([0, 2])) == {}


@pytest.mark.parametrize(("titles", "expected"), [({"a": "Alpha"}, ("Alpha", "b")), ({"a": ""}, ("a", "b"))])
def test_a_name_without_a_title_stands_for_itself(titles: dict[str, str], expected: tuple[str, ...]) -> None:
    assert titled(["a", "b"], titles) == expected
