"""Balancing: a weighted loss whose logits still mean the training prior, whatever the weights."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from chartune.answers import answer_of
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.heads import LinearHead
from chartune.models.losses import UNBALANCED, Balance, weighted_loss
from chartune.models.readers import FeatureReader
from chartune.sources.mimic3 import Mimic3
from chartune.stages.balancing import balanced
from chartune.stages.finetune import Finetune, _train
from chartune.stages.inputs import Inputs
from chartune.stages.stage import Work
from chartune.stages.table import TaskTable
from chartune.store import Artefact, Store
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepare import Preparation
from chartune.testing.twins import EXACT

DATA = Preparation(source=Mimic3(folder=Path("raw")))
GROUPS = np.arange(240) % 3
"""Of each row: what a saturated model knows."""


def table(kind: str) -> TaskTable:
    """240 training rows of three groups; labels are rare, and more frequent in later groups."""
    rng = np.random.default_rng(6)
    p = np.array([0.03, 0.1, 0.3])[GROUPS]
    ill, also = rng.random(240) < p, rng.random(240) < p / 2
    names = ("a", "b", "c")[: {"binary": 2, "multiclass": 3, "multilabel": 2}[kind]]
    if kind == "multilabel":
        labels = pl.Series([[i for i, has in enumerate(pair) if has] for pair in zip(ill, also, strict=True)],
                           dtype=pl.List(pl.Int32))  # fmt: skip
    else:
        labels = pl.Series(ill.astype(int) + (kind == "multiclass") * (ill & (rng.random(240) < 0.5)))
    frame = pl.DataFrame(
        {"hadm_id": range(240), "subject_id": range(240), "split": ["train"] * 240, "text": [""] * 240}
    )
    return TaskTable(frame.with_columns(label=labels), "asked", LabelSpace(kind, names, names))


def fitted(asked: TaskTable, features: NDArray[np.float32], balance: Balance, weights: NDArray[np.float32]) -> Any:
    """Logits, [n, L], of a head that minimises the loss of its reader."""
    torch.manual_seed(0)
    reader = FeatureReader(LinearHead(features.shape[1], asked.outputs, normalise=False), asked.form.loss, balance)
    optimizer = torch.optim.LBFGS(
        reader.parameters(), max_iter=2000, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )
    batch = {"vectors": torch.from_numpy(features), "labels": torch.from_numpy(asked.labels("train")),
             "weights": torch.from_numpy(weights)}  # fmt: skip

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = reader(**batch) / len(weights)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return reader.head(batch["vectors"]).detach().numpy()


def probabilities(asked: TaskTable, logits: Any) -> NDArray[np.float64]:
    return asked.form.probabilities(asked.form.decide(logits))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_a_weighted_loss_leaves_the_frequencies_of_the_training_split(kind: str) -> None:
    asked, saturated = table(kind), np.eye(3, dtype=np.float32)[GROUPS]
    made = balanced("classes", asked)
    weights = made.texts(asked.labels("train"))
    mended = probabilities(asked, fitted(asked, saturated, made.loss, weights))
    labels = asked.labels("train")
    borne = answer_of(kind).borne(labels, np.zeros((len(labels), asked.outputs)))
    seen = np.stack([borne[group == GROUPS].mean(axis=0) for group in range(3)])[GROUPS]
    assert mended.reshape(seen.shape) == pytest.approx(seen, abs=5e-3)
    unmended = Balance((), made.loss.present, made.loss.absent)
    raw = probabilities(asked, fitted(asked, saturated, unmended, weights))
    assert np.abs(raw.reshape(seen.shape) - seen).max() > 0.2


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_logit_adjustment_that_is_undone_is_the_plain_loss(kind: str) -> None:
    asked, features = table(kind), (np.stack([GROUPS, np.arange(240) % 5], axis=1) / 3).astype(np.float32)
    ones, prior = np.ones(240, dtype=np.float32), asked.prior_logits()
    adjusted = fitted(asked, features, Balance(tuple(prior.tolist())), ones) + prior  # Menon et al. (2021), undone
    plain = fitted(asked, features, UNBALANCED, ones)
    assert probabilities(asked, adjusted) == pytest.approx(probabilities(asked, plain), abs=2e-3)
    assert balanced("logit-adjusted", asked).loss == UNBALANCED
    usual = Finetune(data=DATA, backbone=Backbone(name="small-llama"))
    none, same, other = (
        usual.model_copy(update={"balance": how}).hashable() for how in ("none", "logit-adjusted", "classes")
    )
    assert none == same != other  # so that nobody trains the same twice


def test_cells_weigh_by_hand() -> None:
    labels, logits = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.zeros(2, 2)
    made = weighted_loss(
        "binary-cross-entropy", logits, labels, torch.ones(2), Balance((0.0, 0.0), (2.0, 9.0), (0.5, 3))
    )
    assert float(made) == pytest.approx(np.log(2) * (2 + 3 + 0.5 + 3) / 2)
    asked = table("multilabel")
    cases = asked.cases("train")
    loss = balanced("classes", asked).loss
    assert loss.present == pytest.approx((240 / (2 * cases)).tolist())
    assert loss.absent == pytest.approx((240 / (2 * (240 - cases))).tolist())
    assert loss.shift == pytest.approx((-asked.prior_logits()).tolist(), abs=0.05)


def test_one_word_for_tasks_of_one_and_of_many_labels() -> None:
    assert balanced("classes-if-single", table("multilabel")).loss == UNBALANCED
    assert (
        balanced("classes-if-single", table("binary")).loss == balanced("classes", table("binary")).loss != UNBALANCED
    )
    usual = Finetune(data=DATA, backbone=Backbone(name="small-llama"))
    assert "prior" not in usual.hashable()
    assert usual.model_copy(update={"balance": "classes"}).hashable()["prior"] == "undone"


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_a_balanced_run_predicts_as_many_as_there_are(kind: str, bert: LocalBackbone, store: Store) -> None:
    """A head on a base that says nothing of the outcome: what is left is the prior, not even odds."""
    asked = table(kind)
    splits = np.array(["train", "train", "train", "validation", "test"])[np.arange(240) % 5]
    texts = [f"fever {n % 7}" for n in range(240)]
    rows = TaskTable(asked.frame.with_columns(split=pl.Series(splits), text=pl.Series(texts)), "asked", asked.space)
    stage = Finetune.parse({
        "data": DATA, "backbone": {"name": "base"}, "stack": {"layers": []}, "max_seq_len": 16, "balance": "classes",
        "optimisation": {"head_learning_rate": 0.05, "duration": {"value": 4}},
    })  # fmt: skip
    place = Work(store, store.partial("runs", "f" * 16), "f" * 16)
    _train(stage, Artefact("data", "d" * 16, store.root), rows, Inputs(bert, (), EXACT), place)
    made = pl.read_parquet(place.folder / "predictions.parquet").filter(pl.col("split") == "test")
    p = rows.form.probabilities(np.asarray(rows.form.read(made)[1], dtype=np.float64)).reshape(made.height, -1)
    share = rows.cases("train")[-p.shape[1] :] / len(rows.rows("train"))
    assert p.mean(axis=0) == pytest.approx(share, abs=0.15)  # weights left in would give even odds
    assert share.max() < 0.25
