"""Ids that need not be numbers."""

from pathlib import Path

import polars as pl
import pytest

from chartune.sources.ids import all_whole, numbered, trimmed, usual_id
from chartune.sources.tabular import Tabular


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


@pytest.mark.parametrize(("names", "others", "own", "usual"), [
    (["text", "Note_ID ", "hadm_id"], ["text"], None, "note_id"),
    (["text", "hadm_id", "ID"], ["text"], None, "id"),
    (["id", "text", "hadm_id"], ["ID", None], None, "hadm_id"),
    (["text", "id", "Letter"], ["text"], "letter", "letter"),
    (["text", "id"], ["text"], "letter", "id"),
    (["text", "ident"], ["text"], None, None),
])  # fmt: skip
def test_a_column_names_rows_by_what_it_is_called(
    names: list[str], others: list[str | None], own: str | None, usual: str | None
) -> None:
    assert usual_id(names, others, own) == usual


def test_of_a_table_whose_rows_are_numbered_a_column_that_could_name_them_is_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text("hadm_id,text,subject_id,label\n" + "".join(f"{n},Cough.,{n},{n % 2}\n" for n in range(12)))
    said = Tabular(file=file).load().notices
    assert [line for line in said if "numbered" in line] == [
        "notes: rows are numbered from 1, although there is a column hadm_id; if that names each row, say so: "
        "--set data.source.id=hadm_id (for prepare source.id=hadm_id)."
    ]
    for named in (Tabular(file=file, id="hadm_id"), Tabular(file=file, subject="hadm_id")):
        assert not any("numbered" in line for line in named.load().notices)
