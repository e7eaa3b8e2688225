"""Precision: a bank computes in fp32, whatever its runs were trained in; by switch in bf16, proved in fp32 first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chartune.errors import ConfigError
from chartune.models.precision import multiplies_bf16
from chartune.models.prepacked import is_faster
from chartune.notes.text_pair import TextPair
from chartune.runs.run import Run
from chartune.serving import admitting
from chartune.serving.about import about
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.mixing import MixedBody
from chartune.stages.finetune import Finetune
from chartune.stages.loading import Loaded, fine_tuned, inputs_of_run, load
from chartune.testing.served_runs import Served, notes, served_runs

BESIDE = 5e-6
"""By how much a probability of layers beside a matrix may differ from that of layers inside it."""
ROUNDED = 0.02
"""By how much a probability may differ in bf16, of twins whose layers are as large as their matrices."""
NAMES = ("lora", "rslora", "own clinical", "head only", "dora", "pairs")
needs_bf16 = pytest.mark.skipif(not multiplies_bf16("cpu"), reason="this processor does not multiply bf16")


@pytest.fixture(scope="module")
def half(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was trained in bf16."""
    folder = tmp_path_factory.mktemp("half")
    return served_runs(served.store, served.base, folder, "no clinical", precision="bf16")["no clinical"]


@needs_bf16
def test_a_run_trained_in_bf16_is_read_in_fp32_as_predict_would_read_it_there(served: Served, half: Run) -> None:
    bank, texts = Bank(served.store), notes(9, seed=4)
    task = bank.load(half)
    in_fp32 = _in_fp32(served, half).decided(texts)
    assert (half.environment["precision"], task.scorer.resolved.precision) == ("bf16", "fp32")
    assert task.mixed
    assert np.array_equal(bank.scorer(half.name).decided(texts), in_fp32)
    mixed = bank.read({half.name: texts})[half.name].decided
    assert np.abs(task.scorer.probability(mixed) - task.scorer.probability(in_fp32)).max() <= BESIDE
    assert not np.array_equal(load(half, served.store).decided(texts), in_fp32)  # `predict` reads it in bf16


@pytest.fixture
def banks(served: Served, monkeypatch: pytest.MonkeyPatch) -> dict[str, Bank]:
    """One for each precision, of the same runs; a processor without bf16 emulates it."""
    monkeypatch.setattr("chartune.serving.admitting.multiplies_bf16", lambda _: True)
    return {each: bank_of(named_runs(NAMES, served.store), served.store, each) for each in ("fp32", "bf16")}


def test_in_bf16_every_task_is_read_as_in_fp32_but_for_rounding(banks: dict[str, Bank]) -> None:
    """Tasks in mixed batches and apart; who else is in the batch moves no more."""
    texts = notes(12, seed=4)
    asked = {name: [TextPair(*both) for both in zip(texts, texts[::-1], strict=True)] if name == "pairs" else texts
             for name in NAMES}  # fmt: skip
    exact, rounded = (bank.read(asked) for bank in (banks["fp32"], banks["bf16"]))
    for task in banks["bf16"].tasks:
        of = task.scorer.probability
        gap = np.abs(of(exact[task.name].decided) - of(rounded[task.name].decided)).max()
        assert 0 < gap < ROUNDED, task.name
        assert about(task)["precision"] == "bf16"
        assert (task.mixed is None) == (task.name == "dora")
        alone = banks["bf16"].read({task.name: asked[task.name]})[task.name].decided
        assert np.abs(of(alone) - of(rounded[task.name].decided)).max() < ROUNDED
    sizes = {each: bank.nbytes for each, bank in banks.items()}
    assert sizes["bf16"] > sizes["fp32"] - 1 or is_faster()  # beside the matrices in fp32 those in two bytes


def test_in_bf16_a_run_is_proved_in_fp32(banks: dict[str, Bank], monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[str]()

    def noted(body: MixedBody, *_: object) -> str:
        tried.append(body.precision)
        return ""

    monkeypatch.setattr(admitting, "must_mix", noted)
    banks["bf16"].load(next(task.scorer.run for task in banks["bf16"].tasks if task.name == "lora"), "again")
    assert tried == ["fp32"]


def test_bf16_is_refused_where_it_would_be_slower(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chartune.serving.admitting.multiplies_bf16", lambda _: False)
    with pytest.raises(ConfigError, match="leave --precision out"):
        Bank(served.store, precision="bf16")


def _in_fp32(served: Served, run: Run) -> Loaded:
    stage = Finetune.parse(run.stage, str(Path(run.path) / "stage.yaml"))
    inputs = inputs_of_run(run, stage, served.store)
    return fine_tuned(run, stage, replace(inputs, resolved=replace(inputs.resolved, precision="fp32")))[0]
