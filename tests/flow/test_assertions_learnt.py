"""Assertions from raw files to scores: prepared, learnt on the one loop by methods and baselines."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.models.backbone import LocalBackbone
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune
from chartune.stages.table import read_table
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.tasks.prepare import parse_preparation, prepare
from chartune.testing.asserted import write_asserted
from chartune.testing.command_line import chartune

RATES = {"learning_rate": 3e-3, "head_learning_rate": 3e-3}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("kept") / "store").open()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = write_asserted(tmp_path_factory.mktemp("asserted") / "raw")
    return {"source": {"kind": "i2b2_2010", "folder": str(folder)}, "near_copies": None}


@pytest.fixture(scope="module")
def learnt(data: dict[str, Any], bert: LocalBackbone, kept: Store) -> Run:
    stage = Finetune.parse({
        "data": data, "task": "assertions", "backbone": {"name": str(bert.folder)}, "max_seq_len": 48,
        "numerics": {"precision": "fp32"}, "name": "asserted",
        "stack": {"layers": [{"kind": "fresh", "method": {"kind": "full"}}]},
        "optimisation": {**RATES, "duration": {"value": 100, "unit": "steps"}},
    })  # fmt: skip
    return run(stage, kept)


def test_what_is_claimed_of_each_of_two_problems_in_a_line_is_learnt(learnt: Run) -> None:
    assert (learnt.task, learnt.answer, learnt.about.labels) == ("assertions", "multiclass", ("absent", "present"))
    assert learnt.predictions("test").height == 80
    assert learnt.scores["test"]["accuracy"].value > 0.9  # the line alone, of which half is denied: 0.5


def test_no_text_says_its_label_and_both_problems_of_a_line_differ_in_their_signs_alone(
    data: dict[str, Any], kept: Store
) -> None:
    table = read_table(prepare(parse_preparation(data), kept), "assertions")
    bare = [re.sub(r"@ \* problem \* (\w+) @", r"\1", text) for text in table.frame["text"]]
    assert all(text.count("@ * problem * ") == 1 for text in table.frame["text"])
    assert not any(label in text for label in ("absent", "present") for text in table.frame["text"])
    labels = dict[str, set[int]]()
    for text, label in zip(bare, table.frame["label"], strict=True):
        labels.setdefault(text, set()).add(label)
    assert len(labels) * 2 == table.frame.height
    assert all(both == {0, 1} for both in labels.values())


def test_a_baseline_reads_the_same_texts_and_a_marked_text_is_predicted(
    data: dict[str, Any], learnt: Run, kept: Store, tmp_path: Path
) -> None:
    words = run(Tfidf.parse({"data": data, "task": "assertions"}), kept)
    assert words.scores["test"]["accuracy"].value >= 0.25
    table = read_table(prepare(parse_preparation(data), kept), "assertions")
    asked = table.frame.filter(split="test").select(pl.col("hadm_id").alias("id"), "text", "label")
    asked.select("id", "text").write_csv(tmp_path / "notes.csv")
    out = tmp_path / "out.csv"
    said = chartune("predict", learnt.fingerprint, tmp_path / "notes.csv", "--store", kept.root, "--out", out)
    assert said.code == 0, said.err
    right = pl.read_csv(out)["label"] == asked["label"].replace_strict({0: "absent", 1: "present"})
    assert right.mean() == learnt.scores["test"]["accuracy"].value
