"""Refusals: errors as JSON that quotes nothing of a request.

FastAPI's own messages, which quote what was sent, are replaced.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from chartune.errors import ChartuneError, ConfigError, DataError
from chartune.log import say
from chartune.serving.waiting import ClosedError, FullError, LateError

Call = Callable[[dict[str, Any]], Awaitable[None]]


class RefusedError(Exception):
    """A request that is not accepted."""

    def __init__(self, status: int, rule: str) -> None:
        super().__init__(rule)
        self.status, self.rule = status, rule


def answer_of(status: int, rule: str, headers: Mapping[str, str] | None = None, **further: Any) -> JSONResponse:
    """A refusal as it is sent."""
    return JSONResponse({"error": rule, **further}, status, headers=dict(headers or {}))


def answers_errors(app: FastAPI) -> None:
    """Errors as JSON that quotes nothing of a request."""

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return answer_of(error.status, error.rule)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        known = {"body", "notes", "tasks", "id", "text", "text_pair", "task", "label", "most", "deadline"}
        where = [[part for part in one["loc"] if isinstance(part, int) or part in known] for one in error.errors()[:5]]
        kinds = [one["type"] for one in error.errors()[:5]]
        return answer_of(422, "the body must be JSON as /openapi.json says", where=where, kinds=kinds)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        return answer_of(error.status_code, "there is no such page, or it is asked otherwise")

    @app.exception_handler(ChartuneError)
    async def known(_: Request, error: ChartuneError) -> JSONResponse:
        if isinstance(error, FullError):
            return answer_of(429, str(error), {"Retry-After": str(error.retry_after)})
        if isinstance(error, LateError):
            return answer_of(504, str(error))
        if isinstance(error, ClosedError):
            return answer_of(503, str(error), {"Retry-After": "5"})
        status = 404 if isinstance(error, ConfigError) else 422 if isinstance(error, DataError) else 500
        return answer_of(status, str(error))


class Bounded:
    """ASGI: a body that is too long is refused before all of it has come; a failure is answered without its words."""

    def __init__(self, app: Any, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Call) -> None:
        """Pass a request on, and count its bytes."""
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
            await answer_of(413, f"a request must have at most {self.most} bytes")(scope, receive, send)  # type: ignore[arg-type]
        elif failed:
            say(f"error: a request ended in {failed}")
            if not began:
                await answer_of(500, "the request failed; please report it")(scope, receive, send)  # type: ignore[arg-type]
