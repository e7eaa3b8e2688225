"""Near copies: found at a known similarity and not below it, in blocks and rounds of any size."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chartune.errors import StoreError
from chartune.notes.clean import adaptation_text, copy_key
from chartune.tasks.leakage import blocks, near_copies
from chartune.tasks.leakage import copies as copies_module
from chartune.tasks.leakage.blocks import BLOCK, Rows
from chartune.tasks.leakage.copies import Asked, Copies, copies
from chartune.tasks.leakage.near_copies import HeldOut
from chartune.tasks.leakage.shingles import WORDS, sketch

NASTY = [
    "Pt. seen at [**Hospital 18**] on [**2151-7-16**]; X-ray  NORMAL.", "pt seen at ___ on ___ xray normal", "", "  ",
    "one two", "ünïcode café 3.5mg/dL", "[**Name**]", None, "a [** b", "word " * 40,
]  # fmt: skip


def words(count: int, seed: int) -> list[str]:
    """Words that no other seed has."""
    return [f"w{seed}x{n}" for n in range(count)]


def jaccard(a: str, b: str) -> float:
    """By hand, from sets of tuples."""
    one, other = (
        {tuple(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)} for words in (a.split(), b.split())
    )
    return len(one & other) / len(one | other)


def looked(held: Sequence[str], train: Sequence[str], block: int = 64) -> HeldOut:
    index = HeldOut(sketch(pl.Series(list(held)), "dropped"), near=0.8, quoted=0.5)
    for start in range(0, len(train), block):
        index.look_in(sketch(pl.Series(list(train[start : start + block])), "dropped"))
    return index


def edited(text: list[str], places: Sequence[int]) -> str:
    return " ".join(f"new{n}" if n in places else word for n, word in enumerate(text))


@pytest.mark.parametrize("masks", ["dropped", "unwrapped"])
def test_copies_are_told_exactly_as_preparation_tells_them(masks: str) -> None:
    texts = pl.Series("text", NASTY, dtype=pl.String)
    plain = texts if masks == "dropped" else texts.str.replace_all(r"\[\*\*|\*\*\]", "")
    known = plain.fill_null("").to_frame("text").select(copy_key(pl.col("text")))["text"]
    assert sketch(texts, masks).copies.tolist() == known.to_list()  # type: ignore[arg-type]


def test_masks_of_two_releases_do_not_hide_a_copy() -> None:
    told = "seen at {} by Dr. {} for chest pain and given aspirin after which the pain went away at once"
    held, train = told.format("[**Hospital 18**]", "[**Name (NI) 3**]"), told.format("___", "___")
    index = looked([held], [train])
    assert index.exact.tolist() == [True]
    assert index.jaccard.tolist() == [1.0]


def test_the_corpus_has_lost_its_brackets_and_is_recognised_all_the_same() -> None:
    text = pl.Series("text", ["admitted to [**Hospital 18**] on [**2151-7-16**] with fever, chills and cough"])
    cleaned = text.to_frame().select(adaptation_text(pl.col("text")))["text"]
    index = HeldOut(sketch(text, "unwrapped"), 0.8, 0.5)
    index.look_in(sketch(cleaned, "unwrapped"))
    assert index.exact.all()
    assert index.jaccard.tolist() == [1.0]


@pytest.mark.parametrize(("length", "found"), [(49, True), (48, False)])
def test_the_least_similarity_is_met_exactly(length: int, found: bool) -> None:
    text = words(length, 1)
    near = edited(text, [length // 2])  # one word in the middle: five runs of five are others
    assert (jaccard(" ".join(text), near) >= 0.8) is found
    index = looked([near], [" ".join(text)])
    assert index.jaccard[0] == pytest.approx(jaccard(" ".join(text), near))
    assert bool(index.jaccard[0] >= 0.8) is found


def test_of_many_edited_copies_those_are_found_that_are_near_enough() -> None:
    dice = random.Random(0)
    texts = [words(dice.randrange(30, 400), n) for n in range(400)]
    held = [edited(text, dice.sample(range(len(text)), dice.randrange(1, 8))) for text in texts[:200]]
    train = [" ".join(text) for text in texts]
    truth = np.array([max(jaccard(one, train[n]), 0.0) for n, one in enumerate(held)])
    index = looked(held, train)
    assert 50 < (truth >= 0.8).sum() < 150
    assert ((index.jaccard >= 0.8) == (truth >= 0.8)).all()
    assert (index.jaccard <= truth + 1e-12).all()


def test_a_text_quoted_in_a_longer_one_is_found_though_the_two_are_not_alike() -> None:
    quoted, half = words(60, 1), words(60, 2)
    train = [" ".join([*words(500, 3), *quoted, *words(400, 4)]), " ".join([*words(500, 5), *half[:35], *words(90, 6)])]
    index = looked([" ".join(quoted), " ".join(half), " ".join(words(60, 7))], train)
    assert (index.jaccard < 0.2).all()
    assert index.containment == pytest.approx([1.0, 31 / 56, 0.0])


def test_phrases_of_the_house_make_no_copies() -> None:
    phrase = words(30, 0)
    held = [" ".join([*phrase, *words(40, n + 1)]) for n in range(60)]
    train = [" ".join([*phrase, *words(40, n + 1000)]) for n in range(60)]
    index = looked(held, train)
    assert (index.jaccard < 0.8).all()
    assert (index.containment < 0.5).all()


def test_short_and_empty_texts_equal_only_themselves() -> None:
    index = looked(["one two", "one two three", "", "four"], ["one two", "", "five"])
    assert index.exact.tolist() == [True, False, True, False]
    assert index.jaccard.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_neither_the_blocks_nor_the_pairs_at_once_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(1)
    template = words(60, 0)
    train = [edited(template, dice.sample(range(60), 2)) for _ in range(90)]
    held = [edited(template, dice.sample(range(60), 2)) for _ in range(30)] + [train[5], " ".join(words(50, 9))]
    whole = looked(held, train, block=90)
    assert whole.jaccard[-2:].tolist() == [1.0, 0.0]
    monkeypatch.setattr(near_copies, "PAIRS", 50)
    monkeypatch.setattr(near_copies, "COMPARED", 100)
    for block in (90, 7):
        some = looked(held, train, block)
        assert ((some.jaccard >= 0.8) == (whole.jaccard >= 0.8)).all()
        assert (some.exact == whole.exact).all()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """1,300 training texts and 1,200 held-out ones, of which every 100th is learnt from."""
    train = [" ".join(words(30, n)) for n in range(1300)]
    held = [" ".join(words(30, n if n % 100 == 0 else n + 5000)) for n in range(1200)]
    frame = {"split": ["train"] * 1300 + ["test"] * 1000 + ["validation"] * 200, "text": train + held}
    pl.DataFrame(frame).write_parquet(tmp_path / "some.parquet")
    return tmp_path / "some.parquet"


def found(file: Path) -> tuple[Copies, ...]:
    asked = [Asked("some", split, Rows(file, (split,))) for split in ("validation", "test", "calibration")]
    return copies("some", Rows(file, ("train",)), asked, "dropped", near=0.8, quoted=0.5)


def test_every_copy_is_counted_in_its_split(files: Path) -> None:
    rows = found(files)
    assert [(row.split, row.exact.count, row.near.count, row.quoted.count, row.exact.of) for row in rows] == [
        ("validation", 2, 2, 2, 200), ("test", 10, 10, 10, 1000), ("calibration", 0, 0, 0, 0),
    ]  # fmt: skip
    assert rows[0].exact.share == 0.01
    assert rows[2].exact.share is None


def test_short_phrases_are_told_apart_from_copies(tmp_path: Path) -> None:
    long = " ".join(words(20, 1))
    frame = {
        "split": ["train", "train", "test", "test"],
        "text": ["no acute distress", long, "No acute distress.", long],
    }
    pl.DataFrame(frame).write_parquet(tmp_path / "some.parquet")
    row = found(tmp_path / "some.parquet")[1]
    assert (row.exact.count, row.long_exact.count) == (2, 1)


def test_rounds_change_nothing(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(files)
    monkeypatch.setattr(copies_module, "ROUND", 5000)
    assert found(files) == whole


def test_texts_are_never_all_in_memory(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def counted(texts: pl.Series, masks: str) -> object:
        sizes.append(len(texts))
        return sketch(texts, masks)  # type: ignore[arg-type]

    monkeypatch.setattr(copies_module, "sketch", counted)
    monkeypatch.setattr(blocks, "ROW_GROUP", 700)
    found(files)
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
