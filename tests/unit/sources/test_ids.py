"""Ids that need not be numbers."""

import polars as pl

from chartune.sources.ids import all_whole, numbered, trimmed


# The hashes are those of `printf P-44 | b2sum -l 64`, without their last bit.
def test_whole_numbers_stay_and_other_ids_become_the_same_number_everywhere() -> None:
    ids = pl.Series(["17", "P-44", "007", "0", "17", "-3", "9" * 19])
    assert numbered(ids).to_list() == [
        17, 629607205199025724, 2636083598628110558, 0, 17, 2768450807935290300, 6710809488228631798,
    ]  # fmt: skip


def test_nothing_becomes_nothing() -> None:
    assert numbered(pl.Series([], dtype=pl.String)).to_list() == []


def test_blanks_and_the_point_of_a_float_mean_nothing() -> None:
    assert trimmed(pl.Series([" a ", "12.0", "12.50", "x.0"])).to_list() == ["a", "12", "12.50", "x.0"]


def test_a_leading_zero_makes_no_whole_number() -> None:
    assert all_whole(pl.Series(["1", "20"]))
    assert not all_whole(pl.Series(["1", "02"]))
