"""Two threads beside one other busy process: do they still bring what one thread brings?

    another process ─beside─┬─ one thread
                            ├─ two threads of OpenMP that wait asleep (what chartune sets)
                            ├─ two threads of OpenMP that wait by turning round (OpenMP's default)
                            └─ two Python threads of one OpenMP thread each, on shared weights, gradients summed

Each way lives in a process of its own, because OpenMP reads its settings when torch is loaded; they take turns.
Real tokens of MiniLM per second by the clock, in training with a LoRA; medians.

    python benchmarks/threads.py [rounds]           some two minutes on two cores
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

WAYS: Final = {
    "one thread": (1, 1, {}),
    "two threads, asleep": (2, 1, {}),
    "two threads, turning round": (2, 1, {"OMP_WAIT_POLICY": "ACTIVE"}),
    "two Python threads": (1, 2, {}),
}
"""Threads of OpenMP, Python threads, and the environment."""


def main() -> None:
    """Measure and print; with the name of a way: be that way, and answer each line with seconds."""
    if sys.argv[1:2] and sys.argv[1] in WAYS:
        serve(*WAYS[sys.argv[1]][:2])
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    processes = {name: started(name) for name in WAYS}
    for title, beside in (("alone", 0), ("beside one other", 1)):
        with busy(beside):
            seconds: dict[str, list[float]] = {name: [] for name in WAYS}
            for _ in range(rounds):
                for name, process in processes.items():
                    seconds[name].append(asked(process))
        one = median(seconds["one thread"])
        for name, measured in seconds.items():
            print(f"{title:<18}{name:<28}{one / median(measured):>6.2f} of one thread's rate", flush=True)


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


def started(name: str) -> "subprocess.Popen[str]":
    """The process of a way, once it is ready."""
    threads, _, further = WAYS[name]
    there = {**os.environ, "OMP_NUM_THREADS": str(threads), **further}
    process = subprocess.Popen(
        [sys.executable, __file__, name], env=there, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    asked(process)
    return process


def asked(process: "subprocess.Popen[str]") -> float:
    """Seconds of one more pass."""
    if process.stdin is None or process.stdout is None:
        raise AssertionError("a way is asked through pipes")
    print("", file=process.stdin, flush=True)
    return float(json.loads(process.stdout.readline()))


def serve(threads: int, workers: int) -> None:
    """One pass over all notes for each line, with gradients."""
    import torch

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as place:
        act = passes(Path(place), workers)
    for _ in sys.stdin:
        started_at = time.perf_counter()
        act()
        print(json.dumps(time.perf_counter() - started_at), flush=True)


def passes(place: Path, workers: int) -> Callable[[], None]:
    """A pass over all notes, micro-batch by micro-batch in so many Python threads; gradients are summed in order."""
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
        [notes.batch(micro.indices) for micro in micro_batches(step, notes.encoded.lengths, budget)]
        for step in epoch_steps(notes.encoded.lengths, BATCH, 0, 0)
    ]

    def gradients(batch: dict[str, torch.Tensor]) -> Sequence[torch.Tensor]:
        with computing(resolved.device, resolved.precision):
            return torch.autograd.grad(model(**batch), weights)

    def act() -> None:
        for batches in turns:
            for weight, *shares in zip(weights, *pool.map(gradients, batches), strict=True):
                weight.grad = torch.stack(shares).sum(0)

    return act


if __name__ == "__main__":
    main()
