"""The gradient of an optimizer step, micro-batch by micro-batch: of one thread, or of two that take half of each.

    micro-batch ─┬─ every other example ─▶ thread 1: loss, gradient ─┐
                 └─ the others ──────────▶ thread 2: loss, gradient ─┴─ added, in this order, to the step's gradient

The weights are shared; together the halves hold as much memory as the whole, but for a head in fp32 that each rounds
for itself. Where a processor has two cores this is quicker than two threads inside each matrix product, of which much
else of a step has no use.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chartune.models.precision import Computed, computing
from chartune.train.objective import Objective
from chartune.train.plan import MicroBatch, micro_batches

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
HALVES: Final = 2
"""Parts of a micro-batch that are computed at once; more were not measured."""


@dataclass(frozen=True)
class Gradients:
    """Adds up the gradients of a step's micro-batches in the `grad` of what learns."""

    objective: Objective
    model: Any
    """As accelerate has prepared it."""
    accelerator: Any
    precision: Computed
    threads: ThreadPoolExecutor | None = None
    """That compute halves; None: a micro-batch is computed as a whole."""

    def of(
        self, step: NDArray[np.int64], number: int, budget: int, scale: float, penalty: Callable[[], Tensor | None]
    ) -> float:
        """Accumulate the gradient of Σ loss / Σ weight over a step; returns that mean loss, of all processes.

        Args:
            step: its examples, [n], those of all processes.
            number: steps already made.
            budget: padded tokens of a micro-batch.
            scale: what the loss is multiplied by before the backward pass.
            penalty: what is added to the loss, once in a step; its result None: nothing.
        """
        accelerator, objective = self.accelerator, self.objective
        rank, world, weight = accelerator.process_index, accelerator.num_processes, float(objective.weights[step].sum())
        loss = torch.zeros((), device=accelerator.device)
        turns = micro_batches(step, objective.lengths, budget, rank, world)
        for turn, micro in enumerate(turns, start=1):
            last = turn == len(turns)
            # DDP averages over ranks, hence × world; an empty turn of a rank counts nothing.
            factor = world / weight if micro.counts else 0.0
            with nullcontext() if last else accelerator.no_sync(self.model):
                loss += self._added(micro, number, (factor, scale), penalty() if last else None) / world
        return float(accelerator.reduce(loss, "sum"))

    def _added(self, micro: MicroBatch, number: int, factors: tuple[float, float], penalty: Tensor | None) -> Tensor:
        """Add the gradient of a micro-batch and a penalty to that of the step; returns the micro-batch's loss."""
        factor, scale = factors
        if self.threads is None or len(micro.indices) < HALVES:
            share = self._loss(self._batch(micro.indices, number), factor)
            self.accelerator.backward((share if penalty is None else share + penalty) * scale)
            return share.detach()
        learning = [weight for weight in self.model.parameters() if weight.requires_grad]
        batches = [self._batch(micro.indices[at::HALVES], number) for at in range(HALVES)]

        def half(batch: dict[str, Tensor]) -> tuple[Tensor, tuple[Tensor | None, ...]]:
            share = self._loss(batch, factor)
            return share.detach(), torch.autograd.grad(share * scale, learning, allow_unused=True)

        shares, gradients = zip(*all_of(self.threads, half, batches), strict=True)
        for weight, *parts in zip(learning, *gradients, strict=True):
            _add(weight, parts)
        if penalty is not None:
            self.accelerator.backward(penalty * scale)
        return torch.stack(shares).sum()

    def _batch(self, indices: NDArray[np.int64], number: int) -> dict[str, Tensor]:
        given = self.objective.batch(indices, number)
        return {name: tensor.to(self.accelerator.device) for name, tensor in given.items()}

    def _loss(self, batch: dict[str, Tensor], factor: float) -> Tensor:
        # Rounded weights that autocast keeps are the process's, not the thread's: one half would drop the other's.
        with computing(self.accelerator.device.type, self.precision, keeps=self.threads is None):
            loss: Tensor = self.model(**batch) * factor
        return loss


@contextmanager
def halving(model: nn.Module, accelerator: Any, *, wanted: bool) -> Iterator[ThreadPoolExecutor | None]:
    """Meanwhile two threads share PyTorch's; None where it is not wanted or cannot be.

    It cannot be on a GPU, in several processes, with one thread, or where dropout is drawn, which would depend on which
    half comes first.

    Args:
        model: that learns.
        accelerator: of accelerate.
        wanted: by the numerics.
    """
    alone = accelerator.device.type == "cpu" and accelerator.num_processes == 1
    if not (wanted and alone and torch.get_num_threads() >= HALVES) or draws(model):
        yield None
        return
    with two_threads() as threads:
        yield threads


@contextmanager
def two_threads() -> Iterator[ThreadPoolExecutor]:
    """Meanwhile two threads, each with half of those that PyTorch has for a matrix product."""
    count = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(HALVES, "half", torch.set_num_threads, (max(1, count // HALVES),)) as threads:
            yield threads
    finally:
        torch.set_num_threads(count)  # for threads to come


def draws(model: nn.Module) -> bool:
    """Whether a model in training draws dropout by a module of its own, or between the layers of a recurrent one."""
    dropped = any(isinstance(part, nn.Dropout) and part.p > 0 for part in model.modules())
    recurrent = (part for part in model.modules() if isinstance(part, nn.RNNBase))
    return dropped or any(part.dropout > 0 and part.num_layers > 1 for part in recurrent)


def all_of(threads: ThreadPoolExecutor, each: Callable[[_Given], _Made], batches: Sequence[_Given]) -> list[_Made]:
    """The results in order, when all have ended; the first error, where there is one."""
    futures = [threads.submit(each, batch) for batch in batches]
    wait(futures)
    return [future.result() for future in futures]


def _add(weight: Tensor, parts: Sequence[Tensor | None]) -> None:
    """Add the parts of its gradient in order; a weight that no part depends on has none."""
    for part in parts:
        if part is not None:
            weight.grad = part if weight.grad is None else weight.grad + part
