"""A corpus without near copies of its own held-out texts, from raw tables on: what `sound` leaves passes its audit."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.sources.mimic3 import Mimic3
from chartune.sources.splits import ImportedSplit
from chartune.stages.audit import audit, read_audit
from chartune.store import Artefact, Store
from chartune.tasks.containment.settings import NearCopies
from chartune.tasks.corpus import Corpus
from chartune.tasks.dataset import read_dataset
from chartune.tasks.decontamination import Quoting
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation, prepare, read_corpus, read_task
from chartune.testing.raw_tables import RawHospital

SHARES = (0.94, 0.8, 0.6, 0.5, 0.35, 0.26)
"""Of the runs of a held-out admission note, in the training document that is its near copy."""
TRAIN, TEST = range(1, 31), range(101, 121)


def words(seed: int, count: int) -> list[str]:
    """Words that no other seed has."""
    return [f"w{seed}x{n}" for n in range(count)]


def note(subject_id: int) -> str:
    return f"Chief Complaint:\n{' '.join(words(subject_id, 105))}\n\nBrief Hospital Course:\n{course(subject_id)}\n"


def course(subject_id: int) -> str:
    """What no admission note holds."""
    return " ".join(words(-subject_id, 70))


def near_copy(of: int, share: float, own: int) -> str:
    """A report that quotes so much of an admission note of 100 runs in two passages, among words of its own."""
    text, runs = ["CHIEF", "COMPLAINT", *words(of, 105)], round(100 * share)
    first, second = text[: runs // 2 + 7], text[100 - (runs - runs // 2) :]
    return " ".join([*words(5000 + own, 60), *first, *words(6000 + own, 30), *second, *words(7000 + own, 60)])


def share_of(held: str, document: str) -> float:
    """By hand: runs of eight words of one text that stand in another."""

    def runs(text: str) -> set[tuple[str, ...]]:
        tokens = re.findall(r"[a-z0-9]+", text.lower())
        return {tuple(tokens[n : n + 8]) for n in range(len(tokens) - 7)}

    return len(runs(held) & runs(document)) / len(runs(held))


Made = Callable[..., Artefact]


@pytest.fixture
def made(tmp_path: Path, store: Store) -> Made:
    """Reports of six training patients are near copies of held-out patients' admission notes, two quote a course."""
    raw = RawHospital()
    for subject_id in (*TRAIN, *TEST):
        raw.stay(subject_id, note(subject_id))
    for number, share in enumerate(SHARES):
        raw.note(1 + number, 1001 + number, near_copy(101 + number, share, number), category="Radiology")
    raw.note(7, 1007, " ".join([*words(8000, 90), course(110), *words(8001, 90)]), category="Radiology")
    raw.note(8, 1008, " ".join([*words(8002, 90), course(101), *words(8003, 90)]), category="Radiology")
    for subject_id in TRAIN[10:]:
        raw.note(subject_id, 2000 + subject_id, " ".join(words(9000 + subject_id, 200)), category="Radiology")
    (tmp_path / "lists").mkdir()
    for name, ids in {"train": TRAIN, "validation": TEST[:2], "test": TEST[2:]}.items():
        (tmp_path / "lists" / f"{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
    source, splits = Mimic3(folder=raw.write(tmp_path / "raw")), ImportedSplit(folder=tmp_path / "lists")

    def run(**chosen: Any) -> Artefact:
        return prepare(Preparation(source=source, splits=splits, tasks=(Mortality(),), corpus=Corpus(**chosen)), store)

    return run


def near_copies_in(artefact: Artefact) -> list[int]:
    """Which of the near copies a corpus holds."""
    own = read_corpus(artefact).filter(pl.col("text").str.starts_with("w500"))
    return sorted(int(text.split("x")[0][2:]) % 10 for text in own["text"])


def standings(artefact: Artefact, store: Store) -> dict[str, str]:
    verdicts = read_audit(audit(artefact, store)).verdicts
    return {one.law: one.standing for one in verdicts if "held-out text" in one.law}


def test_of_six_near_copies_of_known_containment_the_usual_corpus_holds_none_and_passes_its_audit(
    made: Made, store: Store
) -> None:
    kept, usual = made(near_copies=None), made()
    held = dict(
        read_task(kept, "mortality").filter(pl.col("split") != "train").select("subject_id", "text").iter_rows()
    )
    documents = read_corpus(kept).filter(pl.col("text").str.starts_with("w500")).sort("subject_id")["text"]
    assert [share_of(held[101 + n], text) for n, text in enumerate(documents)] == list(SHARES)
    assert (near_copies_in(kept), near_copies_in(usual)) == ([0, 1, 2, 3, 4, 5], [])
    assert near_copies_in(made(near_copies=Quoting(containment=0.5))) == [4, 5]
    assert standings(kept, store)["no held-out text stands in a text that is learnt from"] == "fail"
    assert set(standings(usual, store).values()) == {"pass"}


def test_what_is_left_out_is_named_and_counted_and_nothing_else_is(made: Made) -> None:
    kept, usual = read_corpus(made(near_copies=None)), made()
    gone = kept.join(read_corpus(usual), on="note_id", how="anti")
    assert sorted(gone["subject_id"]) == [1, 2, 3, 4, 5, 6, 7, 8]
    entry = read_dataset(usual).to_json()["corpus"]
    lost = sum(len(text.split()) for text in gone["text"])
    assert entry["near_copies"]["left_out"] == entry["near_copies"]["holding"] == {
        "subjects": 8, "documents": 8, "words": lost,
    }  # fmt: skip
    last = entry["attrition"][-1]
    assert (last["step"], last["removed_notes"]) == ("no near-duplicate of a held-out text", 8)
    assert last["why"] == "holds 25% or more of a held-out text of these data"


def test_the_control_has_lost_as_many_words_of_others_and_the_audit_says_what_it_holds(
    made: Made, store: Store
) -> None:
    control = made(near_copies=Quoting(control=True))
    assert near_copies_in(control) == [0, 1, 2, 3, 4, 5]
    entry = read_dataset(control).to_json()["corpus"]
    assert entry["attrition"][-1]["step"] == "control of the same size, of these data"
    assert 0 <= entry["near_copies"]["left_out"]["words"] - entry["near_copies"]["holding"]["words"] < 250
    assert standings(control, store)["no held-out text stands in a text that is learnt from"] == "fail"


def test_a_document_that_quotes_a_held_out_document_of_the_corpus_itself_is_left_out_too(made: Made) -> None:
    """No task asks about the course of a stay, but perplexity is measured on it."""
    kept, usual = (read_corpus(artefact) for artefact in (made(near_copies=None), made()))
    for subject_id, split in ((110, "test"), (101, "validation")):
        quoting = pl.col("text").str.contains(course(subject_id), literal=True)
        assert sorted(kept.filter(quoting)["split"]) == sorted([split, "train"])
        assert usual.filter(quoting)["split"].to_list() == [split]


@pytest.mark.parametrize("chosen", [{"repeats": "kept"}, {"split": "note"}])
def test_where_copies_are_kept_near_copies_are(made: Made, chosen: dict[str, Any]) -> None:
    assert Corpus(**chosen).near_copies is None
    assert read_dataset(made(**chosen)).config["corpus"]["near_copies"] is None


@pytest.mark.parametrize("chosen", [{"repeats": "kept"}, {"split": "note"}])
def test_a_corpus_that_keeps_copies_and_leaves_out_near_copies_is_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="set `repeats: left-out` and `split: patient`, or leave `near_copies` out"):
        Corpus.parse({**chosen, "near_copies": {"containment": 0.5}})


