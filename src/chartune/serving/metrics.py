"""Metrics: what a service counts of its requests, its queue and its bank, for `GET /metrics`.

Measured (ASGI) ─ requests, seconds ─┐
queue ─ waiting, reading ────────────┼─▶ Registry ─▶ /metrics        no text, no id; notes in classes of ten
rows ─ notes, tokens, truncated ─────┘
"""

import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psutil

from chartune.prediction.scorer import Reading
from chartune.serving.bank import Bank
from chartune.serving.exposition import Counter, Gauge, Histogram, Of, Registry

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of latency."""
ELSEWHERE: Final = "other"
"""Stands for the route of a path that leads nowhere."""
QUEUE_STEP: Final = 1000
"""To which tokens that wait are rounded down: of one request they would tell how long its notes are."""
BEGAN: Final = "began"
"""Where in the state of a request stands when it came, by the monotonic clock."""
Call = Callable[[dict[str, Any]], Awaitable[None]]


class Metrics:
    """The series of a service; `registry` takes more."""

    def __init__(self) -> None:
        self.registry = Registry()
        put = self.registry.put
        self._requests = put(Counter("chartune_requests_total", "Requests, by route and status.", ("route", "status")))
        self._asked = put(Counter(
            "chartune_task_requests_total", "Requests that asked a task, in classes of ten.", ("task", "status"),
            Of.NOTES,
        ))  # fmt: skip
        self._seconds = put(Histogram(
            "chartune_request_seconds", "Of scored requests: in the queue, being read. Of all: from first to last.",
            SECONDS, ("phase",),
        ))  # fmt: skip
        self._notes = put(Counter("chartune_notes_total", "Notes scored, in classes of ten.", ("task",), Of.NOTES))
        self._truncated = put(Counter(
            "chartune_notes_truncated_total", "Notes of which not all was read, in classes of ten.", ("task",), Of.NOTES
        ))  # fmt: skip
        self._tokens = put(Counter(
            "chartune_tokens_read_total", "Tokens read, as of the last ten notes of a task.", ("task",), Of.SUMS
        ))  # fmt: skip
        put(Gauge("chartune_resident_bytes", "Memory of this process.", lambda: psutil.Process().memory_info().rss))

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Show a queue. waiting: gives the tokens of requests that wait."""
        self.registry.put(Gauge(
            "chartune_queue_tokens", f"Estimated tokens that wait, in steps of {QUEUE_STEP}.",
            lambda: waiting() // QUEUE_STEP * QUEUE_STEP,
        ))  # fmt: skip

    def watch_bank(self, bank: Bank) -> None:
        """Show a bank."""
        tally, put = bank.tally, self.registry.put
        put(Gauge("chartune_tasks", "Tasks that are loaded.", lambda: len(bank.tasks)))
        put(Gauge("chartune_bank_bytes", "Of the base model, adapters and heads.", lambda: bank.nbytes))
        for name, about, read in (
            ("loads", "Tasks that were loaded.", lambda: tally.loads),
            ("evictions", "Tasks that were evicted.", lambda: tally.evictions),
            ("refusals", "Runs that were not loaded, because they failed a check.", lambda: tally.refusals),
        ):
            put(Gauge(f"chartune_adapter_{name}_total", about, read, kind="counter"))
        put(Gauge("chartune_padding_ratio", "Cells of mixed batches for each token in them.", lambda: tally.padding))

    def answered(self, route: str, status: int, seconds: float, tasks: tuple[str, ...]) -> None:
        """Count a request.

        Args:
            route: its pattern.
            status: of HTTP; 0: nothing was answered.
            seconds: from its first byte to the last of its answer.
            tasks: that it asked, all of them loaded.
        """
        kind = f"{status // 100}xx" if status else "none"
        self._requests.add(route, kind)
        self._seconds.observe(seconds, "all")
        for task in tasks:
            self._asked.add(task, kind)

    def waited(self, seconds: float) -> None:
        """A request has left the queue to be read."""
        self._seconds.observe(seconds, "queue")

    def was_read(self, seconds: float) -> None:
        """A request has been read."""
        self._seconds.observe(seconds, "reading")

    def scored(self, task: str, reading: Reading) -> None:
        """Count notes of which rows are made; call it once everything else has counted them, too."""
        self._notes.add(task, amount=len(reading.tokens))
        self._tokens.add(task, amount=int(reading.tokens_read.sum()))
        self._truncated.add(task, amount=int(reading.truncated.sum()))
        self.registry.read_notes(task, len(reading.tokens))


class Measured:
    """ASGI: every request is counted, whatever becomes of it, and has an id of its own (`X-Request-Id`)."""

    def __init__(self, app: Any, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Any, receive: Any, send: Call) -> None:
        """Pass a request on, and look at its status."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, state = time.monotonic(), 0, scope.setdefault("state", {})
        state["request"], state[BEGAN] = uuid.uuid4().hex, began

        async def noted(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", state["request"].encode())]}
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", ELSEWHERE)
            self.metrics.answered(route, status, time.monotonic() - began, tuple(state.get("tasks", ())))
