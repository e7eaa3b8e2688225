"""Precision: a bank computes in fp32, whatever its runs were trained in."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chartune.models.precision import multiplies_bf16
from chartune.runs.run import Run
from chartune.serving.bank import Bank
from chartune.stages.finetune import Finetune
from chartune.stages.loading import Loaded, fine_tuned, inputs_of_run, load
from chartune.testing.served_runs import Served, notes, served_runs

BESIDE = 5e-6
"""By how much a probability of layers beside a matrix may differ from that of layers inside it."""
pytestmark = pytest.mark.skipif(not multiplies_bf16("cpu"), reason="this processor does not multiply bf16")


@pytest.fixture(scope="module")
def half(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was trained in bf16."""
    folder = tmp_path_factory.mktemp("half")
    return served_runs(served.store, served.base, folder, "no clinical", precision="bf16")["no clinical"]


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


def _in_fp32(served: Served, run: Run) -> Loaded:
    stage = Finetune.parse(run.stage, str(Path(run.path) / "stage.yaml"))
    inputs = inputs_of_run(run, stage, served.store)
    return fine_tuned(run, stage, replace(inputs, resolved=replace(inputs.resolved, precision="fp32")))[0]
