"""Held-out texts in training texts are counted in their split, whole, in part and exactly, however files are cut."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from chartune.errors import StoreError
from chartune.notes.clean import adaptation_text
from chartune.tasks.containment import held_out
from chartune.tasks.containment import round as round_module
from chartune.tasks.containment.shingles import Masks, shingles
from chartune.tasks.frames import BLOCK
from chartune.tasks.leakage import blocks
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.copies import Asked, Copies, Limits, copies
from chartune.tasks.leakage.verdicts import CONTAINED, EXACT, PARTS, Verdict, verdicts

LIMITS = Limits(containment=0.5, look=0.1, boilerplate=16)


def words(count: int, seed: int) -> list[str]:
    """Words that no other seed has."""
    return [f"w{seed}x{n}" for n in range(count)]


def rows_of(folder: Path, train: list[str], test: list[str], split: str = "test", masks: Masks = "dropped") -> Copies:
    """A row for some texts, each of a patient of their own."""
    texts = [*train, *test]
    splits = ["train"] * len(train) + [split] * len(test)
    frame = pl.DataFrame({"subject_id": range(len(texts)), "split": splits, "text": texts})
    frame.write_parquet(folder / "some.parquet")
    rows = {name: Rows(folder / "some.parquet", (name,)) for name in ("train", split)}
    (row,) = copies("some", rows["train"], [Asked("some", split, rows[split])], masks, LIMITS, folder)
    return row


def standings(*rows: Copies) -> dict[str, str]:
    """Law about texts → how it stands."""
    return {one.law: one.standing for one in found(*rows) if one.law in (EXACT, CONTAINED, PARTS)}


@pytest.mark.parametrize("split", ["validation", "calibration", "test"])
@pytest.mark.parametrize(
    ("runs", "expected"),
    [(20, ("fail", "pass")), (19, ("pass", "look")), (4, ("pass", "look")), (3, ("pass", "pass"))],
)
def test_half_of_a_held_out_text_in_one_training_text_fails_and_a_tenth_is_to_be_looked_at(
    tmp_path: Path, split: str, runs: int, expected: tuple[str, str]
) -> None:
    text = words(47, 1)  # forty runs
    row = rows_of(tmp_path, [" ".join([*words(300, 2), *text[: 7 + runs], *words(300, 3)])], [" ".join(text)], split)
    found = standings(row)
    assert (found[CONTAINED], found[PARTS], found[EXACT]) == (*expected, "pass")


def test_halves_in_two_training_texts_are_not_a_text_in_one(tmp_path: Path) -> None:
    text = words(47, 1)
    row = rows_of(tmp_path, [" ".join(text[:26]), " ".join(text[20:45])], [" ".join(text)])
    assert (row.contained.count, row.partly.count) == (0, 1)


def test_an_admission_note_that_was_put_together_from_sections_fails_though_no_document_equals_it(
    tmp_path: Path,
) -> None:
    """As in a corpus of whole summaries: the sections stand in another order, with the course between them."""
    sections = [words(60, n) for n in range(4)]
    note = " ".join(["CHIEF COMPLAINT:", *(" ".join(one) for one in sections)])
    summary = " ".join(" ".join([*words(80, 10 + n), f"Section {n}:", *sections[n]]) for n in (2, 0, 3, 1))
    row = rows_of(tmp_path, [summary], [note])
    assert (row.exact.count, row.contained.count) == (0, 1)
    assert standings(row) == {EXACT: "pass", CONTAINED: "fail", PARTS: "pass"}


def test_many_texts_that_cannot_be_judged_are_to_be_looked_at(tmp_path: Path) -> None:
    short = [" ".join(words(14, n)) for n in range(12)]
    row = rows_of(tmp_path, ["anything"], [*short, *(" ".join(words(40, n)) for n in range(20, 30))])
    assert (row.unjudged.count, row.contained.of) == (12, 10)
    (detail,) = (one.detail for one in found(row) if one.law == CONTAINED)
    assert detail.endswith("12 of 22 (54.5 %) test texts of some in some")
    assert standings(row)[CONTAINED] == "look"


def test_a_long_exact_copy_fails_though_it_is_a_phrase_of_the_house(tmp_path: Path) -> None:
    row = rows_of(tmp_path, [" ".join(words(30, 1))], [" ".join(words(30, 1))] * 17)
    assert (row.contained.of, row.long_exact.count) == (0, 17)
    assert standings(row)[EXACT] == "fail"


def test_the_corpus_has_lost_its_brackets_and_is_recognised_all_the_same(tmp_path: Path) -> None:
    text = pl.Series("text", ["admitted to [**Hospital 18**] on [**2151-7-16**] with fever, chills and cough, no pain"])
    cleaned = text.to_frame().select(adaptation_text(pl.col("text")))["text"]
    row = rows_of(tmp_path, cleaned.to_list(), text.to_list(), masks="unwrapped")
    assert (row.exact.count, row.long_exact.count, row.contained.count) == (1, 1, 1)


def test_a_text_in_another_alphabet_is_no_exact_copy_of_any_other(tmp_path: Path) -> None:
    train, test = "Больной жалуется на боль в груди.", "Пациентка жалуется на кашель."
    row = rows_of(tmp_path, [train], [test, train.upper()])
    assert (row.exact.count, row.exact.of) == (1, 2)


def found(*rows: Copies) -> tuple[Verdict, ...]:
    """Verdicts of nothing but copies."""
    return verdicts((), rows, (), ())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """1,300 training texts and 1,200 held-out ones, of which every 100th is learnt from."""
    train = [" ".join(words(30, n)) for n in range(1300)]
    held = [" ".join(words(30, n if n % 100 == 0 else n + 5000)) for n in range(1200)]
    frame = {
        "split": ["train"] * 1300 + ["test"] * 1000 + ["validation"] * 200,
        "text": train + held,
        "subject_id": range(2500),
    }
    pl.DataFrame(frame).write_parquet(tmp_path / "some.parquet")  # fmt: skip
    return tmp_path / "some.parquet"


def counted_in(file: Path) -> tuple[Copies, ...]:
    asked = [Asked("some", split, Rows(file, (split,))) for split in ("validation", "test", "calibration")]
    return copies("some", Rows(file, ("train",)), asked, "dropped", LIMITS, file.parent)


def test_every_copy_is_counted_in_its_split(files: Path) -> None:
    rows = counted_in(files)
    assert [(row.split, row.exact.count, row.contained.count, row.partly.count, row.exact.of) for row in rows] == [
        ("validation", 2, 2, 0, 200), ("test", 10, 10, 0, 1000), ("calibration", 0, 0, 0, 0),
    ]  # fmt: skip
    assert rows[0].exact.share == 0.01
    assert rows[2].exact.share is None


def test_short_phrases_are_told_apart_from_copies(tmp_path: Path) -> None:
    long = " ".join(words(20, 1))
    frame = {
        "split": ["train", "train", "test", "test"],
        "text": ["no acute distress", long, "No acute distress.", long],
        "subject_id": range(4),
    }
    pl.DataFrame(frame).write_parquet(tmp_path / "some.parquet")
    row = counted_in(tmp_path / "some.parquet")[1]
    assert (row.exact.count, row.long_exact.count) == (2, 1)
    assert (row.unjudged.count, row.contained.count, row.contained.of) == (1, 1, 1)


def test_rounds_change_nothing(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = counted_in(files)
    monkeypatch.setattr(held_out, "ROUND", 5000)
    assert counted_in(files) == whole


def test_texts_are_never_all_in_memory(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def counted(texts: pl.Series, masks: Masks) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        sizes.append(len(texts))
        return shingles(texts, masks)

    monkeypatch.setattr(held_out, "shingles", counted)
    monkeypatch.setattr(round_module, "shingles", counted)
    monkeypatch.setattr(blocks, "ROW_GROUP", 700)
    counted_in(files)
    assert sum(sizes) == 2500
    assert max(sizes) <= BLOCK


def test_blocks_give_the_rows_of_their_splits_in_order(files: Path) -> None:
    test = Rows(files, ("test",))
    assert pl.concat(test.blocks("text"))["text"].to_list() == test.columns("text")["text"].to_list()
    assert pl.concat(Rows(files).blocks()).height == 2500
    assert list(Rows(files, ("calibration",)).blocks()) == []


def test_a_damaged_file_is_named_and_not_quoted(files: Path) -> None:
    files.write_bytes(files.read_bytes()[:-200])
    for read in (lambda: list(Rows(files).blocks()), lambda: Rows(files).columns("text"), Rows(files).schema):
        with pytest.raises(StoreError, match=r"some\.parquet is not; remove"):
            read()
