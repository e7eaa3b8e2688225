"""The service: what HTTP adds to the engine, and what happens where three times as much comes as can be read."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Final

import numpy as np
import uvicorn

from chartune.runs.run import Run
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.store import Store
from serving.engine import timed
from serving.load import chartune, closed, opened
from serving.made import bank_of_many, between
from serving.shown import Row, at_most

OVERLOAD: Final = 3
DEADLINE: Final = 3.0
"""Seconds, under overload."""


def overhead(store: Store, runs: list[Run], rounds: int) -> list[Row]:
    """One note of 64 tokens by HTTP and by `bank.read` in turn, in one process: the median of the differences."""
    bank, texts = bank_of_many(store, runs, 1), between(2, 1, 64, 64)
    body = json.dumps({"notes": [{"text": texts[0]}], "tasks": ["t0"]}).encode()
    with _listening(bank) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def by_http() -> None:
            connection.request("POST", "/v1/score", body, {"Content-Type": "application/json"})
            if (answer := connection.getresponse()).status != 200:
                raise AssertionError(answer.status)
            answer.read()

        ways = (by_http, lambda: bank.read({"t0": texts}))
        for way in ways * 5:
            way()
        pairs = [(timed(ways[0]), timed(ways[1])) for _ in range(rounds)]
    wall, cpu = (1000 * median(one[clock] - other[clock] for one, other in pairs) for clock in (1, 0))
    alone = 1000 * median(other[1] for _, other in pairs)
    return [Row("b", f"HTTP over bank.read, median of {rounds} pairs", f"{wall:.1f} ms", *at_most(wall, 5, "{:.0f} ms"),
                f"{cpu:.1f} CPU ms, client included; bank.read {alone:.1f} ms")]  # fmt: skip


@contextmanager
def _listening(bank: Bank) -> Iterator[int]:
    limits = Limits()
    app = service(bank, limits, Queue(bank, limits.queue))
    server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def overload(store: Store, runs: list[Run], seconds: float) -> list[Row]:
    """Capacity with eight clients, then three times that, for so long: latency of what is accepted, memory."""
    names = [run.name for run in runs]
    bodies = [_asked(text, names[number % len(names)]) for number, text in enumerate(between(4, 4000))]
    with chartune(store, names, "--deadline", str(DEADLINE)) as service:
        asyncio.run(closed(service.address, "/v1/score", bodies[:40], 8))
        began = time.perf_counter()
        asyncio.run(closed(service.address, "/v1/score", bodies[:120], 8))
        capacity = 120 / (time.perf_counter() - began)
        count = min(len(bodies), int(OVERLOAD * capacity * seconds))
        before, spent = service.resident(), service.cpu()
        made = asyncio.run(opened(service.address, "/v1/score", bodies[: count // 2], OVERLOAD * capacity))
        middle = service.resident()
        made += asyncio.run(opened(service.address, "/v1/score", bodies[count // 2 : count], OVERLOAD * capacity))
        after, spent = service.resident(), service.cpu() - spent
    accepted = [each.seconds for each in made if each.status == 200]
    others = {status: sum(each.status == status for each in made) for status in sorted({each.status for each in made})}
    late = float(np.quantile(accepted, 0.99)) if accepted else float("inf")
    said = f"{count} requests of a note at {OVERLOAD} × {capacity:.0f} a second: {others}; {spent:.0f} CPU s"
    refused = [each for each in made if each.status != 200]
    return [
        Row("c", "p99 of what is accepted at three times the capacity", f"{late:.2f} s",
            *at_most(late, DEADLINE, "{:.0f} s"), said),
        Row("c", "refused with 429 and Retry-After, of all that is refused",
            f"{sum(each.status == 429 and each.headed for each in refused)}/{len(refused)}", "all",
            all(each.status == 429 and each.headed for each in refused), ""),
        Row("c", "resident memory, second half of the overload", f"{after - middle:+.1f} MB",
            *at_most(after - middle, 5, "{:.0f} MB"), f"{before:.0f} MB before, {middle:.0f} midway"),
    ]  # fmt: skip


def _asked(text: str, task: str) -> bytes:
    return json.dumps({"notes": [{"text": text}], "tasks": [task]}).encode()
