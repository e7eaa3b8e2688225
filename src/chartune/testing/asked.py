"""A service asked without a network: one request, one answer."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

PART: Final = 1000
"""Bytes of a body that come at once."""


class Said(NamedTuple):
    """What a service has answered."""

    status: int
    headers: dict[str, str]
    body: Any
    """Of JSON; None: it is none."""
    text: str
    unread: int
    """Parts of the body that were not taken."""


def ask(
    app: Any, method: str, path: str, body: Any = None, raw: bytes | None = None,
    headers: Mapping[str, str] | None = None, client: tuple[str, int] = ("127.0.0.1", 1),
) -> Said:  # fmt: skip
    """One request, whose client stays until it has its answer.

    Args:
        app: ASGI.
        method: of HTTP.
        path: without a query.
        body: sent as JSON; None: nothing.
        raw: sent in place of it, as it is.
        headers: further ones.
        client: address and port from which it comes.
    """
    data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    sent: list[Any] = []
    starts = range(0, max(1, len(data)), PART)
    messages = [
        {"type": "http.request", "body": data[start : start + PART], "more_body": start != starts[-1]}
        for start in starts
    ]

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(600)

    async def send(message: Any) -> None:
        sent.append(message)

    known = {"content-type": "application/json", "host": "localhost", **(headers or {})}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in known.items()],
        "http_version": "1.1", "scheme": "http", "server": ("localhost", 80), "client": client,
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    is_json = answered.get("content-type", "").startswith("application/json")
    return Said(sent[0]["status"], answered, json.loads(text) if is_json else None, text, len(messages))
