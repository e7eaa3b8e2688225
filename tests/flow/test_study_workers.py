"""A study by several workers: equal to one worker bit for bit, whatever dies, is interrupted or runs beside it."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chartune.models.backbone import LocalBackbone
from chartune.runs.ledger import finished_runs
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.ledger import Entry, read_entries
from chartune.testing.command_line import chartune, started, wait_until
from chartune.testing.short_texts import short_texts

RATE = "optimisation.learning_rate"
STACK = [
    {"kind": "frozen", "adapter": {"from": "clinical"}},
    {"kind": "fresh", "method": {"kind": "lora", "rank": 2, "dropout": 0.2}},
]


def written(folder: Path, base: LocalBackbone, steps: int = 2) -> Path:
    """A study of six cells: two pretrained adapters, two fine-tuned ones on each of them."""
    data = short_texts(folder / "raw", folder / "lists")
    model = {
        "backbone": {"name": str(base.folder)}, "max_seq_len": 32,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": steps, "unit": "steps"}},
    }  # fmt: skip
    stages: dict[str, Any] = {
        "clinical": {"kind": "pretrain", "grid": {"seed": [0, 1]}, "method": {"kind": "lora", "rank": 2}},
        "stacked": {"kind": "finetune", "grid": {"seed": [0, 1], RATE: [0.001, 0.002]}, "stack": {"layers": STACK}},
        "words": {"kind": "tfidf", "least_documents": 1},
    }
    study = {"title": "A tiny study", "data": json.loads(data.model_dump_json()), "stages": stages,
             "shared": {"pretrain": model, "finetune": model}}  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder / "study.yaml"


def command(file: Path, place: Path, workers: int) -> list[object]:
    return [
        "study", "run", file, "--workers", workers, "--threads", 1, "--store", place / "store",
        "--ledger", place / "ledger.jsonl", "--out", place / "report.html", "--json",
    ]  # fmt: skip


def numbers(entry: Entry) -> dict[str, Any]:
    """All of a line but what differs from one run to the next of the same."""
    line = entry.model_dump(exclude={"cost", "finished"})
    return line | {name: entry.cost[name] for name in ("tokens", "trainable_parameters", "artefact_bytes")}


def weights(run: Run) -> dict[str, bytes]:
    return {p.relative_to(run.path).as_posix(): p.read_bytes() for p in sorted(run.path.rglob("*.safetensors"))}


def must_be_equal(one: Path, two: Path) -> None:
    """Runs, ledgers and reports of two stores."""
    runs = [{run.fingerprint: run for run in finished_runs(Store(place / "store"))} for place in (one, two)]
    assert runs[0].keys() == runs[1].keys()
    for name, run in runs[0].items():
        other = runs[1][name]
        assert weights(run) == weights(other)
        assert run.scores == other.scores
        assert run.name == other.name
        if run.has_predictions():
            assert run.predictions().equals(other.predictions())
    lines = [{name: numbers(entry) for name, entry in read_entries(place / "ledger.jsonl").items()} for place in (one, two)]
    assert lines[0] == lines[1]


@pytest.mark.slow
def test_three_workers_leave_what_one_leaves(llama: LocalBackbone, tmp_path: Path) -> None:
    file = written(tmp_path, llama)
    done = []
    for workers in (1, 3):
        said = chartune(*command(file, tmp_path / str(workers), workers))
        assert said.code == 0, said.err
        done.append(json.loads(said.out))
    assert done[0]["runs"] == done[1]["runs"]
    assert len(done[0]["runs"]) == 7
    must_be_equal(tmp_path / "1", tmp_path / "3")
