"""A corpus without what other data ask about, from raw tables on: two hospitals that hold some of the same charts."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import DataError
from chartune.sources.mimic3 import Mimic3
from chartune.sources.splits import HashSplit, ImportedSplit
from chartune.store import Artefact, Store
from chartune.tasks.corpus import Corpus
from chartune.tasks.decontamination import Decontamination
from chartune.tasks.length_of_stay import LengthOfStay
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation, prepare, read_corpus
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import RawHospital

SPLITS = {"train": range(100), "validation": range(100, 200), "test": range(200, 300), "calibration": range(300, 400)}
ELSEWHERE = {"validation": 150, "calibration": 350, "tested": 250, "tested by a note": 251, "tested twice": 252}
"""Whose charts the first hospital holds out, and none of its learnt-from patients: of these is 50."""


def words(seed: int, count: int = 60) -> str:
    """Words of a chart, three of four of them de-identified, so that without these not half of it is left."""
    drawn = random.Random(seed).choices([f"w{n}" for n in range(5000)], k=count)
    return " ".join(word if n % 4 else f"[**{word}**]" for n, word in enumerate(drawn))


def summary(seed: int) -> str:
    return f"Chief Complaint:\n{words(seed)}\n\nBrief Hospital Course:\n{words(seed + 5000, 30)}\n"


def report(seed: int) -> str:
    return words(seed + 9000, 20)


def stay(raw: RawHospital, subject_id: int, of: int) -> None:
    """A patient of this number with the chart of that one."""
    raw.stay(subject_id, summary(of))
    raw.note(subject_id, 1000 + subject_id, report(of), category="Radiology")


@pytest.fixture
def lists(tmp_path: Path) -> ImportedSplit:
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, ids in SPLITS.items():
        (folder / f"{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
    return ImportedSplit(folder=folder)


@pytest.fixture
def first(tmp_path: Path, lists: ImportedSplit, store: Store) -> Artefact:
    """Summaries are asked about, with their brackets; reports are what a model is adapted on."""
    raw = RawHospital()
    for subject_id in (50, *ELSEWHERE.values()):
        stay(raw, subject_id, subject_id)
    source = Mimic3(folder=raw.write(tmp_path / "first"))
    tasks, corpus = (Mortality(), LengthOfStay()), Corpus(categories=("Radiology",))
    return prepare(Preparation(source=source, splits=lists, tasks=tasks, corpus=corpus), store)


Second = Callable[..., Artefact]


@pytest.fixture
def second(tmp_path: Path, lists: ImportedSplit, store: Store, first: Artefact) -> Second:
    """The hospital that is learnt from: of forty patients the first ones have charts of the other."""
    raw = RawHospital()
    theirs = {1: 50, 2: 150, 3: 350, 4: 250}
    for subject_id in range(1, 41):
        stay(raw, subject_id, theirs.get(subject_id, 1000 + subject_id))
    raw.note(5, 1005, f"{words(1, 9)} {report(251)} {words(2, 9)}", category="Radiology")
    stay(raw, 201, 252)
    stay(raw, 202, 2202)
    source = Mimic3(folder=raw.write(tmp_path / "second"))

    def run(*against: str, **chosen: Any) -> Artefact:
        without = Decontamination(against=against or (first.fingerprint,), **chosen.pop("without", {}))
        corpus = Corpus(without=None if chosen.pop("all", False) else without, **chosen)
        return prepare(Preparation(source=source, splits=lists, tasks=(Mortality(),), corpus=corpus), store)

    return run


def lost(made: Artefact, whole: Artefact) -> pl.DataFrame:
    """The documents that one corpus lacks of another."""
    return read_corpus(whole).join(read_corpus(made), on="note_id", how="anti").sort("subject_id", "text")


def test_learnt_documents_that_hold_a_held_out_text_of_other_data_are_left_out(second: Second) -> None:
    """Summaries through tasks, reports through a corpus; what was learnt from there stays, or what is tested here."""
    made, whole = second(), second(all=True)
    gone = lost(made, whole)
    summaries = pl.col("text").str.starts_with("Chief")
    assert gone.filter(summaries)["subject_id"].to_list() == [2, 3, 4]
    assert gone.filter(~summaries)["subject_id"].to_list() == [2, 4, 5]  # no corpus holds calibration patients
    corpus, before = (plain_dataset(artefact)["corpus"] for artefact in (made, whole))
    assert corpus["counts"]["test"] == before["counts"]["test"]
    assert corpus["counts"]["test"]["documents"] == 4
    words_lost = sum(len(text.split()) for text in gone["text"])
    assert corpus["left_out"] == corpus["holding"] == {"subjects": 4, "documents": 6, "words": words_lost}
    assert before["counts"]["train"]["words"] - corpus["counts"]["train"]["words"] == words_lost
    last = corpus["attrition"][-1]
    assert (last["step"], last["removed_notes"]) == ("not asked elsewhere", 6)
    assert last["why"] == "holds 25% or more of a held-out text of other data"


def test_the_control_has_lost_as_much_of_other_documents(second: Second) -> None:
    made, control, whole = second(), second(without={"control": True}), second(all=True)
    theirs, others = lost(made, whole), lost(control, whole)
    assert set(theirs["note_id"]) & set(others["note_id"]) == set()
    assert set(others["split"]) == {"train"}
    summaries = pl.col("text").str.starts_with("Chief")
    assert [some.filter(summaries).height for some in (theirs, others)] == [3, 3]
    entry = plain_dataset(control)["corpus"]
    assert entry["holding"] == plain_dataset(made)["corpus"]["left_out"]
    assert 0 <= entry["left_out"]["words"] - entry["holding"]["words"] < 2 * 95
    assert entry["left_out"]["words"] == sum(len(text.split()) for text in others["text"])
    assert entry["attrition"][-1]["step"] == "control of the same size"


def test_data_that_are_not_in_the_store_are_refused(second: Second) -> None:
    with pytest.raises(DataError, match=r"`without` must name prepared data, but .* has none called nobody"):
        second("nobody")


def test_a_split_by_note_goes_by_the_hash_of_patients_and_is_decontaminated_too(second: Second) -> None:
    whole = read_corpus(second(all=True, split="note"))
    place = HashSplit(train=0.89, validation=0.01, test=0.1)
    assert whole["split"].to_list() == [place.drawn(name) for name in whole["note_id"]]
    assert set(whole["split"]) >= {"train", "test"}
    gone = lost(second(split="note"), second(all=True, split="note"))
    learnt = whole.filter((pl.col("split") == "train") & pl.col("subject_id").is_in([2, 4, 201]))
    assert set(gone["note_id"]) >= set(learnt["note_id"])
    assert set(gone["split"]) == {"train"}


def test_data_of_the_same_source_in_another_split_can_be_kept_out(
    tmp_path: Path, first: Artefact, store: Store
) -> None:
    """Whoever is tested by the lists is not learnt from under the hash either."""
    source, splits = Mimic3(folder=tmp_path / "first"), HashSplit(train=1, validation=0, test=0)
    corpus = Corpus(without=Decontamination(against=(first.fingerprint,)))
    made = prepare(Preparation(source=source, splits=splits, tasks=(Mortality(),), corpus=corpus), store)
    calibration = ELSEWHERE["calibration"]
    assert sorted(read_corpus(made)["subject_id"]) == [50, 50, calibration]  # its report is asked about nowhere
