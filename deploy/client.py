"""A client of `chartune serve`: Python's standard library alone.

python client.py https://chartune.hospital.example:8443 mortality < note.txt     key: CHARTUNE_KEY in the environment

It asks again where the service is full, stopping or away, when that says so (Retry-After), and gives up at a deadline.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

AGAIN = (429, 502, 503)
"""The service is full, away behind its proxy, or stopping; nothing is wrong with the request."""


def ask(service: str, path: str, body: Any = None, *, key: str = "", seconds: float = 60.0) -> Any:
    """One request, repeated until it is answered.

    Args:
        service: address, such as `https://chartune.hospital.example:8443`.
        path: such as `/v1/score`.
        body: sent as JSON; None: a GET.
        key: of the service; empty: it has none.
        seconds: after which to give up.

    Raises:
        TimeoutError: the service stayed full, or away.
        ValueError: it refused the request; the message has its reason, which quotes nothing of a note.
    """
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    data, ends = None if body is None else json.dumps(body).encode(), time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        request = urllib.request.Request(service + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=left) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in AGAIN:
                raise ValueError(f"{error.code}: {json.load(error).get('error', error.reason)}") from None
            pause = float(error.headers.get("Retry-After", "1"))
        except urllib.error.URLError:  # nobody listens: it is being started again
            pause = 1.0
        time.sleep(min(pause, max(0.0, ends - time.monotonic())))
    raise TimeoutError(f"{service} had no room, or did not listen, for {seconds:g} seconds")


def score(service: str, texts: Sequence[str], tasks: Sequence[str], *, key: str = "", seconds: float = 60.0) -> Any:
    """Rows of scores, a row for each task and text; arguments as of `ask`. tasks: empty: all that the key may ask."""
    body = {"notes": [{"id": number, "text": text} for number, text in enumerate(texts)], "tasks": list(tasks) or "all"}
    return ask(service, "/v1/score", body, key=key, seconds=seconds)["rows"]


if __name__ == "__main__":
    try:
        for row in score(sys.argv[1], [sys.stdin.read()], sys.argv[2:], key=os.environ.get("CHARTUNE_KEY", "")):
            print(json.dumps(row))
    except (TimeoutError, ValueError) as error:
        sys.exit(str(error))
