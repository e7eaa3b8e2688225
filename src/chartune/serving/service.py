"""Service: a bank behind HTTP, for programs on the same machine.

    POST /v1/score ─limits─▶ queue ─▶ bank ─▶ a row for each note and task      GET /v1/tasks  /livez  /readyz

No note, no id and no part of one stands in an error, a log or a header. FastAPI's own messages quote what was sent, and
are replaced.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from chartune import __version__
from chartune.errors import ChartuneError, ConfigError, DataError
from chartune.log import say
from chartune.notes.text_pair import Text, TextPair
from chartune.prediction.rows import Choices, decided_columns, provenance
from chartune.prediction.scorer import Reading
from chartune.prediction.texts import as_read
from chartune.serving.bank import Bank, Task
from chartune.serving.queue import Answer, ClosedError, FullError, Queue
from chartune.stages.chosen import Chosen

LOOK: Final = 0.5
"""Seconds between two looks whether a client is still there."""
BYTES_A_TOKEN: Final = 3
"""By which the tokens of a text are estimated, before it is tokenised; English notes have about four."""
CHOICES: Final = Choices()
"""Recalibrated where something was fitted; no threshold but 0.5 of several labels."""
Call = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Limits:
    """What a request may be, and how much may wait."""

    body: int = 2 << 20
    """Bytes of a request."""
    notes: int = 256
    """Notes of a request."""
    tokens: int = 65536
    """Estimated tokens of a request, over all of its tasks."""
    queue: int = 262144
    """Estimated tokens of all requests that wait."""


class Note(BaseModel):
    """A text to be scored."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str | int | None = Field(None, description="Comes back with its scores.")
    text: str = Field(description="The note.")
    text_pair: str | None = Field(None, description="The second text, of tasks on pairs.")


class ScoreRequest(BaseModel):
    """Notes, and what is asked of them."""

    model_config = ConfigDict(extra="forbid", strict=True)
    notes: list[Note] = Field(min_length=1)
    tasks: list[str] | Literal["all"] = "all"


class Scores(BaseModel):
    """A row for each note and task, the notes in their order within each task."""

    request: str
    rows: list[dict[str, Any]]


class RefusedError(Exception):
    """A request that is not accepted."""

    def __init__(self, status: int, rule: str) -> None:
        super().__init__(rule)
        self.status, self.rule = status, rule


