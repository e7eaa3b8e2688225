"""Gate: before anything else of a request is looked at, whose key it has, and whether that may ask for this path.

a path that is not in `NEEDS` needs `admin`: a route that somebody adds is closed until it says who may ask it
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

from chartune.serving.keys import ANYBODY, Holder, Keys, Scope
from chartune.serving.page import PATHS
from chartune.serving.refusals import answer_of

OPEN: Final = frozenset({"/livez", *PATHS})
"""Paths that answer without a key: of the page its files, which are the same for everybody and know no task."""
ONE_TASK: Final = "/v1/tasks/{name:path}"
"""Of a task by its name; whether a key may ask it is looked at there."""
NEEDS: Final[Mapping[str, Scope | None]] = {
    "/readyz": None, "/openapi.json": None, "/v1/tasks": None, "/v1/score": None, "/metrics": "metrics",
    "/v1/explain": "explain", ONE_TASK: None, "/admin/reload": "admin",
}  # fmt: skip
"""What a key needs for a path; None: any key will do."""
HOLDER: Final = "holder"
"""Where in the state of a request stands who asks."""
BEARER: Final = "bearer "


def holder_of(request: Request) -> Holder:
    """Who asks."""
    holder: Holder = getattr(request.state, HOLDER, ANYBODY)
    return holder


class Gate:
    """ASGI: a request without a key that may ask for its path goes no further."""

    def __init__(self, app: Any, keys: Keys | None) -> None:
        """keys: None: whoever reaches the service may ask everything."""
        self.app, self.keys = app, keys

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "lifespan" or self.keys is None or scope["path"] in OPEN:
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close"})
        elif (holder := self.keys.holder(_presented(scope))) is None:
            refusal = "a request must have a key that is known here (Authorization: Bearer …), but has none"
            await answer_of(401, refusal, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
        else:
            scope.setdefault("state", {})[HOLDER] = holder
            await self._further(holder, scope, receive, send)

    async def _further(self, holder: Holder, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        path = ONE_TASK if path.startswith("/v1/tasks/") else path
        needed = NEEDS.get(path, "admin")
        if needed is None or holder.may(needed):
            await self.app(scope, receive, send)
        elif path in NEEDS:
            await answer_of(403, f"a key must allow `{needed}` for this path, but yours does not")(scope, receive, send)
        else:
            await answer_of(404, "there is no such page, or it is asked otherwise")(scope, receive, send)


def _presented(scope: Any) -> str:
    """The key that a request shows; empty: none, or several."""
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    text = shown[0].decode("latin-1") if len(shown) == 1 else ""
    return text[len(BEARER) :].strip() if text[: len(BEARER)].lower() == BEARER else ""
