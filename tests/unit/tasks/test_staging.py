"""Staging: what is known of notes and their texts go to disk, and nothing is kept of what nobody wants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import SchemaError, StoreError
from chartune.notes.note import SCHEMA
from chartune.sources.source import About, Records
from chartune.tasks import staging
from chartune.tasks.corpus import Corpus
from chartune.tasks.frames import add_frame, read_pile
from chartune.tasks.staging import INDEX, SHARDS, Staged, stage

WANTED = frozenset({"Radiology"})


def note(number: int, subject: int, hadm: int | None, category: str | None, text: str | None = "Chest clear") -> Any:
    row = {"note_id": str(number), "note_seq": number, "subject_id": subject, "hadm_id": hadm, "category": category}
    return {**dict.fromkeys(SCHEMA), **row, "text": text}


def staged(folder: Path, batches: Sequence[Sequence[Any]], corpus: Corpus | None = None) -> Staged:
    frames = [pl.DataFrame(rows, schema=SCHEMA) for rows in batches]
    records = Records(About("mimic3", "", "", ""), pl.DataFrame(), pl.DataFrame(), lambda: iter(frames))
    return stage(records, WANTED, corpus, folder / "staged")


def test_of_notes_that_nobody_wants_their_number_is_known(tmp_path: Path) -> None:
    of_one, of_none, unnamed = note(2, 1, 11, "Nursing"), note(3, 1, None, "Nursing"), note(4, 1, 11, None)
    index = staged(
        tmp_path, [[note(1, 1, 11, "Radiology"), of_one], [of_none, unnamed, note(5, 2, 21, "Nursing")]]
    ).index()
    assert index.schema == pl.Schema(INDEX)
    assert index["note_id"].drop_nulls().to_list() == ["1"]
    others = index.filter(pl.col("note_id").is_null()).select("subject_id", "hadm_id", "notes")
    assert set(others.rows()) == {(1, 11, 2), (1, None, 1), (2, 21, 1)}
    assert index["notes"].sum() == 5


def test_chosen_notes_come_back_with_their_texts_from_every_batch(tmp_path: Path) -> None:
    batches = [[note(n, n, n, "Radiology", f"Report {n}, \u00e9t\u00e9") for n in range(k, k + 20)] for k in (0, 20)]
    found = staged(tmp_path, batches)
    chosen = found.index().filter(pl.col("note_seq") % 3 == 0)
    read = pl.concat([found.read(shards, chosen) for shards in found.portions()])
    assert dict(read.select("note_id", "text").iter_rows()) == {
        str(n): f"Report {n}, \u00e9t\u00e9" for n in range(0, 40, 3)
    }
    assert found.read(range(3, 4), chosen.clear()).columns == read.columns


def test_a_note_without_a_text_has_no_words(tmp_path: Path) -> None:
    texts = [None, "", " \n", "[****]", "[**x**]", "two words"]
    batch = [note(n, n, n, "Radiology", text) for n, text in enumerate(texts)]
    assert staged(tmp_path, [batch]).index()["words"].to_list() == [0, 0, 0, 0, 1, 1]
    assert staged(tmp_path / "two", [batch], Corpus()).index()["words"].to_list() == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("corpus", "asked"),
    [(None, False), (Corpus(), True), (Corpus(repeats="kept"), False), (Corpus(split="note"), False)],
)
def test_keys_of_copies_are_there_where_a_corpus_compares_them(
    tmp_path: Path, corpus: Corpus | None, asked: bool
) -> None:
    index = staged(
        tmp_path, [[note(1, 1, 1, "Radiology"), note(2, 2, 2, "Radiology", "CHEST, clear.")]], corpus
    ).index()
    assert index["copy_key"].null_count() == (0 if asked else 2)
    assert index["copy_key"].n_unique() == 1
    assert index["text_key"].n_unique() == 2


def test_an_id_that_occurs_twice_is_refused_even_among_notes_that_nobody_wants(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="2 share theirs"):
        staged(tmp_path, [[note(1, 1, 1, "Radiology")], [note(7, 1, 1, "Nursing"), note(7, 2, 2, "Nursing")]])


def test_long_texts_go_to_their_pile_in_blocks(tmp_path: Path) -> None:
    batch = [note(n, SHARDS, 1, "Radiology", f"{n} " * 50_000) for n in range(9)]
    found = staged(tmp_path, [batch])
    pile = found.folder / "00.pile"
    assert [part.height for part in read_pile(pile)] == [3, 3, 3]
    assert found.read(range(1), found.index())["text"].to_list() == [one["text"] for one in batch]


def test_small_shards_are_read_together_and_a_large_one_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = " ".join(map(str, range(9_000)))
    found = staged(tmp_path, [[note(n, n, n, "Radiology", long if n == 9 else "Clear") for n in range(20)]])
    assert found.portions() == [range(SHARDS)]
    sizes = [(found.folder / f"{shard:02}.pile").stat().st_size for shard in range(20)]
    monkeypatch.setattr(staging, "PORTION", sum(sizes[:9]))
    assert found.portions()[:2] == [range(9), range(9, 10)]
    monkeypatch.setattr(staging, "PORTION", 0)
    assert found.portions()[:20] == [range(shard, shard + 1) for shard in range(20)]
    assert [row for shards in found.portions() for row in found.read(shards, found.index())["note_seq"]] == [*range(20)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_a_full_disk_is_told() -> None:
    with pytest.raises(StoreError, match="the disk is full"):
        add_frame(pl.DataFrame({"text": ["a"]}), Path("/dev/full"))
