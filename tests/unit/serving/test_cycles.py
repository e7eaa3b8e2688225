"""A thousand loads and evictions: nothing of a run stays in memory."""

import gc

import psutil
import pytest

from chartune.serving.bank import Bank
from chartune.serving.candidate import shared_adapter
from chartune.testing.served_runs import Served, notes

WARM = 100
"""Cycles before memory is looked at: allocators and caches fill."""
MOST = 5_000_000
"""Bytes."""


def grown(served: Served, cycles: int) -> int:
    """Bytes that are resident after so many cycles, less those before."""
    runs, texts, process = served.runs, notes(2, seed=2), psutil.Process()
    bank = Bank(served.store, shared=shared_adapter(list(runs.values())))
    bank.load(runs["rslora"])
    names = [name for name in runs if name != "rslora"]  # every way of adapting has its turn
    before = 0
    for number in range(WARM + cycles):
        if number == WARM:
            gc.collect()
            before = process.memory_info().rss
        bank.load(runs[names[number % len(names)]], "other")
        if names[number % len(names)] != "pairs":
            bank.read({"rslora": texts, "other": texts})
        bank.evict("other")
    gc.collect()
    return process.memory_info().rss - before


@pytest.mark.slow
def test_a_thousand_loads_and_evictions_leave_less_than_five_megabytes(served: Served) -> None:
    assert grown(served, 1000) < MOST
