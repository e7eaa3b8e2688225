"""Page: the one that people open in a browser. Three files of the package, and nothing from elsewhere.

    GET /  page.css  page.js ─▶ as they lie in `page_files/`     all else it gets from /v1, by the key of who types it

What a browser may do is said by headers: no script, style, font or picture but these, no other address, no frame, and
no text becomes markup (trusted types). Nothing is kept in the browser.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from fastapi.responses import Response

_FILES: Final = {
    "/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript"),
}  # fmt: skip
PATHS: Final = frozenset(_FILES)
POLICY: Final = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src data:",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
    "trusted-types 'none'",
))  # fmt: skip
HEADERS: Final = {
    "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
}  # fmt: skip


def add_page(app: FastAPI) -> None:
    """The routes of its files."""
    for path, (name, kind) in _FILES.items():
        content = (files("chartune.serving") / "page_files" / name).read_bytes()
        app.add_api_route(path, _sends(content, kind), methods=["GET"], include_in_schema=False)


def _sends(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=HEADERS)

    return send
