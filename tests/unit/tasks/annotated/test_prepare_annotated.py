"""Prepared corpora: files and keys of prepared hospitals, the same bytes every time, no word outside parquet."""

import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest

import chartune
from chartune.errors import ConfigError, SchemaError
from chartune.sources.annotated.dev import DevSplit
from chartune.store import Artefact, Store
from chartune.tasks.annotated.catalog import USUAL
from chartune.tasks.annotated.concepts import Concepts
from chartune.tasks.annotated.relations import NO_RELATION
from chartune.tasks.prepare import AnnotatedPreparation, label_space, prepare, read_task
from chartune.testing.annotated_corpora import ROOT_2014, WRITERS, pair, tag, tagged, write_2010, write_mednli
from chartune.testing.downloads import write_loose
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import mark


def prepared(kind: str, folder: Path, store: Store, **more: Any) -> Artefact:
    data = {"source": {"kind": kind, "folder": str(folder)}, **more}
    return prepare(AnnotatedPreparation.parse(data), store)


@pytest.mark.parametrize("kind", WRITERS)
def test_every_corpus_becomes_a_prepared_dataset(tmp_path: Path, store: Store, kind: str) -> None:
    artefact = prepared(kind, WRITERS[kind](tmp_path / "raw"), store, splits=DevSplit(validation=0.3))
    dataset = plain_dataset(artefact)
    assert list(dataset) == ["source", "splits", "tasks", "corpus", "config", "chartune"]
    assert list(dataset["tasks"]) == [task.name for task in USUAL[kind]]
    assert dataset["corpus"] is None
    assert dataset["source"]["kind"] == kind
    for name, entry in dataset["tasks"].items():
        frame = read_task(artefact, name)
        assert frame["hadm_id"].is_unique().all()
        assert set(entry["counts"]) == {"train", "validation", "calibration", "test"}
        rows = "documents" if entry["answer"] == "spans" else "examples"
        assert sum(split[rows] for split in entry["counts"].values()) == frame.height
        assert list(label_space(artefact, name).labels) == entry["labels"]
        assert entry["labels"] == sorted(
            entry["labels"], key=lambda label: (label == entry.get("positive"), label != NO_RELATION, label)
        )
    splits = pl.read_parquet(artefact.path / "splits.parquet")
    assert splits["subject_id"].is_unique().all()
    assert splits.height == sum(split["subjects"] for split in dataset["splits"]["counts"].values())


@pytest.mark.parametrize("kind", WRITERS)
def test_only_parquet_holds_words(tmp_path: Path, store: Store, kind: str) -> None:
    artefact = prepared(kind, WRITERS[kind](tmp_path / "raw"), store)
    described = [file for file in artefact.path.iterdir() if file.suffix != ".parquet"]
    assert {file.name for file in described} == {"dataset.json", "manifest.json", "README.md"}
    for file in described:
        text = file.read_text().lower()
        for word in ("aspirin", "cough", "smith30", "boston", "effingham", "hypothesis neutral", "premise 1"):
            assert word not in text


def test_the_same_question_finds_the_same_answer(tmp_path: Path, store: Store) -> None:
    folder = write_2010(tmp_path / "raw")
    first = prepared("i2b2_2010", folder, store)
    assert prepared("i2b2_2010", folder, store).path == first.path
    assert prepared("i2b2_2010", folder, store, tasks=[{"kind": "concepts"}]).path != first.path
    assert prepared("i2b2_2010", folder, store, splits={"salt": "other"}).path != first.path


SCRIPT = """
import sys
from pathlib import Path
from chartune.store import Store
from chartune.tasks.prepare import AnnotatedPreparation, prepare
for kind in ("i2b2_2010", "n2c2_2018"):
    data = {"source": {"kind": kind, "folder": str(Path(sys.argv[1], kind))}}
    print(prepare(AnnotatedPreparation.parse(data), Store(sys.argv[2]).open()).content_hash())
"""


