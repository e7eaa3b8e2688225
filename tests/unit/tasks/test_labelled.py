"""Labelled: the labels of a table of one's own become one of two, one of several, or any number."""

import polars as pl
import pytest

from chartune.errors import LabelError
from chartune.sources.source import About, Records
from chartune.tasks.labelled import Labelled

NOTHING = Records(About("tabular", "", "", ""), pl.DataFrame(), pl.DataFrame(), lambda: iter(()))


def examples(asked: list[list[str]]) -> pl.DataFrame:
    return pl.DataFrame(
        {"split": ["train"] * len(asked), "asked": asked}, schema={"split": pl.String, "asked": pl.List(pl.String)}
    )


def test_two_labels_are_binary_and_the_later_in_sorting_is_asked_about() -> None:
    space = Labelled().label_space(examples([["yes"], ["no"], ["no"]]), NOTHING)
    assert (space.answer, space.labels) == ("binary", ("no", "yes"))


def test_the_positive_label_can_be_named() -> None:
    space = Labelled(positive="dead").label_space(examples([["dead"], ["survived"]]), NOTHING)
    assert space.labels == ("survived", "dead")
    with pytest.raises(LabelError, match="none of them"):
        Labelled(positive="died").label_space(examples([["dead"], ["survived"]]), NOTHING)


def test_several_labels_are_multiclass_and_several_in_a_row_multilabel() -> None:
    assert Labelled().label_space(examples([["a"], ["b"], ["c"]]), NOTHING).answer == "multiclass"
    assert Labelled().label_space(examples([["a", "b"], ["b"]]), NOTHING).answer == "multilabel"
    assert Labelled(answer="multilabel").label_space(examples([["a"], ["b"]]), NOTHING).answer == "multilabel"


def test_a_rare_label_of_many_is_not_learnt_and_so_not_named() -> None:
    often = Labelled().label_space(examples([["a", "b"]] * 10 + [["Mrs Smith of room 17", "a"]] * 9), NOTHING)
    assert often.labels == ("a", "b")


def test_an_answer_that_the_rows_contradict_is_refused() -> None:
    with pytest.raises(LabelError, match="1 rows have several"):
        Labelled(answer="multiclass").label_space(examples([["a", "b"], ["b"], ["c"]]), NOTHING)
    with pytest.raises(LabelError, match="must have two labels, but the training rows have 3"):
        Labelled(answer="binary").label_space(examples([["a"], ["b"], ["c"]]), NOTHING)


def test_numbers_are_refused_as_classes_without_being_quoted() -> None:
    with pytest.raises(LabelError, match="101 distinct") as caught:
        Labelled().label_space(examples([[f"7.{n}13"] for n in range(101)]), NOTHING)
    assert "7." not in str(caught.value)


def test_rows_without_a_label_are_not_asked_about() -> None:
    labels = pl.DataFrame(
        {"subject_id": [1, 2, 2], "hadm_id": [1, 2, 2], "label": [None, " b ", "a"]},
        schema={"subject_id": pl.Int64, "hadm_id": pl.Int64, "label": pl.String},
    )
    told = Records(About("t", "", "", ""), pl.DataFrame(), pl.DataFrame(), lambda: iter(()), labels=labels)
    assert Labelled().asked(told).rows() == [(2, 2, ["a", "b"])]
