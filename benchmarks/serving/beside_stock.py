"""`chartune serve` beside the stock service, the same requests to each in turn."""

import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from chartune.models.backbone import Backbone, find_backbone
from chartune.runs.run import Run
from chartune.store import Store
from serving import stock
from serving.load import Service, chartune, closed, started
from serving.made import MAX_SEQ_LEN, log_normal
from serving.shown import Row, at_least

CLIENTS: Final = 8
LOADS: Final = {"a note": 1, "16 notes": 16}
"""Of a request; each asks one task."""
TARGET: Final = 2.5


def beside_stock(store: Store, place: Path, base: str, runs: list[Run], notes: int, rounds: int) -> list[Row]:
    """Notes a second with log-normal lengths, five tasks, eight clients; ratios of rounds in which both take turns."""
    found, names = find_backbone(Backbone(name=base), store), [run.name for run in runs]
    if found is None:
        return []
    adapters = place / f"adapters-{base}"
    stock.make_adapters(found.folder, adapters, names)
    words = [sys.executable, stock.__file__, str(found.folder), str(adapters), str(MAX_SEQ_LEN)]
    with chartune(store, names) as own, started(words) as other:
        return [_row(base, how, _bodies(names, notes, size), own, other, notes, rounds) for how, size in LOADS.items()]


def _row(
    base: str, how: str, bodies: list[bytes], own: Service, other: Service, notes: int, rounds: int
) -> Row:  # fmt: skip
    services = {"chartune": own, "stock": other}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in services}
    for name in services:
        _once(services[name], bodies[: max(1, len(bodies) // 4)])
    for number in range(rounds):
        for name in list(services)[:: 1 if number % 2 else -1]:
            took[name].append(_once(services[name], bodies))
    by_cpu, by_wall = (median(theirs[clock] / ours[clock] for ours, theirs in zip(*took.values(), strict=True))
                 for clock in (0, 1))  # fmt: skip
    rates = {name: [notes / median(each[clock] for each in times) for clock in (1, 0)] for name, times in took.items()}
    further = ", ".join(f"{name} {wall:.1f} notes/s ({cpu:.1f} a CPU s)" for name, (wall, cpu) in rates.items())
    return Row("e", f"{base}: × the stock service, {how} a request, log-normal", f"{by_wall:.2f} ×",
               *at_least(by_wall, TARGET, "{:.1f} ×"), f"{by_cpu:.2f} × by CPU; {further}")  # fmt: skip


def _once(service: Service, bodies: list[bytes]) -> tuple[float, float]:
    cpu, wall = service.cpu(), time.perf_counter()
    made = asyncio.run(closed(service.address, "/v1/score", bodies, CLIENTS))
    if wrong := [each.status for each in made if each.status != 200]:
        raise AssertionError(f"every request must be answered, but the service said {wrong[0]}")
    return service.cpu() - cpu, time.perf_counter() - wall


def _bodies(names: list[str], notes: int, size: int) -> list[bytes]:
    texts, chance = log_normal(7, notes), np.random.default_rng(8)
    return [
        json.dumps({"notes": [{"text": text} for text in texts[start : start + size]],
                    "tasks": [names[int(chance.integers(len(names)))]]}).encode()
        for start in range(0, notes, size)
    ]  # fmt: skip
