"""The index plan: every example once per epoch, the same again for the same seed, equal turns for all ranks."""

import numpy as np
import pytest

from chartune.quantities import Duration
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.plan import Schedule, epoch_steps, micro_batches, schedule_of

LENGTHS = np.random.default_rng(1).integers(3, 200, 103)


def test_an_epoch_holds_every_example_once() -> None:
    steps = epoch_steps(LENGTHS, 8, seed=5, epoch=2)
    assert len(steps) == schedule_of(Optimisation(batch_size=8), Stopping(), 103).steps_per_epoch == 13
    assert sorted(np.concatenate(steps).tolist()) == list(range(103))


@pytest.mark.parametrize(
    ("duration", "looks", "expected", "evaluations"),
    [
        (Duration.epochs(3), 2, Schedule(13, 39, 6), 7),  # after 6, 12, … 36, and after the last
        (Duration.steps(5), 2, Schedule(13, 5, 2), 3),
        (Duration.epochs(1), 99, Schedule(13, 13, 1), 13),
    ],
)
def test_a_schedule_counts_steps_and_evaluations(
    duration: Duration, looks: int, expected: Schedule, evaluations: int
) -> None:
    made = schedule_of(Optimisation(batch_size=8, duration=duration), Stopping(evaluations_per_epoch=looks), 103)
    assert made == expected
    assert made.evaluations == evaluations


def test_order_is_a_pure_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return [int(i) for i in np.concatenate(epoch_steps(LENGTHS, 8, seed, epoch))]

    assert order(5, 2) == order(5, 2)
    assert order(5, 2) != order(5, 3)
    assert order(5, 2) != order(6, 2)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_a_step_without_loss_and_take_equally_many_turns(world: int) -> None:
    step = epoch_steps(LENGTHS, 16, seed=0, epoch=0)[0]
    turns = [micro_batches(step, LENGTHS, 400, rank, world) for rank in range(world)]
    assert len({len(turn) for turn in turns}) == 1
    seen = np.concatenate([micro.indices for turn in turns for micro in turn if micro.counts])
    assert sorted(seen.tolist()) == sorted(step.tolist())


def test_length_windows_waste_little_padding() -> None:
    lengths = np.random.default_rng(0).lognormal(5, 0.7, 2000).astype(np.int64) + 1
    micros = [m for step in epoch_steps(lengths, 16, 0, 0) for m in micro_batches(step, lengths, 4096)]
    padded = sum(int(lengths[m.indices].max()) * len(m.indices) for m in micros)
    assert padded / lengths.sum() < 1.3