def service(bank: Bank, limits: Limits, queue: Queue) -> FastAPI:
    """The application.

    Args:
        bank: with its tasks.
        limits: of requests.
        queue: that reads from the bank; it is closed, and emptied, when the application ends.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(queue.close)

    app = FastAPI(title="chartune", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    _answers_errors(app)
    app.add_middleware(_Bounded, most=limits.body)

    @app.get("/livez")
    def livez() -> JSONResponse:
        return JSONResponse({"alive": queue.alive}, 200 if queue.alive else 503)

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        ready = queue.accepts and bool(bank.tasks)
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    @app.get("/v1/tasks")
    def tasks() -> dict[str, list[dict[str, Any]]]:
        return {"tasks": [_about(task) for task in bank.tasks]}

    @app.post("/v1/score")
    async def score(asked: ScoreRequest, request: Request) -> Scores:
        chosen = _chosen(bank, asked)
        texts = {task.name: _texts(task, asked.notes) for task in chosen}
        tokens = sum(_estimated(task, texts[task.name]) for task in chosen)
        if len(asked.notes) > limits.notes or tokens > limits.tokens:
            raise RefusedError(
                422,
                f"a request must have at most {limits.notes} notes and {limits.tokens} tokens, all tasks counted, but "
                f"has {len(asked.notes)} and some {tokens}; split it",
            )
        answer = await _answered(queue.submit(texts, tokens), request)
        rows = [row for task in chosen for row in _rows(task, asked.notes, answer[task.name])]
        return Scores(request=uuid.uuid4().hex, rows=rows)

    return app


def _about(task: Task) -> dict[str, Any]:
    """What a client needs to know of a task."""
    scorer = task.scorer
    return {
        "name": task.name, "task": scorer.run.task, "answer": scorer.run.answer, "labels": list(scorer.labels),
        "titles": list(scorer.titles), "model": scorer.origin.fingerprint, "adapter": scorer.origin.weights,
        "base": task.base, "pairs": scorer.of_pairs, "max_seq_len": scorer.max_seq_len, "long": scorer.long.kind,
        "recalibrated": scorer.recalibrates(None), "mixed": task.mixed is not None, "apart": task.apart,
        "precision": scorer.resolved.precision, "trained_in": scorer.run.environment.get("precision"),
    }  # fmt: skip


def _chosen(bank: Bank, asked: ScoreRequest) -> list[Task]:
    every = {task.name: task for task in bank.tasks}
    names = list(every) if asked.tasks == "all" else asked.tasks
    if not names or len(set(names)) < len(names):
        raise RefusedError(422, "tasks must be named, each once, or be all")
    if any(name not in every for name in names):
        raise RefusedError(404, f"every task must be loaded, but one is not; loaded are {', '.join(every) or 'none'}")
    return [every[name] for name in names]


def _texts(task: Task, notes: list[Note]) -> list[Text]:
    """Of each note what a task reads, as `predict` reads it. Raises RefusedError: one has no words, or is no pair."""
    pairs = task.scorer.of_pairs
    if any((note.text_pair is not None) != pairs for note in notes):
        kind = "a text and a text_pair" if pairs else "a text alone"
        raise RefusedError(422, f"every note must be {kind} for the task {task.name}")
    breaks = Chosen(task.scorer.run).breaks
    sides = [[note.text for note in notes], *([[note.text_pair or "" for note in notes]] if pairs else [])]
    read = [as_read(pl.Series(side, dtype=pl.String), breaks).to_list() for side in sides]
    if any(text is None for side in read for text in side):
        raise RefusedError(422, "every note must have words, but one has none")
    return [TextPair(*both) for both in zip(*read, strict=True)] if pairs else read[0]


def _estimated(task: Task, texts: list[Text]) -> int:
    """Tokens that a task will read of texts, estimated from their bytes; at most so many as it reads of each."""
    scorer = task.scorer
    rows = getattr(scorer.long, "most", 1) if scorer.form.whole_text else None
    most = None if rows is None else rows * scorer.max_seq_len
    sizes = [sum(len(side.encode("utf-8", "replace")) for side in ((text,) if isinstance(text, str) else text))
             for text in texts]  # fmt: skip
    return sum(min(size // BYTES_A_TOKEN + 2, most or size + 2) for size in sizes)


async def _answered(answer: "Future[Answer]", request: Request) -> Answer:
    """Wait for an answer; where its client has gone, it leaves the queue."""
    waiting = asyncio.wrap_future(answer)
    while not (await asyncio.wait({waiting}, timeout=LOOK))[0]:
        if await request.is_disconnected():
            answer.cancel()
            raise RefusedError(499, "the client has gone")
    return waiting.result()


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


def _said(status: int, rule: str, headers: Mapping[str, str] | None = None, **further: Any) -> JSONResponse:
    return JSONResponse({"error": rule, **further}, status, headers=dict(headers or {}))


def _answers_errors(app: FastAPI) -> None:
    """Errors as JSON that quotes nothing of a request."""

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return _said(error.status, error.rule)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        known = {"body", "notes", "tasks", "id", "text", "text_pair"}
        where = [[part for part in one["loc"] if isinstance(part, int) or part in known] for one in error.errors()[:5]]
        kinds = [one["type"] for one in error.errors()[:5]]
        return _said(422, "the body must be JSON as /openapi.json says", where=where, kinds=kinds)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        return _said(error.status_code, "there is no such page, or it is asked otherwise")

    @app.exception_handler(ChartuneError)
    async def known(_: Request, error: ChartuneError) -> JSONResponse:
        if isinstance(error, FullError):
            return _said(429, str(error), {"Retry-After": str(error.retry_after)})
        if isinstance(error, ClosedError):
            return _said(503, str(error), {"Retry-After": "5"})
        status = 404 if isinstance(error, ConfigError) else 422 if isinstance(error, DataError) else 500
        return _said(status, str(error))


class _Bounded:
    """ASGI: a body that is too long is refused before all of it has come; a failure is answered without its words."""

    def __init__(self, app: Any, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Call) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, read = False, 0

        async def bounded() -> Any:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.most:
                raise RuntimeError("too long")  # what the application makes of it is not sent
            return message

        async def noted(message: dict[str, Any]) -> None:
            nonlocal began
            if read <= self.most:
                began = True
                await send(message)

        failed = ""
        try:
            await self.app(scope, bounded, noted)
        except Exception as error:  # its traceback may quote a note
            failed = type(error).__name__
        if read > self.most and not began:
            await _said(413, f"a request must have at most {self.most} bytes")(scope, receive, send)  # type: ignore[arg-type]
        elif failed:
            say(f"error: a request ended in {failed}")
            if not began:
                await _said(500, "the request failed; please report it")(scope, receive, send)  # type: ignore[arg-type]
