"""The engine alone, in this process: what a mixed batch costs, what batch mates change, what a thousand loads leave."""

import random
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final

import numpy as np
import psutil
from numpy.typing import NDArray

from chartune.runs.run import Run
from chartune.serving.bank import Bank
from chartune.stages.loading import load
from chartune.store import Store
from serving.made import Texts, bank_of_many, between
from serving.shown import Row, at_most

ROWS: Final = 20
"""Of a batch."""
WARM: Final = 50
"""Cycles before memory is looked at: allocators and caches fill."""


def mixing(store: Store, runs: list[Run], rounds: int) -> list[Row]:
    """The same twenty notes asked as one, five and twenty tasks in turn; CPU seconds, in pairs of one round."""
    bank, texts = bank_of_many(store, runs, ROWS), between(1, ROWS)
    ways = {count: _spread(texts, count) for count in (1, 5, ROWS)}
    for asked in ways.values():
        bank.read(asked)
    cpu, wall = ({count: list[float]() for count in ways} for _ in range(2))
    for number in range(rounds):
        for count in list(ways)[:: 1 if number % 2 else -1]:
            one, other = timed(lambda asked=ways[count]: bank.read(asked))  # type: ignore[misc]
            cpu[count].append(one)
            wall[count].append(other)
    made = []
    for many, few, most in ((5, 1, 1.05), (ROWS, 5, 1.05)):
        ratio, by_wall = (_paired(times[many], times[few]) for times in (cpu, wall))
        least = min(cpu[many]) / min(cpu[few])
        about = f"{many} tasks / {few}, {ROWS} notes of 64-128 tokens"
        notes = f"minima {min(cpu[many]):.3f} / {min(cpu[few]):.3f} CPU s = {least:.3f}; by the clock {by_wall:.3f}"
        made.append(Row("a", about, f"{ratio:.3f}", *at_most(ratio, most, "{:.2f}"), notes))
    return made


def _spread(texts: Texts, tasks: int) -> dict[str, Texts]:
    return {f"t{task}": texts[task::tasks] for task in range(tasks)}


def _paired(many: list[float], few: list[float]) -> float:
    return median(one / other for one, other in zip(many, few, strict=True))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Do it once; seconds of the processor, and by the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def batch_mates(store: Store, runs: list[Run], shuffles: int) -> list[Row]:
    """By how much a probability depends on who else is read, and whether `bank.scorer` is `predict` bit for bit."""
    bank = bank_of_many(store, runs, len(runs))
    asked = {f"t{number}": between(10 + number, 6, 8, 128) for number in range(len(runs))}
    alone = {
        (name, text): probabilities(bank, {name: [text]})[name][0] for name, texts in asked.items() for text in texts
    }
    chance, gap = random.Random(3), 0.0
    for _ in range(shuffles):
        some = {name: chance.sample(texts, chance.randint(1, len(texts))) for name, texts in asked.items()}
        some = dict(chance.sample(sorted(some.items()), chance.randint(2, len(some))))
        for name, made in probabilities(bank, some).items():
            for text, own in zip(some[name], made, strict=True):
                gap = max(gap, float(np.abs(own - alone[name, text]).max()))
    texts = [text for own in asked.values() for text in own]
    same = all(np.array_equal(bank.scorer(f"t{number}").read(texts).decided, load(run, store).read(texts).decided)
               for number, run in enumerate(runs))  # fmt: skip
    return [
        Row("d", f"largest |p in a batch - p alone|, fp32, {shuffles} shuffles", f"{gap:.1e}",
            *at_most(gap, 1e-6, "{:.0e}"), f"{len(texts)} notes, {len(runs)} tasks"),
        Row("d", "bank.scorer = predict, the same texts at once", "equal" if same else "OTHER", "all bits", same, ""),
    ]  # fmt: skip


def probabilities(bank: Bank, asked: Mapping[str, Texts]) -> dict[str, NDArray[np.float64]]:
    """Of each task, of its texts: [n], or [n, labels]."""
    scorers = {task.name: task.scorer for task in bank.tasks}
    return {name: scorers[name].probability(made.decided) for name, made in bank.read(asked).items()}


def cycles(store: Store, runs: list[Run], count: int) -> list[Row]:
    """Resident memory before and after so many loads and evictions of a run beside another."""
    bank, process = bank_of_many(store, runs, 1), psutil.Process()

    def once(number: int) -> None:
        bank.load(runs[number % len(runs)], "other")
        bank.evict("other")

    for number in range(WARM):
        once(number)
    before = process.memory_info().rss
    began = time.process_time()
    for number in range(count):
        once(number)
    cpu = time.process_time() - began
    grown = (process.memory_info().rss - before) / 1e6
    return [Row("f", f"resident memory after {count} loads and evictions", f"{grown:+.1f} MB",
                *at_most(grown, 5, "{:.0f} MB"), f"{1000 * cpu / count:.0f} CPU ms each, with checks")]  # fmt: skip
