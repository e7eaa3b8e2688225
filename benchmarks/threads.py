"""Two threads beside one other busy process: do they still bring what one thread brings?

    another process ─beside─┬─ one thread
                            ├─ two threads of OpenMP that wait asleep (as chartune sets it)
                            ├─ two threads of OpenMP that wait by turning round (OpenMP's default)
                            └─ two Python threads of one OpenMP thread each, half a micro-batch each (chartune's way)

Each way lives in a process of its own, because OpenMP reads its settings when torch is loaded; they take turns.
Real tokens of MiniLM per second by the clock, in training with a LoRA; medians.

    python benchmarks/threads.py [rounds]           some two minutes on two cores
"""

import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from chartune import WAITING
from turns import Turn, serve, taking_turns

TURNING: Final = {"GOMP_SPINCOUNT": "300000"}
"""What libgomp does where nothing is set and threads are not more than cores."""
WAYS: Final = {
    "one thread": (1, 1, WAITING),
    "two threads, asleep": (2, 1, WAITING),
    "two threads, turning round": (2, 1, TURNING),
    "two Python threads": (1, 2, WAITING),
}
"""Threads of OpenMP, Python threads, and the environment: whole, since torch may be loaded before chartune."""


def main() -> None:
    """Measure and print; with the name of a way: be that way."""
    if sys.argv[1:] and sys.argv[1] in WAYS:
        be(*WAYS[sys.argv[1]][:2])
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    ways = [
        Turn(name, __file__, environment={"OMP_NUM_THREADS": str(threads), **waiting})
        for name, (threads, _, waiting) in WAYS.items()
    ]
    with taking_turns(ways):
        for way in ways:
            way.ask("train")
        for title, beside in (("alone", 0), ("beside one other", 1)):
            with busy(beside):
                for _ in range(rounds):
                    for way in ways:
                        way.measure("train")
            show(title, ways)


def show(title: str, ways: Sequence[Turn]) -> None:
    """Print what each way brings beside one thread, by the clock, and forget it."""
    seconds = [median(wall for _, wall in way.measured.pop("train")) for way in ways]
    for way, taken in zip(ways, seconds, strict=True):
        print(f"{title:<18}{way.name:<28}{seconds[0] / taken:>6.2f} of one thread's rate", flush=True)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Meanwhile so many other processes compute without a pause."""
    others = [multiprocessing.get_context("spawn").Process(target=_turn, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()


def _turn() -> None:
    while True:
        sum(range(1_000_000))


def be(threads: int, workers: int) -> None:
    """A way, until nobody asks any more: passes over all notes, with gradients."""
    import torch

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as place:
        act = passes(Path(place), workers)
    serve({"train": act})


def passes(place: Path, workers: int) -> Callable[[], Any]:
    """A pass over all notes, each micro-batch shared by so many Python threads, whose gradients are summed in order."""
    import torch

    from chartune.batches.budgets import budget_of
    from chartune.models.precision import computing
    from chartune.train.plan import epoch_steps, micro_batches
    from training_step import BATCH, lora_on, minilm_or_twin, token_lists

    notes, (model, resolved) = token_lists(), lora_on(minilm_or_twin(place))
    budget = budget_of("auto", resolved.device, resolved.precision, decoder=False)
    pool = ThreadPoolExecutor(workers)
    weights = [weight for weight in model.train().parameters() if weight.requires_grad]
    turns = [
        [
            [notes.batch(micro.indices[at::workers]) for at in range(workers)]
            for micro in micro_batches(step, notes.encoded.lengths, budget)
        ]
        for step in epoch_steps(notes.encoded.lengths, BATCH, 0, 0)
    ]

    def gradients(batch: dict[str, torch.Tensor]) -> Sequence[torch.Tensor]:
        with computing(resolved.device, resolved.precision):
            return torch.autograd.grad(model(**batch), weights)

    def act() -> None:
        for step in turns:
            for batches in step:
                for weight, *shares in zip(weights, *pool.map(gradients, batches), strict=True):
                    weight.grad = torch.stack(shares).sum(0)

    return act


if __name__ == "__main__":
    main()
