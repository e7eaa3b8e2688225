"""bf16 by switch: its rate beside fp32, how far its probabilities lie from those, and what batch mates change."""

import random
from statistics import median
from typing import Final

import numpy as np

from chartune.runs.run import Run
from chartune.serving.bank import Bank
from chartune.store import Store
from serving.engine import probabilities, timed
from serving.made import between
from serving.shown import Row

NOTES: Final = 4
"""Of each task."""


def in_bf16(store: Store, runs: list[Run], rounds: int) -> list[Row]:
    """The same notes of all tasks in both precisions in turn; nothing is asked of it but that the figures are given."""
    banks = {each: _filled(Bank(store, precision=each), runs) for each in ("fp32", "bf16")}
    asked = {f"t{number}": between(20 + number, NOTES) for number in range(len(runs))}
    cpu = {each: list[float]() for each in banks}
    for number in range(rounds + 1):
        for each in list(banks)[:: 1 if number % 2 else -1]:
            cpu[each].append(timed(lambda bank=banks[each]: bank.read(asked))[0])  # type: ignore[misc]
    ratio = median(one / other for one, other in zip(cpu["fp32"][1:], cpu["bf16"][1:], strict=True))
    exact, half = (probabilities(banks[each], asked) for each in ("fp32", "bf16"))
    apart = max(float(np.abs(exact[name] - half[name]).max()) for name in asked)
    chance, mates = random.Random(4), 0.0
    for _ in range(rounds):
        order = {name: chance.sample(range(NOTES), chance.randint(1, NOTES)) for name in asked}
        made = probabilities(banks["bf16"], {name: [asked[name][n] for n in rows] for name, rows in order.items()})
        mates = max(mates, *(float(np.abs(made[name] - half[name][rows]).max()) for name, rows in order.items()))
    about = f"{len(runs)} tasks, {NOTES * len(runs)} notes of 64-128 tokens"
    seconds = ", ".join(f"{each} {median(times[1:]):.3f}" for each, times in cpu.items())
    return [
        Row("g", f"fp32 / bf16, CPU seconds, {about}", f"{ratio:.2f} ×", "", True, seconds),
        Row("g", "largest |p in bf16 - p in fp32|", f"{apart:.1e}", "", True, ""),
        Row("g", f"largest |p in a batch - p in another|, bf16, {rounds} shuffles", f"{mates:.1e}", "", True, ""),
    ]  # fmt: skip


def _filled(bank: Bank, runs: list[Run]) -> Bank:
    for number, run in enumerate(runs):
        bank.load(run, f"t{number}")
    return bank
