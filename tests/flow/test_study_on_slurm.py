"""A study on Slurm: a stand-in for `sbatch` runs the arrays in their order, asks cells to end, and puts them back."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from chartune.models.backbone import LocalBackbone
from chartune.studies.slurm import ranks
from chartune.testing.command_line import chartune
from chartune.testing.short_texts import short_texts
from chartune.testing.slurm import slurm_stand_in


def written(folder: Path, base: LocalBackbone) -> Path:
    data = short_texts(folder / "raw", folder / "lists")
    model = {
        "backbone": {"name": str(base.folder)}, "max_seq_len": 32,
        "numerics": {"precision": "fp32", "attention": "eager"},
    }  # fmt: skip
    stages: dict[str, Any] = {
        "clinical": {"kind": "pretrain", "method": {"kind": "lora", "rank": 2}, **model,
                     "optimisation": {"duration": {"value": 1500, "unit": "steps"}}},
        "stacked": {"kind": "finetune", **model, "optimisation": {"duration": {"value": 2, "unit": "steps"}},
                    "stack": {"layers": [{"kind": "frozen", "adapter": {"from": "clinical"}}, {"kind": "fresh"}]}},
    }  # fmt: skip
    study = {"title": "On Slurm", "data": json.loads(data.model_dump_json()), "stages": stages}
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder / "study.yaml"


@pytest.mark.slow
def test_arrays_do_the_cells_and_one_that_is_asked_to_end_is_put_back_and_resumes(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = written(tmp_path, llama), tmp_path / "store"
    slurm = tmp_path / "slurm"
    monkeypatch.setenv("CHARTUNE_SBATCH", str(slurm_stand_in(slurm, store / "runs")))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = ["study", "run", file, "--executor", "slurm", "--slurm=--partition=cpu", "--store", store, "--json"]
    words += ["--ledger", tmp_path / "ledger.jsonl"]
    said = chartune(*words)
    assert said.code == 0, said.err
    assert json.loads(said.out) == {"arrays": ["1", "2"], "cells": ["clinical", "stacked"], "gaps": []}
    first, second = ((slurm / f"array-{n}").read_text().splitlines() for n in (1, 2))
    assert {"--partition=cpu", "--array=0", "--requeue", "--signal=B:USR1@300"} <= set(first)
    assert {"--array=1", "--dependency=afterany:1"} <= set(second)
    assert [path.name for path in slurm.glob("seen-*")] == ["seen-1_0"]
    status = json.loads(chartune("study", "status", file, "--store", store, "--json").out)
    assert status["done"] == 2
    runs = [json.loads((run / "run.json").read_text()) for run in (store / "runs").iterdir() if run.is_dir()]
    assert sorted((run["kind"], run["resumed"]) for run in runs) == [("finetune", 0), ("pretrain", 1)]
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 2
    again = json.loads(chartune(*words).out)
    assert again["arrays"] == []


def test_a_rank_waits_for_ranks_before_it_alone() -> None:
    waits = {0: frozenset[int](), 1: frozenset({0}), 2: frozenset[int](), 3: frozenset({1, 2}), 4: frozenset({9})}
    assert ranks([0, 1, 2, 3, 4], waits) == [[0, 2, 4], [1], [3]]
    assert ranks([3, 1], waits) == [[1], [3]]
    assert ranks([], waits) == []


def test_without_sbatch_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    study = {"title": "t", "data": data, "stages": {"words": {"kind": "tfidf", "least_documents": 1}}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.setenv("CHARTUNE_SBATCH", os.fspath(tmp_path / "no-sbatch"))
    said = chartune("study", "run", tmp_path / "s.yaml", "--executor", "slurm", "--store", tmp_path / "store")
    assert said.code == 2
    assert "--executor slurm needs the command sbatch" in said.err
