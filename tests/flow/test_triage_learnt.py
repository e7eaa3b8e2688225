"""ICD-9 triage from raw tables to scores: macro F1 decides, and new charts get one of seven services."""

import json
from pathlib import Path

import polars as pl
import pytest

from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.tasks.triage import SERVICES
from chartune.testing.command_line import chartune

ASKED = ["--task", "icd9_triage", "--set", "data.tasks=[{kind: triage, with_procedure: false}]"]


@pytest.mark.slow
def test_summaries_of_a_hospital_are_told_apart_by_service(hospital: Path, bert: LocalBackbone, tmp_path: Path) -> None:
    store = tmp_path / "store"
    runs = []
    for flags in (["--method", "tfidf"], ["--method", "head-only", "--base", bert.folder, "--max-length", "64"]):
        said = chartune("finetune", hospital, *ASKED, *flags, "--store", store, "--json")
        assert said.code == 0, said.err
        runs.append(Run(Path(json.loads(said.out)["folder"])))
    words, head = runs
    assert words.about.labels == tuple(SERVICES)
    assert words.answer == head.answer == "multiclass-f1"
    assert next(iter(words.scores["test"])) == "f1_macro"
    assert words.scores["test"]["f1_macro"].value > 0.3
    said = chartune("predict", words.fingerprint, hospital, "--store", store)
    assert said.code == 0, said.err
    rows = pl.read_csv(said.out.encode())
    assert set(rows["label"]) <= set(SERVICES)
    said = chartune("compare", *(run.fingerprint for run in runs), "--store", store)
    assert (said.code, "Macro F1" in said.out) == (0, True), said.err
