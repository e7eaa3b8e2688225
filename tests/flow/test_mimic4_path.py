"""MIMIC-IV from raw files to a report: three tasks, both versions of the codes apart, one study."""

import json
from pathlib import Path

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.testing.command_line import chartune

TASKS = ("mortality", "diagnoses_icd9", "diagnoses_icd10")
STUDY = """
title: Words and a twin
data: {{source: {{kind: mimic4, folder: nowhere}}}}
shared:
  finetune:
    backbone: {{name: {base}}}
    max_seq_len: 48
    head: {{pooling: mean, start: probe}}
    optimisation: {{duration: {{value: 4, unit: steps}}}}
stages:
  words: {{kind: tfidf, grid: {{task: [mortality, diagnoses_icd9, diagnoses_icd10]}}}}
  clinical:
    kind: pretrain
    backbone: {{name: {base}}}
    max_seq_len: 48
    held_out_blocks: 8
    optimisation: {{duration: {{value: 4, unit: steps}}}}
  stacked:
    kind: finetune
    grid: {{seed: [0, 1], task: [diagnoses_icd10]}}
    stack: {{layers: [{{kind: trainable, adapter: {{from: clinical}}}}, {{kind: fresh}}]}}
"""


@pytest.fixture(scope="module")
def studied(twins: Path, llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    place = tmp_path_factory.mktemp("four")
    make_hospital(place / "raw", layout="mimic4", subjects=300, seed=2, events=False)
    (place / "study.yaml").write_text(STUDY.format(base=twins / "llama"))
    said = chartune(
        "study", place / "study.yaml", place / "raw", "--store", place / "s", "--out", place / "r.html", "--json"
    )
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["gaps"] == []
    return place, {f"{run.name}/{run.task}/{run.about.seed}": run.fingerprint for run in runs_of(place, told["runs"])}


def runs_of(place: Path, fingerprints: list[str]) -> list[Run]:
    return [Run(place / "s" / "runs" / fingerprint) for fingerprint in fingerprints]


def test_every_cell_of_the_grid_is_a_run(studied: tuple[Path, dict[str, str]]) -> None:
    assert set(studied[1]) == {
        *(f"words/{task}/0" for task in TASKS), "clinical/None/0", "stacked/diagnoses_icd10/0",
        "stacked/diagnoses_icd10/1",
    }  # fmt: skip


def test_words_tell_the_diagnoses_of_either_version(studied: tuple[Path, dict[str, str]]) -> None:
    for task in TASKS[1:]:
        run = Run(studied[0] / "s" / "runs" / studied[1][f"words/{task}/0"])
        auroc = run.estimate("auroc")
        assert auroc is not None
        assert auroc.low is not None
        assert auroc.low > 0.5
        labels = run.per_label()
        assert labels is not None
        lengths = labels["label"].str.len_chars()
        assert labels["label"].str.contains("^[A-Z]").all() if task.endswith("10") else (lengths >= 3).all()
        assert labels.filter(pl.col("title") == pl.col("label")).height < labels.height / 2


def test_an_admission_is_asked_in_its_own_version_only(studied: tuple[Path, dict[str, str]]) -> None:
    asked = [
        set(Run(studied[0] / "s" / "runs" / studied[1][f"words/{task}/0"]).predictions()["hadm_id"])
        for task in TASKS[1:]
    ]
    assert asked[0]
    assert asked[1]
    assert not asked[0] & asked[1]


def test_notes_that_were_downloaded_apart_are_named_to_predict(
    studied: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    place, runs = studied
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "hosp").symlink_to(place / "raw" / "hosp")
    words = ("--store", place / "s", "--json")
    whole = chartune("predict", runs["words/mortality/0"], place / "raw", *words)
    without = chartune("predict", runs["words/mortality/0"], tmp_path / "apart", *words)
    named = ("--set", f"source.notes={place / 'raw' / 'note'}")
    apart = chartune("predict", runs["words/mortality/0"], tmp_path / "apart", *named, *words)
    assert (without.code, "name it with --set source.notes=" in " ".join(without.err.split())) == (3, True)
    assert (apart.code, apart.out) == (0, whole.out), apart.err
    assert whole.out


def test_the_stacked_runs_name_their_parent_and_what_was_planned(studied: tuple[Path, dict[str, str]]) -> None:
    run = Run(studied[0] / "s" / "runs" / studied[1]["stacked/diagnoses_icd10/1"])
    assert run.parents == (studied[1]["clinical/None/0"],)
    assert run.planned["trainable_parameters"] == run.cost.trainable_parameters
    assert studied[1]["clinical/None/0"] in (run.path / "MODEL_CARD.md").read_text()


def test_the_report_names_the_labels_and_holds_no_note(studied: tuple[Path, dict[str, str]]) -> None:
    page = (studied[0] / "r.html").read_text()
    assert "Diagnoses (ICD-10)" in page
    assert "made-up data" in page
    assert "CHIEF COMPLAINT" not in page
