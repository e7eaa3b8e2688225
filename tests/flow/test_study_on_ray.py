"""A study on Ray: a local cluster on loopback does the cells; each is a process, its results go through the store."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from chartune.store import Store
from chartune.studies.conduct import conduct
from chartune.studies.study import Study
from chartune.testing.command_line import chartune, started
from chartune.testing.short_texts import short_texts

pytestmark = pytest.mark.slow


def test_the_cells_of_a_study_are_done_on_a_local_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    stages = {
        "one": {"kind": "tfidf", "least_documents": 1}, "two": {"kind": "tfidf", "least_documents": 2},
        "both": {"kind": "ensemble", "task": "mortality", "members": [{"from": "one"}, {"from": "two"}]},
    }  # fmt: skip
    study = {"title": "On Ray", "data": data, "stages": stages}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    words = ["study", "run", tmp_path / "s.yaml", "--executor", "ray", "--workers", 2, "--threads", 1]
    words += ["--store", tmp_path / "store", "--out", tmp_path / "r.html", "--json"]
    process = started(*words)  # of its own: Ray leaves threads behind
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    alone = conduct(Study.parse(study), Store(tmp_path / "alone").open())
    assert json.loads(out)["runs"] == [run.fingerprint for run in alone.runs]
    done = {run.name: run.scores for run in alone.runs}
    for run in alone.runs:
        scores = json.loads((tmp_path / "store" / "runs" / run.fingerprint / "scores.json").read_text())
        assert scores == json.loads((run.path / "scores.json").read_text()), done[run.name]


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    study = {"title": "t", "data": data, "stages": {"words": {"kind": "tfidf", "least_documents": 1}}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["study", "run", tmp_path / "s.yaml", "--executor", "ray", "--store", tmp_path / "store"]
    said = chartune(*words)
    assert said.code == 2
    assert "give --workers" in said.err
    said = chartune(*words, "--workers", 1)
    assert said.code == 2
    assert "pip install 'chartune[ray]'" in said.err
    assert os.environ.get("RAY_ADDRESS") is None
