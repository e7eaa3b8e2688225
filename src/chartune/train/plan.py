"""The index plan: which example is seen when, as a pure function of (seed, epoch, rank). Nothing to save.

Examples are shuffled, sorted by length within windows of some batches, cut into optimizer steps, and the steps shuffled
again: little padding, little order. A step is divided among ranks and then into micro-batches under a token budget;
every rank gets the same number of them (an empty turn repeats a row with weight zero), as DDP needs.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.batches.collate import length_groups
from chartune.train.optimizer import Optimisation, Stopping

WINDOW: Final = 16
"""Optimizer steps whose examples are sorted by length together."""


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once."""

    indices: NDArray[np.int64]
    """Rows of the training set."""
    counts: bool
    """False: an empty turn, so that all ranks call backward equally often; its loss is multiplied by zero."""


@dataclass(frozen=True)
class Schedule:
    """How many optimizer steps a training has at most, and when the validation split is scored."""

    steps_per_epoch: int
    """The last of an epoch may have fewer examples."""
    steps: int
    """Of the whole training, if it is not stopped early."""
    interval: int
    """Steps from one evaluation to the next; the last step is followed by one in any case."""

    @property
    def epochs(self) -> float:
        """Passes over the training examples."""
        return self.steps / self.steps_per_epoch

    @property
    def evaluations(self) -> int:
        """On the validation split, the last included."""
        return -(-self.steps // self.interval)


def schedule_of(choice: Optimisation, stopping: Stopping, examples: int) -> Schedule:
    """The schedule of a training over so many examples."""
    per_epoch = max(1, -(-examples // choice.batch_size))
    steps = choice.duration.total_steps(per_epoch)
    return Schedule(per_epoch, steps, max(1, round(min(per_epoch, steps) / stopping.evaluations_per_epoch)))


def epoch_steps(lengths: NDArray[np.int64], batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """The examples of each optimizer step of an epoch, all ranks together.

    Args:
        lengths: tokens per example, [n].
        batch_size: examples per optimizer step.
        seed: of the run.
        epoch: counted from 0; every epoch has an order of its own.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    windows = [order[i : i + WINDOW * batch_size] for i in range(0, len(order), WINDOW * batch_size)]
    order = np.concatenate([window[np.argsort(lengths[window], kind="stable")] for window in windows])
    steps = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [steps[i] for i in random.permutation(len(steps))]


def micro_batches(
    step: NDArray[np.int64], lengths: NDArray[np.int64], budget: int, rank: int = 0, world: int = 1
) -> list[MicroBatch]:
    """One rank's share of a step.

    Args:
        step: the examples of the step.
        lengths: tokens per example of the whole training set, [n].
        budget: padded tokens of one micro-batch.
        rank: this process.
        world: how many there are.
    """
    shares = [step[np.argsort(lengths[step], kind="stable")][r::world] for r in range(world)]
    groups = [[share[group] for group in length_groups(lengths[share], budget)] for share in shares]
    turns = max(len(group) for group in groups)
    own = [MicroBatch(indices, True) for indices in groups[rank]]
    return own + [MicroBatch(step[:1], False)] * (turns - len(own))