@pytest.mark.parametrize("chosen", [{"held_out_copies": "kept"}, {"preset": "paper-code"}])
def test_examples_that_keep_copies_and_leave_out_near_copies_are_refused(
    tmp_path: Path, chosen: dict[str, Any]
) -> None:
    given = {"source": {"kind": "mimic3", "folder": str(tmp_path)}, **chosen}
    assert Preparation.parse(given).near_copies is None
    assert Preparation.parse({**given, "held_out_copies": "left-out", "near_copies": {}}).near_copies == NearCopies()
    with pytest.raises(ConfigError, match="set `held_out_copies: left-out`, or leave `near_copies` out"):
        Preparation.parse({**given, "near_copies": {"containment": 0.5}})


def test_a_corpus_of_which_only_its_copies_are_said_keeps_near_copies_too(tmp_path: Path) -> None:
    given = {"source": {"kind": "mimic3", "folder": str(tmp_path)}}
    for said, near in (({"repeats": "kept"}, None), ({"withdrawn": "kept"}, Quoting())):
        corpus = Preparation.parse({**given, "corpus": said}).corpus
        assert corpus is not None
        assert corpus.near_copies == near


@pytest.fixture
def pasted(tmp_path: Path, made: Made, store: Store) -> Callable[..., Artefact]:
    """Summaries of training patients hold 50, 26 and 24 of a test patient's 100 runs, one 50 of who is watched."""
    raw = RawHospital()
    for subject_id in (*TRAIN, *TEST):
        raw.stay(subject_id, note(subject_id))
    for subject_id, runs, of in ((40, 50, 110), (41, 26, 110), (42, 24, 110), (43, 50, 102)):
        quoted = [*words(subject_id, 80), *words(of, 105)[20 : 27 + runs]]
        raw.stay(subject_id, f"Chief Complaint:\n{' '.join(quoted)}\n")
    source, lists = Mimic3(folder=raw.write(tmp_path / "pasted")), tmp_path / "lists"
    (lists / "train.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in (*TRAIN, 40, 41, 42, 43)))

    def run(**chosen: Any) -> Artefact:
        splits = ImportedSplit(folder=lists)
        return prepare(Preparation(source=source, splits=splits, tasks=(Mortality(),), corpus=None, **chosen), store)

    return run


def test_training_examples_that_hold_a_quarter_of_a_held_out_text_are_left_out_and_counted(
    pasted: Callable[..., Artefact], store: Store
) -> None:
    usual, kept = pasted(), pasted(near_copies=None)
    left = [set(read_task(one, "mortality")["subject_id"]) & {40, 41, 42, 43} for one in (usual, kept)]
    assert left == [{42}, {40, 41, 42, 43}]
    (step,) = [row for row in read_dataset(usual).to_json()["tasks"]["mortality"]["attrition"]
               if row["step"] == "no near-duplicate of a held-out text"]  # fmt: skip
    assert (step["removed_admissions"], step["why"]) == (3, "training text that holds 25% or more of a held-out text")
    assert read_task(usual, "mortality").filter(pl.col("split") != "train").height == len(TEST)
    found = [standings(one, store)["no held-out text stands in a text that is learnt from"] for one in (usual, kept)]
    assert found == ["pass", "fail"]
    assert not list(usual.path.glob(".*pile"))


@pytest.mark.parametrize("chosen", [{"held_out_copies": "kept"}, {"preset": "paper-text"}, {"preset": "paper-code"}])
def test_examples_near_held_out_ones_are_kept_where_copies_are(
    pasted: Callable[..., Artefact], chosen: dict[str, Any]
) -> None:
    config = read_dataset(pasted(**chosen)).config
    assert (config["near_copies"], config["held_out_copies"]) == (None, "kept")
