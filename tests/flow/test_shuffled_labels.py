"""Labels shuffled among admissions: whatever finds more than chance in them has seen what it must not see."""

import math
import shutil
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Stack
from chartune.made_up import make_hospital
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.heads import Head
from chartune.quantities import Duration, Estimate
from chartune.runs.run import Run
from chartune.sources.mimic3 import Mimic3
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Artefact, Store
from chartune.tasks.prepare import Preparation, prepare, read_task
from chartune.train.optimizer import Optimisation, Stopping

Prepared = tuple[Preparation, Path]
Labels = Callable[[Artefact, str], pl.DataFrame]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A hospital large enough for an interval that says something, and a store that holds it prepared."""
    place = tmp_path_factory.mktemp("town")
    make_hospital(place / "raw", subjects=1200, seed=3)
    data = Preparation(source=Mimic3(folder=place / "raw"), corpus=None)
    prepare(data, Store(place / "store").open())
    return data, place / "store"


def shuffled(artefact: Artefact, task: str, seed: int = 5) -> pl.DataFrame:
    """The prepared task, its labels drawn anew from the lot of all admissions."""
    examples = read_task(artefact, task)
    mixed = examples.with_columns(pl.col("label").shuffle(seed=seed))
    assert mixed["label"].sum() == examples["label"].sum()
    assert not mixed["label"].equals(examples["label"])
    return mixed


def auroc(run: Run) -> tuple[Estimate, float, float]:
    estimate = run.scores["test"]["auroc"]
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate, estimate.low, estimate.high


def test_tfidf_finds_the_outcome_in_true_labels_and_chance_in_shuffled_ones(
    town: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, prepared = town
    true, low, _ = auroc(tfidf(Tfidf(data=data), Store(shutil.copytree(prepared, tmp_path / "true"))))
    assert low > 0.5  # or the test below would show nothing
    monkeypatch.setattr("chartune.stages.table.read_task", shuffled)
    _, low, high = auroc(tfidf(Tfidf(data=data), Store(shutil.copytree(prepared, tmp_path / "shuffled"))))
    assert low < 0.5 < high
    assert high < true.value


def leaking(artefact: Artefact, task: str) -> pl.DataFrame:
    """Shuffled labels of which the texts say one in three."""
    says = (pl.col("label") == 1) & (pl.int_range(pl.len()) % 3 == 0)
    hint = pl.when(says).then(pl.lit("blood blood blood blood ")).otherwise(pl.lit(""))
    return shuffled(artefact, task).with_columns(pl.concat_str(hint, pl.col("text")).alias("text"))


@pytest.mark.slow
def test_lora_finds_chance_in_shuffled_labels_and_a_leak_in_leaking_ones(
    town: Prepared, llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One interval of 95 % misses chance in one of twenty shuffles; the mean of three is held to three errors."""
    data, prepared = town
    choice = Optimisation(learning_rate=5e-3, head_learning_rate=1e-2, duration=Duration.epochs(3))
    stage = Finetune(
        data=data, backbone=Backbone(name=str(llama.folder)), stack=Stack(layers=(Fresh(method=LoRA()),)),
        head=Head(pooling="mean"), max_seq_len=160, optimisation=choice, stopping=Stopping(patience=99),
    )  # fmt: skip

    def scored(name: str, labels: Labels) -> tuple[float, float]:
        monkeypatch.setattr("chartune.stages.table.read_task", labels)
        estimate, low, high = auroc(finetune(stage, Store(shutil.copytree(prepared, tmp_path / name))))
        return estimate.value, (high - low) / 3.92

    chance = [scored(f"shuffled {seed}", partial(shuffled, seed=seed)) for seed in (5, 6, 7)]
    mean = statistics.mean(value for value, _ in chance)
    error = math.sqrt(sum(error**2 for _, error in chance)) / len(chance)
    assert abs(mean - 0.5) < 3 * error
    leak, _ = scored("leaking", leaking)
    assert leak - 0.5 > 3 * error
