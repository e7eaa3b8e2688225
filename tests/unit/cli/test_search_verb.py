"""`chartune search`: its flags become a study of one searched stage, or are refused with what there is."""

from pathlib import Path
from typing import Any

import pytest

from chartune.studies.study import Study
from chartune.testing.command_line import Completed, chartune


class AskedError(Exception):
    """Carries the study that the verb would have conducted."""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def asked(study: Any, *_: object, **__: object) -> None:
        raise AskedError(study)

    monkeypatch.setattr("chartune.studies.conduct.conduct", asked)
    (tmp_path / "notes.csv").write_text("subject_id,text,label\n1,fever,0\n2,cough,1\n")
    return tmp_path / "notes.csv"


def study_of(notes: Path, *words: object) -> Study:
    with pytest.raises(AskedError) as caught:
        chartune("search", *words, notes, "--base", "base", "--store", notes.parent / "store")
    study = caught.value.args[0]
    assert isinstance(study, Study)
    return study


def refused(notes: Path, *words: object) -> Completed:
    said = chartune("search", *words, notes, "--base", "base", "--store", notes.parent / "store")
    assert said.code == 2, said.err
    return said


def test_words_of_a_space_are_those_of_set(notes: Path) -> None:
    study = study_of(
        notes, "finetune", "--space", "rank=[2, 4]", "--space", "lr={low: 1e-5, high: 1e-2, log: true}",
        "--set", "alpha=8", "--trials", "7", "--sampler", "tpe", "--minutes", "5", "--name", "mine",
    )  # fmt: skip
    cell = study.cells()[0]
    assert cell.space is not None
    assert list(cell.space.dimensions) == ["stack.layers.0.method.rank", "optimisation.learning_rate"]
    assert (study.search.trials, study.search.sampler, study.search.minutes) == (7, "tpe", 5.0)
    assert (cell.name, cell.final, cell.base["stack"]["layers"][0]["method"]["alpha"]) == ("mine", True, 8)


def test_a_share_of_the_training_is_a_fidelity(notes: Path) -> None:
    study = study_of(notes, "pretrain", "--method", "prompt", "--space", "method.tokens=[5, 10]", "--share", "0.25")
    assert study.search.fidelity is not None
    assert (study.search.fidelity.share, study.search.fidelity.promoted) == (0.25, 4)
    assert list(study.stages) == ["prompt, searched"]


def test_flags_of_the_stage_are_taken_and_the_run_is_called_by_its_method(notes: Path) -> None:
    flags = ["--lr", "1e-3", "--epochs", "2", "--seed", "4", "--batch-size", "5", "--max-length", "64", "--rank", "3"]
    study = study_of(notes, "finetune", *flags, "--null-marks", "NA", "--space", "alpha=[8, 16]")
    stage = study.cells()[0].base
    assert (stage["optimisation"]["learning_rate"], stage["optimisation"]["batch_size"]) == (1e-3, 5)
    assert stage["optimisation"]["duration"] == {"value": 2.0, "unit": "epochs"}
    assert (stage["seed"], stage["max_seq_len"], stage["stack"]["layers"][0]["method"]["rank"]) == (4, 64, 3)
    assert study.data.source.null_marks == ("NA",)  # type: ignore[union-attr]
    assert list(study.stages) == ["lora, searched"]
    general = study_of(notes, "pretrain", "--general-text", notes, "--space", "rank=[1, 2]")
    assert general.cells()[0].base["general_text"] == str(notes)
    config = notes.with_name("stage.yaml")
    config.write_text("kind: pretrain\nmethod: {kind: p-tuning}\n")
    named = study_of(notes, "pretrain", "--config", config, "--space", "method.tokens=[5, 10]")
    assert list(named.stages) == ["p-tuning, searched"]
    head = study_of(notes, "finetune", "--method", "head-only", "--space", "head_learning_rate=[1e-3, 1e-2]")
    assert list(head.stages) == ["head-only, searched"]


def test_tfidf_is_searched_like_any_other_stage(notes: Path) -> None:
    space = ["--space", "least_documents=[2, 5]"]
    with pytest.raises(AskedError) as caught:
        chartune("search", "finetune", notes, "--method", "tfidf", *space, "--store", notes.parent / "store")
    assert list(caught.value.args[0].stages) == ["tfidf, searched"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "no --space is given"),
        (["--space", "epochs=[1, 2]"], "--space must read PATH=VALUES for one field"),
        (["--space", "rank"], "--space must read PATH=VALUES"),
        (["--space", "rnak=[1, 2]"], "rnak: not a field"),
        (["--space", "rank=[1, 2]", "--set", "scores_test=false"], "leave out scores_test"),
        (["--space", "rank=[1, 2]", "--task", "label"], "pretraining has no stack"),
        (["--space", "lr={low: 1e-4, high: 1e-2}", "--sampler", "grid"], "the sampler `grid` needs"),
        (["--space", "rank=[1, 2]", "--trials", "2", "--share", "0.5"], "must not exceed `trials`"),
        (["--space", "rank=[1, 2]", "--storage", "mysql://me:secret@host/db"], "postgresql://user@host/database"),
    ],
)
def test_a_slip_is_refused_with_what_there_is(notes: Path, words: list[str], expected: str) -> None:
    said = refused(notes, "pretrain", *words)
    assert expected in " ".join(said.err.split())
    assert "secret" not in said.out + said.err
