"""A new form of answer is one file and a line, a new score a function and a line: those of the architecture page."""

import ast
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

import chartune as chartune_package
from chartune.answers import ANSWERS, ANY_OF, BINARY, ONE_OF
from chartune.answers.binary import Binary
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.testing.command_line import chartune

SECTION = "A form of answer, and a score"
GRADES = ("1 mild", "2 moderate", "3 severe")
FLAGS = ["--set", "max_seq_len=48", "--set", "optimisation.duration.value=3", "--set", "head.pooling=mean"]


def notes(folder: Path, labels: tuple[str, ...]) -> Path:
    """160 patients; the later a label, the more of the words are grave."""
    chance = random.Random(0)
    rows = []
    for number in range(160):
        grade = number % len(labels)
        words = ["septic" if chance.random() < 0.15 + 0.3 * grade else "stable" for _ in range(12)]
        rows.append((number, " ".join([*words, chance.choice(["walking", "afebrile"])]), labels[grade]))
    file = folder / "notes.csv"
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(file)
    return file


def trained(file: Path, store: Path, *words: Any) -> Run:
    said = chartune("finetune", file, *words, "--store", store, "--json")
    assert said.code == 0, said.err
    return Run(Path(json.loads(said.out)["folder"]))


def test_a_form_of_answer_in_one_file_is_prepared_learnt_scored_compared_and_reported(
    twins: Path,
    bert: LocalBackbone,
    tmp_path: Path,
    examples: Callable[[str], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    form = examples(SECTION)[0].Grades()
    monkeypatch.setitem(ANSWERS, form.kind, form)
    file, store = notes(tmp_path, GRADES), tmp_path / "store"
    asked = ["--set", "data.tasks=[{kind: labels, answer: grades}]"]
    runs = [
        trained(file, store, "--method", "tfidf", *asked),
        trained(file, store, "--method", "head-only", "--base", twins / "bert", *FLAGS, *asked),
    ]
    for run in runs:
        rows = run.predictions("test")
        labels, logits = form.read(rows)
        expected = cohen_kappa_score(labels, logits.argmax(axis=1), weights="quadratic")
        kappa = run.scores["test"]["kappa"]
        assert kappa.value == pytest.approx(expected, abs=1e-6)
        assert kappa.low is not None
        assert (run.answer, run.headline.title) == ("grades", "Weighted kappa")
        per_label = run.per_label()
        assert per_label is not None
        assert per_label["label"].to_list() == list(GRADES)
    assert {event.name for event in runs[1].events(split="validation")} >= {"kappa", "log_loss"}
    assert "weighted kappa" in chartune("ls", "--store", store).out
    report = tmp_path / "report.html"
    assert chartune("report", "--out", report, "--store", store).code == 0
    page = report.read_text(encoding="utf-8")
    assert "Weighted kappa on the test split" in page
    assert "Difference" in page  # of paired kappas
    assert f"{runs[0].scores['test']['kappa'].value:.2f}" in page


def test_a_score_in_one_line_is_measured_and_has_a_column(
    tmp_path: Path, examples: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Binary, "measures", (*Binary.measures, examples(SECTION)[1].LINE))
    file, store = notes(tmp_path, ("better", "worse")), tmp_path / "store"
    run = trained(file, store, "--method", "tfidf")
    rows = run.predictions("test")
    expected = f1_score(rows["label"].to_numpy(), rows["logit"].to_numpy() > 0)
    assert run.scores["test"]["f1"].value == pytest.approx(expected)
    report = tmp_path / "report.html"
    assert chartune("report", "--out", report, "--store", store).code == 0
    assert "at even odds" in report.read_text(encoding="utf-8")


def test_every_form_says_what_could_be_counted_with_its_scores_and_begins_with_its_headline() -> None:
    for form in ANSWERS.values():
        names = [one.metric for one in form.measures]
        assert len(set(names)) == len(names)
        assert form.headline.column
        assert all(not one.out_of or one.out_of in names for one in form.measures)
    assert BINARY.behind({}).shares == frozenset({"prevalence"})


def test_nobody_but_the_answers_asks_for_a_kind_or_a_metric_by_name() -> None:
    """A literal elsewhere would be a branch that a new form of answer does not pass."""
    source, names = Path(chartune_package.__file__).parent, {BINARY.kind, ONE_OF.kind, ANY_OF.kind, "auroc"}
    rooms = {"answers", "metrics", "testing"}
    found = [
        f"{path.relative_to(source)}:{node.lineno}"
        for path in source.rglob("*.py")
        if path.relative_to(source).parts[0] not in rooms
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert found == []
