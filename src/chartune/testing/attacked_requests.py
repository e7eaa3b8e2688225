"""Requests that an attacker, an accident or a careless program sends: none is answered 500, and none of its words back.

OpenAPI document ─▶ a route, a body as it says, every text with SECRET in it ─▶ one thing wrong, by seed
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

SECRET: Final = "zebrafinch"
"""In every text that is sent, in names of fields, in headers and in addresses."""
HEADER: Final = "application/json"


@dataclass(frozen=True)
class Sent:
    """A request as it goes over a connection."""

    method: str
    path: str
    raw: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": HEADER})


def attacked_request(document: Mapping[str, Any], tasks: list[str], seed: int) -> Sent:
    """A request with one thing wrong.

    Args:
        document: of OpenAPI.
        tasks: that are loaded; most requests ask them, so that more than the first rule is reached.
        seed: what is wrong, and where. Every kind has its turn.
    """
    chance = random.Random(seed)
    posts = [(path, each["post"]) for path, each in document["paths"].items() if "requestBody" in each.get("post", {})]
    path, route = posts[seed // len(KINDS) % len(posts)]
    schema = route["requestBody"]["content"][HEADER]["schema"]
    body = _example(schema, document, tasks, chance)
    return KINDS[seed % len(KINDS)](Sent("POST", path, json.dumps(body).encode()), body, chance)


def _example(schema: Mapping[str, Any], document: Mapping[str, Any], tasks: list[str], chance: random.Random,
             name: str = "") -> Any:  # fmt: skip
    """A value as the document says."""
    if "$ref" in schema:
        return _example(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document, tasks, chance)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], document, tasks, chance, name)
    kind = schema.get("type")
    if kind == "object":
        return {each: _example(part, document, tasks, chance, each) for each, part in schema["properties"].items()
                if each in schema.get("required", ()) or chance.random() < 0.5}  # fmt: skip
    if kind == "array":
        if name == "tasks":
            return chance.sample(tasks, chance.randint(1, len(tasks)))
        return [_example(schema["items"], document, tasks, chance) for _ in range(chance.randint(1, 3))]
    plain = {"integer": 3, "number": 20.5, "boolean": True}
    return plain.get(str(kind), chance.choice(tasks) if name == "task" else f"fever {SECRET} {chance.random()}")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a value, and a key in it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _another(sent: Sent, body: Any, chance: random.Random) -> Sent:
    """Another value in some place."""
    container, key = chance.choice(_places(body))
    container[key] = chance.choice([
        None, True, -1, 0, 10**400, 1e308, float("nan"), float("inf"), "", " \n\t", SECRET, SECRET * 2000,
        "\ud800" + SECRET, "\x00" + SECRET, "\u202e" + SECRET, [], {}, [SECRET], {SECRET: SECRET}, [[[]]], [None],
        ["all"], "all",
    ])  # fmt: skip
    return replace(sent, raw=json.dumps(body).encode())


def _renamed(sent: Sent, body: Any, chance: random.Random) -> Sent:
    """A field that is lacking, one too many, or one of another name."""
    container, key = chance.choice([place for place in _places(body) if isinstance(place[0], dict)])
    value = container.pop(key)
    if chance.random() < 0.7:
        container[chance.choice([SECRET, key.upper(), f"{key} ", "__proto__", "\ud800", ""])] = value
    return replace(sent, raw=json.dumps(body).encode())


def _twice(sent: Sent, body: Any, chance: random.Random) -> Sent:
    """A field twice, the second time with something else."""
    key = chance.choice(sorted(body))
    other: Any = chance.choice([SECRET, None, 7, []])
    return replace(sent, raw=sent.raw[:-1] + f", {json.dumps(key)}: {json.dumps(other)}}}".encode())


def _bytes(sent: Sent, body: Any, chance: random.Random) -> Sent:
    """Bytes that are changed, cut off or put in: mostly no JSON, often no UTF-8."""
    raw, place = bytearray(sent.raw), chance.randrange(len(sent.raw))
    put = chance.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00", b"\\u12", b'"', b"{", b"\xef\xbb\xbf"])
    raw[place : place + chance.randint(0, 3)] = put
    return replace(sent, raw=bytes(raw[:place] if chance.random() < 0.3 else raw))


def _odd(sent: Sent, body: Any, chance: random.Random) -> Sent:
    """A body that a parser may stumble over."""
    secret, text = f'"{SECRET}"'.encode(), sent.raw.decode()
    return replace(sent, raw=chance.choice([
        b"", b"null", b"NaN", b"-", b"[" * 3000, b'{"notes":' * 300, b'{"a":' * 900 + secret, b"9" * 5000,
        b'{"notes":[{"text":' + secret + b',"id":' + b"9" * 3800 + b"}]}", secret, b"[" + secret + b"]",
        text.encode("utf-16"), text.encode("utf-32"), b"\x1f\x8b\x08" + sent.raw, b" " * 3000 + sent.raw,
        text.replace("20.5", "1e999").encode(), text.replace("fever", "\\ud83d").encode(), f"notes={SECRET}".encode(),
    ]))  # fmt: skip


def _headers(sent: Sent, body: Any, chance: random.Random) -> Sent:
    """Headers of another kind, absurd ones, or many."""
    return replace(sent, headers=chance.choice([
        {}, {"content-type": SECRET}, {"content-type": "text/plain"}, {"content-type": "multipart/form-data"},
        {"content-type": "application/x-www-form-urlencoded"}, {"content-type": f"{HEADER}; charset={SECRET}"},
        {"content-type": HEADER, "content-encoding": "gzip"}, {"content-type": HEADER, "content-length": SECRET},
        {"content-type": HEADER, "content-length": "-1"}, {"content-type": HEADER, "x-request-id": SECRET},
        {"content-type": HEADER, "authorization": f"Bearer {SECRET}"}, {"content-type": HEADER, "cookie": SECRET * 900},
        {"content-type": HEADER, **{f"x-{SECRET}-{number}": SECRET for number in range(300)}},
        {"content-type": f"application/{SECRET}+json"}, {"content-type": "application/json, text/html"},
    ]))  # fmt: skip


def _elsewhere(sent: Sent, body: Any, chance: random.Random) -> Sent:
    """Another method, or an address that leads nowhere."""
    path = chance.choice([
        f"/v1/tasks/{SECRET}", f"/v1/tasks/../{SECRET}", "/v1/tasks/%00", f"/v1/tasks/{'x' * 3000}", f"/{SECRET}", "//",
        f"/v1/score/{SECRET}", "/v1/score/", "/metrics/", "/../../etc/passwd", "/v1/tasks/é" + SECRET, sent.path,
    ])  # fmt: skip
    return replace(sent, path=path, method=chance.choice(["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", SECRET]))


Kind = Callable[[Sent, Any, random.Random], Sent]
KINDS: Final[tuple[Kind, ...]] = (_another, _renamed, _twice, _bytes, _odd, _headers, _elsewhere)
