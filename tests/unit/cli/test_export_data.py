"""`chartune export-data`: what it prints, and how it says no."""

import json
from pathlib import Path

import polars as pl
import pytest

from chartune.store import Store, write_json
from chartune.tasks.frames import write_frame
from chartune.testing.command_line import chartune
from chartune.testing.past_data import dataset

NAME = "0123456789abcdef"


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with prepared data of one task."""
    content = dataset("mimic3", 40, 90)
    content["tasks"] = {"mortality": content["tasks"]["mortality"]}
    rows = {"subject_id": [1, 2], "hadm_id": [11, 12], "split": ["train", "test"], "text": ["a", "b"], "label": [0, 1]}
    times = pl.Series(["2100-07-01 10:00:00"] * 2).str.to_datetime(time_unit="us")
    folder = store.partial("data", NAME)
    write_frame(pl.DataFrame({**rows, "prediction_time": times}), folder / "mortality.parquet")
    write_frame(pl.DataFrame({"subject_id": [1, 2], "split": ["train", "test"]}), folder / "splits.parquet")
    write_json(folder / "dataset.json", content)
    store.publish("data", NAME, {"sensitivity": "restricted"})
    return store


def test_the_files_and_their_sensitivity_are_told(filled: Store, tmp_path: Path) -> None:
    said = chartune("export-data", NAME[:6], "--to", tmp_path / "out", "--format", "meds", "--store", filled.root)
    assert said.code == 0, said.err
    assert "restricted: the terms of its source hold" in said.out
    assert "labels/mortality/held_out.parquet" in said.out
    again = chartune("export-data", NAME, "--to", tmp_path / "p", "--store", filled.root, "--json")
    reply = json.loads(again.out)
    assert (reply["data"], reply["sensitivity"]) == (NAME, "restricted")
    assert set(reply["files"]) >= {"data/train-00000.parquet", "data/test-00000.parquet", "SHA256SUMS"}


def test_what_cannot_be_exported_is_said_in_one_paragraph(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    for words, expected in (
        ((NAME, "--to", tmp_path / "repository" / "x"), "must not lie in a git working tree"),
        (("ffff", "--to", tmp_path / "x"), "'ffff' fits none; give one of"),
        ((NAME, "--to", filled.root), "exists and is not empty"),
    ):
        said = chartune("export-data", *words, "--store", filled.root)
        assert said.code == 2
        assert expected in " ".join(said.err.split())
        assert "Traceback" not in said.err
