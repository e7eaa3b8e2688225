"""Two threads take half of each micro-batch: the same training, and as exact to resume."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from chartune.log import EventLog
from chartune.quantities import Duration
from chartune.train.gradients import Gradients, draws, halving
from chartune.train.loop import fit
from chartune.train.objective import Evaluation, Objective
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.training import Training

ROWS = 24
LENGTHS = np.ones(ROWS, dtype=np.int64)
INPUTS = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(0))


class Line(nn.Module):
    """A line, which notes the threads that computed it and their rows."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.line, self.dropout, self.unused = nn.Linear(6, 1), nn.Dropout(dropout), nn.Parameter(torch.ones(1))
        self.seen: list[tuple[str, int]] = []
        self.short_of_memory = 0

    def forward(self, rows: Tensor) -> Tensor:
        self.seen.append((threading.current_thread().name, len(rows)))
        if self.short_of_memory and len(rows) >= self.short_of_memory:
            raise MemoryError
        made: Tensor = self.dropout(self.line(INPUTS[rows]))
        return made.square().sum()


class PowerError(Exception):
    """The process is gone."""


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    count = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(count)


def trained(folder: Path, model: Line, *, by_two: bool = True, fail_at: int = 10**9) -> list[Tensor]:
    """The weights at the end. fail_at: the evaluation at which the process is gone."""
    evaluations = iter(range(10**9))

    def evaluate() -> Evaluation:
        if next(evaluations) >= fail_at:
            raise PowerError
        return Evaluation(0.0, {})

    folder.mkdir(exist_ok=True)
    fit(Training(
        Objective(model, lambda which, _: {"rows": torch.from_numpy(which)}, LENGTHS, LENGTHS),
        Optimisation(learning_rate=0.05, head_learning_rate=0.05, batch_size=8, duration=Duration.epochs(2)),
        Stopping(evaluations_per_epoch=3, patience=99), 11, "fp32", folder / "checkpoints",
        EventLog(folder / "events.jsonl"), evaluate, checkpoint_seconds=0.0, budget=5, data_parallel=by_two,
    ))  # fmt: skip
    return [each.detach().clone() for each in model.line.parameters()]


def test_halves_by_two_threads_train_as_one_thread_does(tmp_path: Path) -> None:
    whole, halves = Line(), Line()
    alone = trained(tmp_path / "whole", whole, by_two=False)
    by_two = trained(tmp_path / "halves", halves)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(alone, by_two, strict=True))
    assert {name for name, _ in whole.seen} == {"MainThread"}
    assert {name for name, _ in halves.seen} == {"half_0", "half_1"}
    assert sum(rows for _, rows in whole.seen) == sum(rows for _, rows in halves.seen) == 2 * ROWS
    assert max(rows for _, rows in halves.seen) == (max(rows for _, rows in whole.seen) + 1) // 2


def test_a_run_by_two_threads_that_broke_ends_with_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    undisturbed = trained(tmp_path / "whole", Line())
    with pytest.raises(PowerError):
        trained(tmp_path / "broken", Line(), fail_at=3)
    resumed = trained(tmp_path / "broken", Line())
    assert all(torch.equal(a, b) for a, b in zip(undisturbed, resumed, strict=True))


def test_where_a_half_does_not_fit_into_memory_micro_batches_are_halved(tmp_path: Path) -> None:
    short = Line()
    short.short_of_memory = 2
    weights = trained(tmp_path / "short", short)
    assert all(
        torch.allclose(a, b, atol=1e-6) for a, b in zip(weights, trained(tmp_path / "enough", Line()), strict=True)
    )
    assert {rows for _, rows in short.seen[4:]} == {1}


def test_what_a_recurrent_layer_drops_between_its_layers_is_dropout_too() -> None:
    assert draws(nn.LSTM(4, 4, num_layers=2, dropout=0.1))
    assert not draws(nn.LSTM(4, 4, num_layers=2))


def test_a_penalty_is_added_once_to_the_gradient_of_the_halves() -> None:
    with halving(Line(), Accelerator(cpu=True), wanted=True) as threads:
        gradients = []
        for pool in (None, threads):
            model = Line()
            rows = Objective(model, lambda which, _: {"rows": torch.from_numpy(which)}, LENGTHS, LENGTHS)
            Gradients(rows, model, Accelerator(cpu=True), "fp32", pool).of(
                np.arange(8),
                0,
                5,
                1.0,
                lambda model=model: model.line.weight.square().sum(),  # type: ignore[misc]
            )
            gradients.append(model.line.weight.grad)
    alone, by_two = gradients
    assert alone is not None
    assert by_two is not None
    assert torch.allclose(alone, by_two, atol=1e-5)


@pytest.mark.parametrize("why", ["not wanted", "one thread", "dropout"])
def test_otherwise_a_micro_batch_is_computed_as_a_whole(why: str) -> None:
    if why == "one thread":
        torch.set_num_threads(1)
    model = Line(dropout=0.1 if why == "dropout" else 0.0)
    with halving(model, Accelerator(cpu=True), wanted=why != "not wanted") as threads:
        assert threads is None


def test_afterwards_pytorch_has_its_threads_again() -> None:
    with halving(Line(), Accelerator(cpu=True), wanted=True) as threads:
        assert threads is not None
        assert threads.submit(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
