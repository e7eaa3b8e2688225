"""Fine-tuning: validation chooses, the training split weighs, the test split is only reported."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from chartune.adapters.adapter import read_adapter, write_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Frozen, Stack, Trainable, attach
from chartune.batches.collate import Examples
from chartune.batches.tokenize import Encoded
from chartune.errors import RunError
from chartune.log import EventLog
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.heads import Head
from chartune.models.load import load_body
from chartune.models.readers import Classifier
from chartune.quantities import Duration
from chartune.sources.mimic3 import Mimic3
from chartune.stages.finetune import Finetune, Reader, _evaluation, _judged, _probe, _reader, _train
from chartune.stages.inputs import Inputs
from chartune.stages.kept_readings import Initial
from chartune.stages.kept_weights import keep_weights
from chartune.stages.marking import split_examples, text_examples
from chartune.stages.stage import Outcome, Work
from chartune.stages.table import TaskTable
from chartune.store import Artefact, Store
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepare import Preparation
from chartune.testing.twins import EXACT, WORDS
from chartune.train.objective import Evaluation
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.training import Training

DATA = Preparation(source=Mimic3(folder=Path("raw")))
FAST = Optimisation(head_learning_rate=0.1, batch_size=8, duration=Duration.epochs(2), schedule="constant")
STAGE = Finetune(
    data=DATA,
    backbone=Backbone(name="small-llama"),
    stack=Stack(),
    optimisation=FAST,
    stopping=Stopping(evaluations_per_epoch=5, patience=10),
    max_seq_len=64,
)
BINARY = LabelSpace("binary", ("no", "yes"), ("no", "yes"))
MANY = "fever " * 99


def rows(labels: Sequence[Any], splits: Sequence[str], texts: Sequence[str], space: LabelSpace = BINARY) -> TaskTable:
    count = len(labels)
    columns = {"hadm_id": range(count), "subject_id": range(count), "split": splits, "text": texts, "label": labels}
    return TaskTable(pl.DataFrame(columns), "asked", space)


def turned() -> TaskTable:
    """What training and validation call yes is mostly no in the test part: who looks there chooses the worst."""
    rng = np.random.default_rng(0)
    splits = ["train"] * 40 + ["validation"] * 20 + ["test"] * 16
    labels = rng.integers(0, 2, len(splits))
    words = np.array(WORDS.split())
    texts = [" ".join(rng.choice(words[3 * y :][:16], 10)) for y in labels]
    flipped = np.where(np.array(splits) == "test", 1 - labels, labels)
    return rows(flipped.tolist(), splits, texts)


def trained(stage: Finetune, table: TaskTable, base: LocalBackbone, store: Store) -> tuple[Outcome, list[float]]:
    """The outcome, and the AUROC at each look."""
    work = Work(store, store.partial("runs", "f" * 16), "f" * 16)
    outcome = _train(stage, Artefact("data", "d" * 16, store.root), table, Inputs(base, (), EXACT), work)
    return outcome, [event.value for event in EventLog.read(work.folder / "events.jsonl") if event.name == "auroc"]


def test_the_weights_that_are_kept_are_those_that_validation_liked_best(bert: LocalBackbone, store: Store) -> None:
    outcome, looks = trained(STAGE, turned(), bert, store)
    assert len(set(looks)) > 1
    assert outcome.scores["validation"]["auroc"].value == max(looks)
    assert outcome.state.best_step == 1 + looks.index(max(looks))
    assert outcome.scores["test"]["auroc"].value < 0.5 < max(looks)


def reader_of(table: TaskTable, base: LocalBackbone, store: Store) -> tuple[Classifier, Reader, Initial]:
    examples = split_examples(
        table, ("train", *STAGE.read_splits(table)), base, store, "d" * 16,
        max_seq_len=STAGE.max_seq_len, long=STAGE.long, balance=STAGE.balance,
    )  # fmt: skip
    body = load_body(base, EXACT)
    head = Head().build(body.hidden_size, table.prior_logits(), 0)
    attached = attach(Stack(), body.module, [], 0)
    model = Classifier(attached.module, head, Head().pooling_for(base.family))
    start = Initial(Inputs(base, (), EXACT), attached, store, "d" * 16)
    return model, _reader(STAGE, model, examples, start), start


def test_a_probe_takes_the_penalty_that_validation_likes_best_and_begins_there(
    bert: LocalBackbone, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = turned()
    model, reader, start = reader_of(table, bert, store)

    def begun(*penalties: float) -> float:
        monkeypatch.setattr("chartune.train.probe.PENALTIES", penalties)
        training = Training(
            reader.objective, FAST, Stopping(), 0, "fp32", tmp_path, EventLog(tmp_path / "events.jsonl"),
            lambda: Evaluation(0.0, {}), budget=1024,
        )  # fmt: skip
        _probe(training, model, reader, STAGE, table, start)
        assert (
            training.state.best_score
            == _evaluation(table, reader.examples["validation"], reader.logits["validation"]()).score
        )
        return training.state.best_score

    alone = [begun(penalty) for penalty in (1e-4, 10.0)]
    assert abs(alone[0] - alone[1]) > 0.01
    assert begun(1e-4, 10.0) == pytest.approx(max(alone), abs=1e-4)
    first = [event for event in EventLog.read(tmp_path / "events.jsonl") if event.name == "auroc"]
    assert [(event.step, event.planned > 0) for event in first] == [(0, True)]  # a start again is the first once more


def test_a_tie_goes_to_the_smaller_loss_and_a_better_ranking_beats_any_loss() -> None:
    table = rows([0, 1] * 10, ["validation"] * 20, [""] * 20)
    none = np.zeros(0, dtype=np.int32)
    texts = Examples(
        Encoded(none, none.astype(np.int64), none, none > 0), table.labels("validation"), none.astype(np.float32), 0
    )

    def judged(odds: NDArray[np.floating[Any]]) -> float:
        return _evaluation(table, texts, np.stack([-odds / 2, odds / 2], axis=1).astype(np.float32)).score

    sure = np.where(np.arange(20) % 2, 2.0, -2.0)
    assert judged(sure) > judged(sure / 10)
    one_wrong = sure.copy()
    one_wrong[:2] = 0.1, -0.1  # one pair the wrong way round
    boastful = np.arange(20) % 2 + 1e6  # every outcome above every other, every probability 1
    assert judged(one_wrong) < judged(boastful)


def test_weights_may_be_kept_by_the_lowest_loss_instead() -> None:
    shown = Evaluation(0.9, {"auroc": 0.9, "log_loss": 0.3})
    assert _judged(STAGE, shown) == shown
    assert _judged(STAGE.model_copy(update={"chosen_by": "log-loss"}), shown).score == -0.3
    assert "chosen_by" not in STAGE.hashable()  # runs of before are found


def test_of_many_labels_no_class_is_weighed_where_single_ones_are() -> None:
    tokens = np.zeros(4, dtype=np.int32)
    encoded = Encoded(tokens, np.arange(5), tokens, np.zeros(4, dtype=np.bool_))
    asked = STAGE.model_copy(update={"balance": "classes-if-single"})
    single, many = (
        rows(labels, ["train"] * 4, [""] * 4, LabelSpace(form, ("a", "b"), ("a", "b")))
        for labels, form in (([0, 0, 0, 1], "binary"), ([[0], [0], [0, 1], [0]], "multilabel"))
    )
    assert text_examples(single, encoded, "train", 0, None, asked.balance).weights == pytest.approx([2 / 3] * 3 + [2])
    assert set(text_examples(many, encoded, "train", 0, None, asked.balance).weights.tolist()) == {1.0}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_classes_weigh_as_training_has_them_if_asked(split: str) -> None:
    space = LabelSpace("multiclass", ("a", "b", "c"), ("a", "b", "c"))
    table = rows([0] * 9 + [1] * 3 + [0, 1, 2], ["train"] * 12 + ["validation"] * 3, [""] * 15, space)
    tokens = np.zeros(15, dtype=np.int32)
    encoded = Encoded(tokens, np.arange(16), tokens, np.zeros(15, dtype=np.bool_))
    # N / (K n): 12 rows, 3 classes, 9 and 3 of them; one that training lacks counts as if it had one.
    by_hand = {"train": [4 / 9] * 9 + [4 / 3] * 3, "validation": [4 / 9, 4 / 3, 4]}
    balanced = text_examples(table, encoded, split, 0, None, "classes")
    assert balanced.weights == pytest.approx(by_hand[split])
    assert balanced.batch(np.array([0, 1, 2]))["weights"].tolist() == pytest.approx(by_hand[split][:3])
    assert set(text_examples(table, encoded, split, 0, None, "none").weights.tolist()) == {1.0}


def test_what_is_reported_of_reading_is_of_the_test_split(
    bert: LocalBackbone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = ["train"] * 8 + ["validation"] * 4 + ["test"] * 4
    table = rows([0, 1] * 8, splits, ["chest pain"] * 12 + ["chest pain", "fever", MANY, "fever"])
    asked: list[dict[str, Any]] = []

    def score(*_: Any, words: dict[str, Any], oracle: Any) -> dict[str, Any]:
        asked.append(words)
        return {}

    monkeypatch.setattr("chartune.stages.finetune.score", score)
    outcome, _ = trained(STAGE, table, bert, store)
    assert outcome.facts["truncated_fraction"] == 0.25
    (words,) = asked
    assert list(words) == ["test"]
    seen = words["test"].tolist()
    assert (seen[:2], seen[3]) == ([2, 1], 1)
    assert 0 < seen[2] < 99  # as many as the model has read, not as many as were written


@pytest.mark.parametrize("layer", [Frozen, Trainable])
def test_a_frozen_layer_that_has_moved_is_no_result(
    layer: type[Frozen | Trainable], bert: LocalBackbone, store: Store, tmp_path: Path
) -> None:
    method = LoRA(rank=2)
    body = load_body(bert, EXACT)
    made = attach(Stack(layers=(Fresh(method=method),)), body.module, [None], 0)
    write_adapter(tmp_path / "parent", made.tensors(0), method, bert, {"run": None, "state": "fresh"})
    parent = read_adapter(tmp_path / "parent")
    stage = STAGE.model_copy(update={"stack": Stack(layers=(layer(adapter="parent"),))})
    attached = attach(stage.stack, load_body(bert, EXACT).module, [parent], 0)
    head = Head().build(body.hidden_size, np.zeros(2, dtype=np.float32), 0)
    model = Classifier(attached.module, head, "mean")
    folder, inputs = store.partial("runs", "f" * 16), Inputs(bert, (parent,), EXACT)
    keep_weights(folder, attached, model, inputs, {}, whole=False)
    with torch.no_grad():
        attached.tensors(0)[next(name for name in parent.tensors() if "lora_B" in name)].add_(1e-3)
    if layer is Trainable:
        keep_weights(folder, attached, model, inputs, {}, whole=False)
    else:
        with pytest.raises(RunError, match=r"bit-equal to those at .*parent"):
            keep_weights(folder, attached, model, inputs, {}, whole=False)


PRINTED_CONFIG = """
import sys
from pathlib import Path
from chartune.adapters.adapter import write_adapter
from chartune.adapters.lora import LoRA
from chartune.models.backbone import inspect
base = inspect(Path(sys.argv[1]), name="x", licence="none", exposure="none")
write_adapter(Path(sys.argv[2]), {}, LoRA(targets="all-linear"), base, {"run": None})
"""


@pytest.mark.slow
def test_an_adapter_has_the_same_bytes_whatever_the_seed_of_hashes(bert: LocalBackbone, tmp_path: Path) -> None:
    for seed in ("1", "2", "3"):
        place = [str(bert.folder), str(tmp_path / seed)]
        subprocess.run(
            [sys.executable, "-c", PRINTED_CONFIG, *place], env=os.environ | {"PYTHONHASHSEED": seed}, check=True
        )
    configs = {(tmp_path / seed / "adapter_config.json").read_bytes() for seed in ("1", "2", "3")}
    assert len(configs) == 1


def test_the_targets_of_an_adapter_are_written_in_order(bert: LocalBackbone, tmp_path: Path) -> None:
    write_adapter(tmp_path, {}, LoRA(targets="all-linear"), bert, {"run": None})
    written = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert written == sorted(["query", "key", "value", "intermediate.dense", "output.dense"])
