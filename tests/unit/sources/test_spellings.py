"""Spellings: a short form stands for a truth value beside such a word, and for itself elsewhere."""

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.sources.spellings import spelled


@pytest.mark.parametrize("labels", [["1", "t", "2"], ["0", "f", "n"], ["y", "n", "j"]])
def test_short_forms_stay_as_they_are_where_no_truth_value_is_written_out(labels: list[str]) -> None:
    assert spelled(pl.Series(labels), "x", None).to_list() == labels
    assert spelled(pl.Series(labels), "x", "unify").to_list() == labels


def test_beside_a_truth_value_they_stand_for_it() -> None:
    labels = pl.Series(["TRUE", "1", "false", "0"])
    with pytest.raises(SchemaError, match="4 labels in 4 rows are 2 classes"):
        spelled(labels, "x", None)
    assert spelled(labels, "x", "unify").to_list() == ["true", "true", "false", "false"]


@pytest.mark.parametrize(
    ("one", "other"), [("café", "cafe\u0301"), ("1", "\uff11"), ("yes", "yes\u200b"), ("a b", "a\u00a0b")]
)
def test_what_nobody_sees_makes_no_class(one: str, other: str) -> None:
    labels = pl.Series([one, other, "never"])
    with pytest.raises(SchemaError, match="2 labels in 2 rows are 1 classes"):
        spelled(labels, "x", None)
    assert spelled(labels, "x", "unify").to_list() == [one, one, "never"]


def test_case_beyond_ascii_is_a_spelling_too() -> None:
    labels = pl.Series(["Straße", "STRASSE", "Died", "dIED"])
    with pytest.raises(SchemaError, match="4 labels in 4 rows are 2 classes"):
        spelled(labels, "x", None)
    assert spelled(labels, "x", "unify").to_list() == ["strasse", "strasse", "died", "died"]
