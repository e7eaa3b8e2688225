"""Splits by hash and by list: by patient, made once, never moved by new rows."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError, DataError, LeakageError, SchemaError
from chartune.sources.ids import numbered
from chartune.sources.splits import HashSplit, ImportedSplit
from chartune.sources.tabular import Tabular


def lists(folder: Path, **ids: list[Any]) -> ImportedSplit:
    folder.mkdir(exist_ok=True)
    for split, members in ids.items():
        (folder / f"{split}.csv").write_text("SUBJECT_ID\n" + "".join(f"{n}\n" for n in members))
    return ImportedSplit(folder=folder)


def subjects(*ids: int) -> pl.DataFrame:
    return pl.DataFrame({"subject_id": ids}, schema={"subject_id": pl.Int64})


def test_shares_come_out_as_asked() -> None:
    frame = HashSplit(train=0.5, validation=0.2, calibration=0.1, test=0.2).assign(subjects(*range(20_000))).frame
    shares = dict(frame["split"].value_counts(normalize=True).iter_rows())
    assert shares == pytest.approx({"train": 0.5, "validation": 0.2, "calibration": 0.1, "test": 0.2}, abs=0.01)


def test_a_share_of_nothing_gets_nobody() -> None:
    frame = HashSplit(train=0.8, validation=0.2, test=0.0).assign(subjects(*range(5000))).frame
    assert set(frame["split"]) == {"train", "validation"}


def test_new_patients_never_move_old_ones() -> None:
    few, many = (
        HashSplit().assign(subjects(*range(100))).frame,
        HashSplit().assign(subjects(*range(5000, -1, -1))).frame,
    )
    assert few.equals(many.filter(pl.col("subject_id") < 100))


def test_the_split_of_a_patient_is_the_same_on_every_machine() -> None:
    assert [HashSplit().split_of(n) for n in range(10006, 10014)] == [
        "validation", "train", "train", "test", "train", "train", "train", "train",
    ]  # fmt: skip


def test_another_salt_is_another_split() -> None:
    ids = subjects(*range(200))
    assert not HashSplit(salt="a").assign(ids).frame.equals(HashSplit(salt="b").assign(ids).frame)


def test_shares_that_make_no_whole_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"must be 1, but are 0\.9"):
        HashSplit.parse({"train": 0.6})


def test_imported_lists_are_followed_whatever_their_order_and_repeats(tmp_path: Path) -> None:
    split = lists(tmp_path, train=[3, 1, 3], validation=[4], test=[5], calibration=[6], background=[7])
    assert dict(split.assign(subjects(7, 6, 5, 4, 3, 1)).frame.iter_rows()) == {
        1: "train", 3: "train", 4: "validation", 5: "test", 6: "calibration", 7: "corpus",
    }  # fmt: skip


def test_a_patient_in_two_lists_is_a_leak(tmp_path: Path) -> None:
    with pytest.raises(LeakageError, match=r"share patients \(2\)"):
        lists(tmp_path, train=[1, 2, 3], validation=[3], test=[2]).lists()


def test_lists_that_do_not_cover_the_source_are_counted(tmp_path: Path) -> None:
    assignment = lists(tmp_path, train=[1, 77, 78], validation=[2], test=[3]).assign(subjects(1, 2, 3, 4))
    assert assignment.frame["subject_id"].to_list() == [1, 2, 3]
    assert assignment.warnings == ("splits: 2 of 5 listed patients are not in the source.",)
    assert assignment.notices == ("splits: 1 of 4 patients of the source stand in no list and are left out.",)


def test_lists_of_another_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 3 ids"):
        lists(tmp_path, train=[1], validation=[2], test=[3]).assign(subjects(101, 102))


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"need test\.csv"):
        lists(tmp_path, train=[1], validation=[2]).lists()


def test_ids_and_not_paths_make_the_rule(tmp_path: Path) -> None:
    one = lists(tmp_path / "a", train=[1, 2], validation=[3], test=[4]).rule()
    assert one == lists(tmp_path / "b", train=[2, 1, 1], validation=[3], test=[4]).rule()
    assert one != lists(tmp_path / "c", train=[1], validation=[2, 3], test=[4]).rule()


def test_patients_may_be_listed_by_ids_that_are_no_numbers(tmp_path: Path) -> None:
    split = lists(tmp_path, train=["P-1", "P-2 "], validation=["P-3"], test=["P-4"])
    frame = split.assign(subjects(*numbered(pl.Series(["P-4", "P-2", "P-1", "P-9"])))).frame
    assert dict(frame.iter_rows()) == dict(
        zip(numbered(pl.Series(["P-1", "P-2", "P-4"])), ["train", "train", "test"], strict=True)
    )


def test_a_list_may_mix_numbers_and_other_ids_as_a_table_of_ones_own_may(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("text,subject_id,label\na,17,x\nb,P-1,y\nc,007,x\nd,7.0,y\n")
    of_table = Tabular(file=tmp_path / "n.csv").load().subjects
    split = lists(tmp_path / "lists", train=["P-1", 17], validation=["007"], test=[7])
    assignment = split.assign(of_table)
    assert dict(assignment.frame.iter_rows()) == dict(
        zip(numbered(pl.Series(["17", "P-1", "007", "7"])), ["train", "train", "validation", "test"], strict=True)
    )
    assert assignment.warnings == ()
