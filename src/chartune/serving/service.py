"""Service: a bank behind HTTP, for programs on the same machine.

    POST /v1/score ─limits─▶ queue ─▶ bank ─▶ a row for each note and task      GET /v1/tasks  /livez  /readyz

No note, no id and no part of one stands in an error, a log or a header. FastAPI's own messages quote what was sent, and
are replaced.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel

from chartune import __version__
from chartune.prediction.rows import Choices, decided_columns, provenance
from chartune.prediction.scorer import Reading
from chartune.serving.about import about, add_about
from chartune.serving.asked import Limits, Note, ScoreRequest, chosen_tasks, estimated, texts_of
from chartune.serving.audit import AuditLog
from chartune.serving.audited import Audited, remember
from chartune.serving.bank import Bank, Task
from chartune.serving.explain_route import add_explanations
from chartune.serving.exposition import CONTENT_TYPE
from chartune.serving.gate import Gate, holder_of
from chartune.serving.keys import Keys
from chartune.serving.metrics import BEGAN, Measured
from chartune.serving.page import add_page
from chartune.serving.queue import Queue
from chartune.serving.refusals import Bounded, RefusedError, answers_errors
from chartune.serving.reloading import Reloading, add_reloading
from chartune.serving.textfiles import shown_files
from chartune.serving.waiting import Answer, Asked, LateError
from chartune.serving.watch import Watch

LOOK: Final = 0.5
"""Seconds between two looks whether a client is still there."""
CHOICES: Final = Choices()
"""Recalibrated where something was fitted; no threshold but 0.5 of several labels."""


class Scores(BaseModel):
    """A row for each note and task, the notes in their order within each task."""

    request: str
    rows: list[dict[str, Any]]


def service(
    bank: Bank, limits: Limits, queue: Queue, keys: Keys | None = None, log: AuditLog | None = None,
    reloading: Reloading | None = None, watch: Watch | None = None, files: Sequence[Path] = (),
) -> FastAPI:  # fmt: skip
    """The application.

    Args:
        bank: with its tasks.
        limits: of requests.
        queue: that reads from the bank, with its metrics; it is closed, and emptied, when the application ends.
        keys: without one only `/livez` answers; None: whoever reaches the service may ask everything.
        log: has a line for each request before it is answered; closed when the application ends. None: no log.
        reloading: brings the bank to what its file says; None: it has no file.
        watch: looks at what was scored; closed when the application ends. None: nobody does.
        files: of `chartune monitor --metrics`, shown with the metrics.
    """
    metrics = queue.metrics
    metrics.watch_bank(bank)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if log:
            log.append("started", version=__version__, tasks=[task.name for task in bank.tasks])
        yield
        await asyncio.to_thread(queue.close)
        if watch:
            await asyncio.to_thread(watch.close)
        if log:
            log.append("stopped")
            log.close()

    app = FastAPI(title="chartune", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    answers_errors(app)
    app.add_middleware(Bounded, most=limits.body)
    app.add_middleware(Gate, keys=keys)
    app.add_middleware(Audited, log=log)
    app.add_middleware(Measured, metrics=metrics)  # the last is the outermost

    async def read(texts: Asked, tokens: int, request: Request, seconds: float = limits.deadline) -> Answer:
        left = max(0.0, seconds - (time.monotonic() - getattr(request.state, BEGAN)))
        return await _answered(queue.submit(texts, tokens, client=_client(request), seconds=left), request, left)

    @app.get("/livez")
    def livez() -> JSONResponse:
        return JSONResponse({"alive": queue.alive}, 200 if queue.alive else 503)

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        ready = queue.accepts and bool(bank.tasks)
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    def shown() -> PlainTextResponse:
        return PlainTextResponse(metrics.registry.text() + shown_files(files), media_type=CONTENT_TYPE)

    @app.get("/v1/tasks")
    def tasks(request: Request) -> dict[str, list[dict[str, Any]]]:
        return {"tasks": [about(task) for task in bank.tasks if holder_of(request).asks(task.name)]}

    @app.post("/v1/score")
    async def score(asked: ScoreRequest, request: Request) -> Scores:
        with bank.held(lambda: chosen_tasks(bank, asked.tasks, holder_of(request))) as chosen:
            return await scores(asked, request, chosen)

    async def scores(asked: ScoreRequest, request: Request, chosen: Sequence[Task]) -> Scores:
        remember(request, chosen, len(asked.notes))
        texts = {task.handle: texts_of(task, asked.notes) for task in chosen}
        tokens = sum(estimated(task, texts[task.handle]) for task in chosen)
        if len(asked.notes) > limits.notes or tokens > limits.tokens:
            raise RefusedError(
                422,
                f"a request must have at most {limits.notes} notes and {limits.tokens} tokens, all tasks counted, but "
                f"has {len(asked.notes)} and some {tokens}; split it",
            )
        answer = await read(texts, tokens, request, min(limits.deadline, asked.deadline or limits.deadline))
        rows = [row for task in chosen for row in _rows(task, asked.notes, answer[task.handle])]
        for task in chosen:
            metrics.scored(task.name, answer[task.handle])
            if watch:
                watch.scored(task, texts[task.handle], answer[task.handle])
        return Scores(request=request.state.request, rows=rows)

    add_about(app, bank)
    add_page(app)
    add_reloading(app, reloading, metrics.registry)
    add_explanations(app, bank, limits, read)
    return app


async def _answered(answer: "Future[Answer]", request: Request, seconds: float) -> Answer:
    """Wait for an answer; where its client has gone, or its time is over, it leaves the queue.

    Raises:
        LateError: it has not come in so many seconds.
        RefusedError: the client has gone.
    """
    waiting, clock = asyncio.wrap_future(answer), asyncio.get_running_loop().time
    end = clock() + seconds
    while not (await asyncio.wait({waiting}, timeout=max(0.0, min(LOOK, end - clock()))))[0]:
        if await request.is_disconnected():
            answer.cancel()
            raise RefusedError(499, "the client has gone")
        if clock() >= end:
            answer.cancel()
            raise LateError
    return waiting.result()


def _client(request: Request) -> str:
    """Between whom turns are taken: keys; without keys connections."""
    address = request.client
    return holder_of(request).name or (f"{address.host}:{address.port}" if address else "")


def _rows(task: Task, notes: list[Note], reading: Reading) -> list[dict[str, Any]]:
    """The columns of `chartune predict`, without the one that has the probability twice."""
    frame = pl.DataFrame([
        *decided_columns(task.scorer, reading.decided, CHOICES),
        pl.Series("tokens", reading.tokens), pl.Series("tokens_read", reading.tokens_read),
        pl.Series("truncated", reading.truncated),
    ]).with_columns(*provenance(task.scorer, CHOICES))  # fmt: skip
    return [
        {"id": number if note.id is None else note.id, "task": task.name, **row}
        for number, (note, row) in enumerate(zip(notes, frame.to_dicts(), strict=True), 1)
    ]
