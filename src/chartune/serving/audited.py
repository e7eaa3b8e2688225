"""Audited: a request is answered only once the audit log has its line (ASGI).

every request but of `/livez`, `/readyz`, `/metrics` and the page ─▶ a line     without a known key ─▶ counted in it
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request

from chartune.errors import StoreError
from chartune.log import say
from chartune.serving.audit import AuditLog
from chartune.serving.gate import HOLDER
from chartune.serving.metrics import ELSEWHERE
from chartune.serving.page import PATHS
from chartune.serving.refusals import answer_of
from chartune.serving.task import Task

QUIET: Final = frozenset({"/livez", "/readyz", "/metrics", *PATHS})
"""Paths without notes, which others ask every few seconds; those of the page answer without a key, too."""
RETRY: Final = 10
"""Seconds after which a client may try again where the log could not be written."""


def remember(request: Request, tasks: Sequence[Task], notes: int) -> None:
    """What the log and the metrics say of a request; call it before anything is read.

    Args:
        request: that asks.
        tasks: all of them loaded, and allowed to its key.
        notes: how many.
    """
    request.state.tasks = [task.name for task in tasks]
    request.state.audit = {
        "tasks": {
            task.name: {"model": task.scorer.origin.fingerprint, "adapter": task.scorer.origin.weights}
            for task in tasks
        },
        "notes": notes,
    }


class Audited:
    """ASGI: writes the line of a request before its answer begins."""

    def __init__(self, app: Any, log: AuditLog | None) -> None:
        """log: None: nothing is written."""
        self.app, self.log = app, log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, and hold its answer back until it is written."""
        log = self.log
        if log is None or scope["type"] != "http" or scope["path"] in QUIET:
            await self.app(scope, receive, send)
            return
        began, refused = time.monotonic(), False

        async def written(message: dict[str, Any]) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = not await asyncio.to_thread(_write, log, scope, message["status"], time.monotonic() - began)
                if refused:
                    rule = "a request must be recorded before it is answered, but cannot be now; ask again later"
                    await answer_of(503, rule, {"Retry-After": str(RETRY)})(scope, receive, send)
            if not refused:
                await send(message)

        await self.app(scope, receive, written)


def _write(log: AuditLog, scope: Any, status: int, seconds: float) -> bool:
    """Whether the line of a request is on the disk, or none is due."""
    state = scope.get("state", {})
    if status == 401:
        log.deny()
        return True
    holder = state.get(HOLDER)
    try:
        log.append(
            "request", request=state.get("request"), key=holder.name if holder else None,
            route=getattr(scope.get("route"), "path", ELSEWHERE), status=status, seconds=round(seconds, 4),
            **state.get("audit", {"tasks": {}, "notes": 0}),
        )  # fmt: skip
    except StoreError as error:
        say(f"error: {error}")
        return False
    return True
