"""Lists of patients as others publish them: CORe's, MEDS's, plain columns of numbers, prepared data's own."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import LeakageError, SchemaError
from chartune.sources.splits import ImportedSplit
from chartune.sources.splits.lists import split_named

HELD = {"validation": [4], "test": [5]}


def stands(split: ImportedSplit, *ids: int) -> dict[int, str]:
    return dict(split.assign(pl.DataFrame({"subject_id": ids or (1, 2, 3, 4, 5)})).frame.iter_rows())


def rest(folder: Path) -> None:
    for name, ids in HELD.items():
        (folder / f"{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))


EXPECTED = {1: "train", 2: "train", 3: "train", 4: "validation", 5: "test"}


def test_lists_with_a_row_per_note_are_read_as_core_ships_them(tmp_path: Path) -> None:
    for name, ids in (("mimic_train", [3, 1, 3, 2, 1]), ("mimic_val", [4, 4]), ("mimic_test", [5])):
        (tmp_path / f"{name}.csv").write_text("SUBJECT_ID\n" + "".join(f"{n}\n" for n in ids))
    (tmp_path / "mimic_utils.py").write_text("import this\n")
    assert stands(ImportedSplit(folder=tmp_path)) == EXPECTED


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.txt", "1\n2\n3\n"),
        ("train.txt", "\ufeff1\r\n2\r\n\r\n3\r\n"),
        ("train.csv", "1\n2\n3\n"),
        ("train.csv", '"1"\n"2"\n"3"\n'),
        ("train.csv", "1.0\n2.0\n3.0\n"),
        ("train.txt", "subject_id\n1\n2\n3"),
        ("train.tsv", "row\tSubject_Id\n0\t1\n1\t2\n2\t3\n"),
        ("train.jsonl", '{"subject_id": 1}\n{"subject_id": 2}\n{"subject_id": "3"}\n'),
        ("Training.csv", ",SUBJECT_ID\n0,1\n1,2\n2,3\n"),
    ],
)
def test_a_list_may_be_written_in_many_ways(tmp_path: Path, name: str, content: str) -> None:
    rest(tmp_path)
    (tmp_path / name).write_bytes(content.encode())
    assert stands(ImportedSplit(folder=tmp_path)) == EXPECTED


def test_lists_may_be_packed_or_parquet(tmp_path: Path) -> None:
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress(b"1\n2\n3\n"))
    pl.DataFrame({"subject_id": [4]}).write_parquet(tmp_path / "valid.parquet")
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(b"SUBJECT_ID\n5\n"))
    assert stands(ImportedSplit(folder=tmp_path)) == EXPECTED


@pytest.mark.parametrize("place", ["metadata/subject_splits.parquet", "subject_splits.parquet", "splits.csv"])
def test_one_table_may_hold_all_splits_in_the_words_of_meds(tmp_path: Path, place: str) -> None:
    words = ["train", "train", "train", "tuning", "held_out"]
    table = pl.DataFrame({"subject_id": [3, 2, 1, 4, 5], "split": words})
    (tmp_path / place).parent.mkdir(exist_ok=True)
    table.write_csv(tmp_path / place) if place.endswith("csv") else table.write_parquet(tmp_path / place)
    assert stands(ImportedSplit(folder=tmp_path)) == EXPECTED
    assert stands(ImportedSplit(folder=tmp_path / place)) == EXPECTED


def test_a_table_of_all_and_lists_of_the_same_patients_are_one_rule(tmp_path: Path) -> None:
    rest(tmp_path)
    (tmp_path / "train.txt").write_text("3\n2\n1\n")
    (tmp_path / "other").mkdir()
    words = ["train"] * 3 + ["dev", "test"]
    pl.DataFrame({"subject_id": [1, 2, 3, 4, 5], "split": words}).write_parquet(tmp_path / "other" / "splits.parquet")
    assert ImportedSplit(folder=tmp_path).rule() == ImportedSplit(folder=tmp_path / "other").rule()


def test_a_patient_whom_one_table_places_twice_is_a_leak(tmp_path: Path) -> None:
    table = pl.DataFrame({"subject_id": [1, 1, 4, 5], "split": ["train", "test", "tuning", "held_out"]})
    table.write_parquet(tmp_path / "splits.parquet")
    with pytest.raises(LeakageError, match=r"share patients \(1\)"):
        ImportedSplit(folder=tmp_path).lists()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("train.csv", "1\nP-77\n3\n", r"column of whole numbers without a header line, but 1 of its 3 ids are none"),
        ("train.txt", "1, 77\n2, 88\n", "2 of its 2 ids are none, first in row 1"),
        ("train.txt", "subject_id\n1\n2 77\n", "1 of its 2 ids are none, first in row 2"),
        ("train.csv", "1,2\n3,77\n", "must have the columns subject_id"),
        ("train.csv", "PATIENT\n1\n77\n", "must have the columns subject_id"),
        ("train.csv", "subject_id\n1\n\"\"\n", "must name something, but 1 are blank"),
        ("train.txt.gz", "no gzip", "cut off"),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_refused_with_counts_and_no_cell(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    rest(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(SchemaError, match=expected) as refused:
        ImportedSplit(folder=tmp_path).lists()
    assert "77" not in str(refused.value)


def test_two_files_that_could_be_one_list_are_named(tmp_path: Path) -> None:
    rest(tmp_path)
    for name in ("train.csv", "mimic_train.csv"):
        (tmp_path / name).write_text("subject_id\n1\n")
    with pytest.raises(SchemaError, match=r"one file must hold the list of train.*mimic_train\.csv and train\.csv"):
        ImportedSplit(folder=tmp_path).lists()


def test_a_table_of_all_beside_lists_is_ambiguous(tmp_path: Path) -> None:
    rest(tmp_path)
    pl.DataFrame({"subject_id": [1], "split": ["train"]}).write_parquet(tmp_path / "splits.parquet")
    with pytest.raises(SchemaError, match=r"either one table must hold all splits, or a list each"):
        ImportedSplit(folder=tmp_path).lists()


def test_a_split_that_nobody_knows_is_counted(tmp_path: Path) -> None:
    table = pl.DataFrame({"subject_id": [1, 2, 3], "split": ["train", "fold-77", "fold-77"]})
    table.write_parquet(tmp_path / "splits.parquet")
    with pytest.raises(SchemaError, match="but 2 of 3 rows name another") as refused:
        ImportedSplit(folder=tmp_path).lists()
    assert "fold-77" not in str(refused.value)


def test_a_place_that_holds_no_lists_is_told(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"must be a folder of lists, or one table of all"):
        ImportedSplit(folder=tmp_path / "nowhere").lists()
    with pytest.raises(SchemaError, match=r"need train\.csv.*ends in train or training"):
        ImportedSplit(folder=tmp_path).lists()


@pytest.mark.parametrize(
    ("name", "split"),
    [("mimic_val", "validation"), ("Held-Out", "test"), ("held out", "test"), ("split.dev", "validation"),
     ("latest", None), ("train2", None), ("background", "corpus")],
)  # fmt: skip
def test_names_of_splits_are_known_by_their_ending(name: str, split: str | None) -> None:
    assert split_named(name) == split


@pytest.mark.parametrize("name", ["train.csv", "train.txt"])
def test_a_mark_for_nothing_is_nobody_and_refused_by_name(tmp_path: Path, name: str) -> None:
    rest(tmp_path)
    (tmp_path / name).write_text("subject_id\np-1\nNA\np-2\nNA\nNULL\n")
    with pytest.raises(SchemaError, match=r"2 cells \(NA\) and 1 cells \(NULL\) hold .* remove these rows"):
        ImportedSplit(folder=tmp_path).lists()
