"""Few-shot: so many texts of each class, by the seed, nested, with the training split's prior; and a limit of time."""

import random
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.errors import ConfigError, RunError
from chartune.models.backbone import LocalBackbone
from chartune.runs.efficiency import efficiency_of
from chartune.runs.run import Run
from chartune.stages.few_shot import Few
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.table import TaskTable
from chartune.store import Store
from chartune.tasks.labels import LabelSpace
from chartune.train.soundness import must_end_together

SEEDS = (12, 34, 56)


def table(labels: list[int], answer: str = "multiclass", names: tuple[str, ...] = ("a", "b", "c")) -> TaskTable:
    """A training split with these labels."""
    n = len(labels)
    values = pl.Series(labels) if answer != "multilabel" else pl.Series([[label] for label in labels])
    frame = pl.DataFrame({"subject_id": range(n), "hadm_id": range(n), "split": ["train"] * n, "text": [""] * n})
    return TaskTable(frame.with_columns(label=values), "t", LabelSpace(answer, names, names))


def test_so_many_of_each_class_are_drawn_and_all_of_a_smaller_one() -> None:
    labels = [0] * 50 + [1] * 20 + [2] * 3
    chosen = Few(8, 12).places(table(labels))
    assert np.bincount(np.array(labels)[chosen]).tolist() == [8, 8, 3]
    assert (np.diff(chosen) > 0).all()
    assert Few(None, 12).places(table(labels)).tolist() == list(range(73))


def test_another_seed_draws_other_texts_and_more_texts_hold_the_fewer() -> None:
    labels = table([0, 1, 2] * 100)
    drawn = {seed: set(Few(16, seed).places(labels).tolist()) for seed in SEEDS}
    assert len({frozenset(one) for one in drawn.values()}) == 3
    for seed, one in drawn.items():
        assert set(Few(8, seed).places(labels).tolist()) < one
        assert set(Few(16, seed).places(labels).tolist()) == one


def test_what_was_drawn_keeps_the_prior_of_the_training_split() -> None:
    """The shift turns the training split's log prior into the drawn one's, so that the loss is of the drawn texts."""
    labels = table([0] * 60 + [1] * 30 + [2] * 10)
    shifted = labels.prior_logits() + np.array(Few(10, 1).balance(labels).shift)
    odds = np.exp(shifted - shifted.max())
    assert odds / odds.sum() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert np.argmax(labels.prior_logits()) == 0


def test_of_many_labels_no_text_has_a_class() -> None:
    with pytest.raises(ConfigError, match="a text of t may have several labels"):
        Few(8, 0).places(table([0, 1], "multilabel"))


def test_classes_are_not_weighed_as_well() -> None:
    with pytest.raises(ConfigError, match="`balance` must be `none`"):
        Finetune.parse(
            {
                "data": {"source": {"kind": "mimic3", "folder": "x"}},
                "backbone": {"name": "minilm"},
                "per_class": 8,
                "balance": "classes",
            }
        )


def tuned(store: Store, base: LocalBackbone, file: Any, **further: Any) -> Run:
    asked = {"data": {"source": {"kind": "tabular", "file": str(file)}}, "backbone": {"name": str(base.folder)}}
    return finetune(Finetune.parse({**asked, "max_seq_len": 24, **further}), store)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    chance, rows = random.Random(3), []
    for number in range(120):
        words = [chance.choice(("septic", "afebrile", "stable", "fall")) for _ in range(9)]
        rows.append((number, " ".join(words), "yes" if words[:3].count("afebrile") else "no"))
    file = tmp_path_factory.mktemp("few") / "notes.csv"
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(file)
    return file


def test_a_run_learns_from_what_was_drawn_and_is_scored_on_all(store: Store, bert: LocalBackbone, notes: Any) -> None:
    run = tuned(store, bert, notes, per_class=4)
    assert run.about.texts == 8
    assert run.stage["per_class"] == 4
    assert len(run.predictions("test")) > 9


def test_a_training_ends_when_its_time_is_up_with_an_evaluation(store: Store, bert: LocalBackbone, notes: Any) -> None:
    optimisation = {"duration": {"value": 5000}, "most_seconds": 1.0, "batch_size": 64}
    stopping = {"evaluations_per_epoch": 1, "patience": 100_000}
    run = tuned(store, bert, notes, optimisation=optimisation, stopping=stopping)
    assert run.about.stopped_early
    last = max(event.step for event in run.events("loss", "train"))
    assert max(event.step for event in run.events("auroc", "validation")) == last
    assert last < 5000  # passes, of a step or more each
    assert efficiency_of(run.artefact).best_seconds is not None


def test_without_a_limit_older_runs_are_found() -> None:
    stage = Finetune.parse({"data": {"source": {"kind": "mimic3", "folder": "x"}}, "backbone": {"name": "minilm"}})
    assert "per_class" not in stage.hashable()
    assert "most_seconds" not in stage.hashable()["optimisation"]


def test_processes_that_train_together_have_no_limit_of_time() -> None:
    must_end_together(None, 2)
    must_end_together(1.0, 1)
    with pytest.raises(RunError, match="2 train together"):
        must_end_together(1.0, 2)
