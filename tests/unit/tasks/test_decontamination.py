"""Documents that hold a held-out text are found, and left out, or as much of others by way of control."""

import random
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from chartune.sources.splits import HashSplit
from chartune.tasks.decontamination import Decontamination, Quoting, holders, left_out
from chartune.tasks.leakage.blocks import Rows

WORDS = [f"w{n}" for n in range(5000)]
NAMES = count()


def text(seed: int, words: int = 120) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


HELD_OUT = [text(n) for n in range(40)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piles and documents are written here."""
    monkeypatch.chdir(tmp_path)


def holding(texts: list[str], documents: list[str], containment: float = 0.5) -> list[int]:
    """The places of the documents that hold a text, each of a patient of its own; they are read from two files."""
    ids = [str(n) for n in range(len(documents))]
    every = pl.DataFrame({"note_id": ids, "text": documents}, schema={"note_id": pl.String, "text": pl.String})
    files = [Path(f"{next(NAMES)}.parquet") for _ in range(2)]
    for number, file in enumerate(files):
        every.gather_every(2, number).write_parquet(file)
    held, pile = pl.DataFrame({"subject_id": range(len(texts)), "text": texts}), Path("some.pile")
    asked = Quoting(containment=containment)
    found = holders(asked, held.iter_slices(25), [Rows(file) for file in files], pile, "looking")
    assert not pile.exists()
    return sorted(map(int, found))


def test_a_document_that_quotes_a_held_out_text_is_found_whatever_its_case_and_blanks() -> None:
    quoting = f"{text(900, 300)} {HELD_OUT[3].upper().replace(' ', chr(10))} {text(901, 300)}"
    assert holding(HELD_OUT, [text(1000), quoting, HELD_OUT[30], text(1001)]) == [1, 2]


@pytest.mark.parametrize(("words", "found"), [(64, True), (63, False)])
def test_half_of_a_texts_runs_are_needed_where_half_is_asked_for(words: int, found: bool) -> None:
    part = " ".join(HELD_OUT[7].split()[:words])
    assert holding(HELD_OUT, [f"{part} {text(77)}"]) == ([0] if found else [])


def test_brackets_of_masks_are_passed_over_on_both_sides() -> None:
    masked = " ".join(f"[**{word.upper()}**]" for word in HELD_OUT[0].split())
    assert holding([masked], [HELD_OUT[0]]) == holding([HELD_OUT[0]], [masked]) == [0]


def test_where_nothing_is_held_out_nothing_is_found() -> None:
    assert holding([], [text(1)]) == []
    assert holding(["too short"], ["too short"]) == []


def corpus() -> pl.DataFrame:
    """Ten long summaries and two hundred short reports that are learnt from, and as many that are tested on."""
    ids = [f"{split}-{kind}{n}" for split in ("train", "test") for kind, n in (("s", 10), ("r", 200)) for n in range(n)]
    long = pl.col("category") == "Discharge summary"
    split, kind = pl.col("note_id").str.split("-").list.first(), pl.col("note_id").str.contains("-s")
    category = pl.when(kind).then(pl.lit("Discharge summary")).otherwise(pl.lit("Radiology"))
    words = pl.when(long).then(1500).otherwise(200).cast(pl.UInt32)
    return pl.DataFrame({"note_id": ids}).with_columns(split=split, category=category).with_columns(words=words)


def test_documents_that_hold_a_text_are_left_out_themselves() -> None:
    held = pl.Series("note_id", ["train-s3", "train-r5"])
    assert left_out(corpus(), held, control=False)["note_id"].to_list() == ["train-s3", "train-r5"]


def test_the_control_leaves_out_as_many_words_of_others_of_each_category() -> None:
    documents = corpus().with_columns(words=pl.col("words") + pl.col("note_id").hash() % 50)
    held = pl.Series("note_id", ["train-s3", "train-s4", "train-r5", "train-r6", "train-r7"])
    gone, others = (left_out(documents, held, control) for control in (False, True))
    assert set(others["note_id"]) & set(held) == set()
    assert set(others["split"]) == {"train"}
    for category, longest in (("Discharge summary", 1550), ("Radiology", 250)):
        lost, wanted = (int(some.filter(pl.col("category") == category)["words"].sum()) for some in (others, gone))
        assert wanted <= lost < wanted + longest
    again = left_out(documents.reverse(), held, control=True)
    assert others["note_id"].to_list() == again["note_id"].to_list()


def test_the_control_takes_documents_of_a_length_of_their_own_until_the_words_are_reached() -> None:
    """One summary of 1,500 words has been lost; where the other summaries have 300 each, five of them go."""
    short = pl.when(pl.col("note_id") == "train-s3").then(1500).otherwise(300)
    assert left_out(corpus().with_columns(words=short), pl.Series(["train-s3"]), control=True).height == 5
    assert left_out(corpus(), pl.Series(["train-s3"]), control=True).height == 1
    whole = pl.Series([f"train-s{n}" for n in range(8)])
    assert sorted(left_out(corpus(), whole, control=True)["note_id"]) == ["train-s8", "train-s9"]


def test_the_control_is_drawn_by_a_hash_that_no_library_changes() -> None:
    drawn = left_out(corpus(), pl.Series(["train-s3"]), control=True)["note_id"].item()
    others = [f"train-s{n}" for n in range(10) if n != 3]
    assert drawn == min(others, key=HashSplit(salt="control").bits) == "train-s4"


def test_data_to_compare_with_must_be_named() -> None:
    with pytest.raises(ValueError, match="against"):
        Decontamination(against=())