def test_the_bytes_do_not_depend_on_hash_seed_locale_or_time_zone(tmp_path: Path) -> None:
    for kind in ("i2b2_2010", "n2c2_2018"):
        WRITERS[kind](tmp_path / kind)
    said = set()
    for seed, locale, zone in (("1", "C", "UTC"), ("2", "C.UTF-8", "Asia/Tokyo")):
        environment = {"PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone, "POLARS_MAX_THREADS": seed}
        environment["PYTHONPATH"] = str(Path(chartune.__file__).parents[1])  # the very code that is under test
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(tmp_path / seed)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        said.add(done.stdout)
    assert len(said) == 1


def test_a_training_note_that_a_test_note_repeats_is_left_out_and_counted(tmp_path: Path, store: Store) -> None:
    concept = 'c="cough" 1:2 1:2||t="problem"\n'
    notes = {"train/1": "Aspirin for cough .", "train/2": "Rest for cough .", "test/3": "ASPIRIN  for cough"}
    files = {f"{name}.txt": text for name, text in notes.items()} | {f"{name}.con": concept for name in notes}
    artefact = prepared("i2b2_2010", write_loose(tmp_path / "raw", files), store, splits=DevSplit(validation=0))
    assert read_task(artefact, "concepts")["doc_id"].to_list() == ["2", "3"]
    steps = {row["step"]: row["removed_notes"] for row in plain_dataset(artefact)["tasks"]["concepts"]["attrition"]}
    assert steps == {
        "all documents": 0, "patient in one split": 0, "not in a held-out chart": 1,
        "no near-duplicate of a held-out text": 0,
    }  # fmt: skip


def text_of(seed: int, count: int) -> str:
    """Words that no other seed has."""
    return " ".join(f"w{seed}x{n}" for n in range(count))


def test_a_training_note_that_holds_a_quarter_of_a_held_out_note_is_left_out_and_counted(
    tmp_path: Path, store: Store
) -> None:
    held, concept = text_of(3, 46), 'c="cough" 1:0 1:0||t="problem"\n'  # with "cough" forty runs
    quoted = {runs: " ".join(held.split()[: 7 + runs]) for runs in (10, 9)}
    notes = {
        "train/1": f"cough {text_of(1, 30)} {quoted[10]}", "train/2": f"cough {text_of(2, 30)} {quoted[9]}",
        "test/3": f"cough\n{held}",
    }  # fmt: skip
    files = {f"{name}.txt": text for name, text in notes.items()} | {f"{name}.con": concept for name in notes}
    folder, split = write_loose(tmp_path / "raw", files), DevSplit(validation=0)
    usual, kept = (prepared("i2b2_2010", folder, store, splits=split, **one) for one in ({}, {"near_copies": None}))
    assert [read_task(one, "concepts")["doc_id"].to_list() for one in (usual, kept)] == [["2", "3"], ["1", "2", "3"]]
    last = plain_dataset(usual)["tasks"]["concepts"]["attrition"][-1]
    assert (last["step"], last["removed_notes"]) == ("no near-duplicate of a held-out text", 1)


def test_a_training_sentence_that_holds_a_quarter_of_a_held_out_one_is_left_out_and_counted(
    tmp_path: Path, store: Store
) -> None:
    """Though the note around it holds far less of the held-out note."""
    concept = 'c="cough" 1:0 1:0||t="problem"\n'
    lines = {"train/1": text_of(9, 20), "train/2": text_of(8, 20), "test/3": text_of(9, 24)}
    files = {}
    for number, (name, line) in enumerate(lines.items()):
        files[f"{name}.txt"] = f"cough {line}\n{text_of(100 + number, 200)}\n"
        files[f"{name}.con"] = concept
        files[f"{name}.ast"] = concept.rstrip("\n") + '||a="present"\n'
    artefact = prepared("i2b2_2010", write_loose(tmp_path / "raw", files), store, splits=DevSplit(validation=0))
    assert read_task(artefact, "concepts").height == 3
    assert read_task(artefact, "assertions")["doc_id"].to_list() == ["2", "3"]
    left_out = {row["why"]: row["count"] for row in plain_dataset(artefact)["tasks"]["assertions"]["left_out"]}
    assert left_out["training text that holds too much of a held-out text"] == 1


def test_training_notes_of_a_patient_who_is_tested_are_left_out(tmp_path: Path, store: Store) -> None:
    files = {}
    for name in ("train/1-01", "train/2-01", "test/1-02"):
        text = f"\nSeen in Salem, record {name}\n"
        files[f"{name}.xml"] = tagged(ROOT_2014, text, [tag("LOCATION", "P0", text, "Salem", TYPE="CITY")])
    artefact = prepared("i2b2_2014", write_loose(tmp_path / "raw", files), store, splits=DevSplit(validation=0))
    assert read_task(artefact, "deid")["doc_id"].to_list() == ["1-02", "2-01"]


def test_a_premise_in_two_parts_is_told_and_kept(tmp_path: Path, store: Store) -> None:
    files = {
        f"mli_{part}_v1.jsonl": pair(part, "No pain.", f"He is {part}.", "neutral") for part in ("train", "dev", "test")
    }
    artefact = prepared("mednli", write_loose(tmp_path / "raw", files), store)
    dataset = plain_dataset(artefact)
    assert read_task(artefact, "inference").height == 3
    assert dataset["source"]["warnings"][-1] == "pairs: 1 premises stand in more than one split."


def test_a_task_that_the_corpus_cannot_answer_is_refused() -> None:
    with pytest.raises(ConfigError, match="i2b2_2014 can answer deidentification, but not relations"):
        AnnotatedPreparation.parse({"source": {"kind": "i2b2_2014", "folder": "x"}, "tasks": [{"kind": "relations"}]})


def test_a_corpus_without_annotation_is_refused_with_counts(tmp_path: Path, store: Store) -> None:
    folder = write_loose(tmp_path / "raw", {"1.txt": "canary", "2.txt": "canary"})
    with pytest.raises(SchemaError, match="2 without annotation") as error:
        prepared("i2b2_2010", folder, store)
    assert "canary" not in str(error.value)
    assert not list(store.root.glob("data/*"))


def test_a_made_up_corpus_says_so(tmp_path: Path, store: Store) -> None:
    folder = write_mednli(tmp_path / "raw")
    mark(folder, "Invented pairs")
    source = plain_dataset(prepared("mednli", folder, store))["source"]
    assert (source["version"], source["title"], source["licence"]) == ("made-up", "Invented pairs", "CC0 1.0")


def test_a_task_twice_is_refused() -> None:
    data = {"source": {"kind": "i2b2_2010", "folder": "x"}, "tasks": [{"kind": "relations"}, {"kind": "relations"}]}
    with pytest.raises(ConfigError, match="every task must occur once"):
        AnnotatedPreparation.parse(data)


def test_nothing_of_an_attempt_that_was_killed_is_published(tmp_path: Path, store: Store) -> None:
    folder = write_2010(tmp_path / "raw")
    name = prepared("i2b2_2010", folder, Store(tmp_path / "other").open()).fingerprint
    (store.partial("data", name) / "stray.parquet").write_bytes(b"half")
    artefact = prepared("i2b2_2010", folder, store)
    assert artefact.fingerprint == name
    assert {file.stem for file in artefact.path.glob("*.parquet")} == {
        "splits",
        *(task.name for task in USUAL["i2b2_2010"]),
    }


def test_an_interrupted_attempt_leaves_nothing_behind(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Concepts, "make", killed)
    with pytest.raises(KeyboardInterrupt):
        prepared("i2b2_2010", write_2010(tmp_path / "raw"), store)
    assert not list(store.root.glob("data/*"))


def test_what_another_process_is_making_is_waited_for(tmp_path: Path, store: Store) -> None:
    folder = write_2010(tmp_path / "raw")
    name = prepared("i2b2_2010", folder, Store(tmp_path / "other").open()).fingerprint
    found: list[Artefact] = []
    with store.lease("data", name):
        second = Thread(target=lambda: found.append(prepared("i2b2_2010", folder, store)))
        second.start()
        second.join(0.5)
        assert second.is_alive()
        assert not found
    second.join()
    assert found[0].fingerprint == name
