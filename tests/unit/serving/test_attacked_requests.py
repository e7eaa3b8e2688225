"""Attacked requests: none is answered 500, and no word of one comes back, is logged, or stands in the audit log."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from chartune.log import Event, listening
from chartune.serving.asked import Limits
from chartune.serving.audit import AuditLog
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.testing.asked import Said, ask
from chartune.testing.attacked_requests import KINDS, SECRET, attacked_request
from chartune.testing.served_runs import Served

TASKS = ["rslora", "lora"]
SMALL = Limits(body=4096, notes=6, tokens=2000, queue=4000)


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="module")
def app(served: Served, audit: Path) -> Iterator[Any]:
    bank = bank_of(named_runs(TASKS, served.store), served.store)
    queue = Queue(bank, SMALL.queue)
    yield service(bank, SMALL, queue, None, AuditLog(audit))
    queue.close()


def must_be_refused_in_order(app: Any, audit: Path, caplog: pytest.LogCaptureFixture, seeds: range) -> set[int]:
    document, statuses = ask(app, "GET", "/openapi.json").body, set[int]()
    events: list[Event] = []
    with listening(events.append), caplog.at_level(logging.DEBUG):
        for seed in seeds:
            sent = attacked_request(document, TASKS, seed)
            said = ask(app, sent.method, sent.path, None, sent.raw, sent.headers)
            statuses.add(said.status)
            assert said.status < 500, (seed, said.text)
            assert SECRET not in _without_ids(said) + str(said.headers), seed
    assert SECRET not in str(events) + caplog.text + audit.read_text(encoding="utf-8")
    return statuses


def _without_ids(said: Said) -> str:
    """What was answered beside the ids of notes, which come back as they are meant to."""
    if said.status != 200 or not isinstance(said.body, dict):
        return said.text
    rows = [{name: value for name, value in row.items() if name != "id"} for row in said.body.get("rows", ())]
    return json.dumps({**said.body, "rows": rows})


def test_fifty_attacked_requests(app: Any, audit: Path, caplog: pytest.LogCaptureFixture) -> None:
    statuses = must_be_refused_in_order(app, audit, caplog, range(8 * len(KINDS)))
    assert statuses >= {200, 404, 413, 422}


@pytest.mark.slow
def test_a_thousand_attacked_requests(app: Any, audit: Path, caplog: pytest.LogCaptureFixture) -> None:
    must_be_refused_in_order(app, audit, caplog, range(1000, 2000))


@pytest.fixture(scope="module")
def port(app: Any) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


POST = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
NOTE = b'{"notes": [{"text": "' + SECRET.encode() + b' fever"}], "tasks": ["rslora"]}'
CHUNKS = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (NOTE[:9], NOTE[9:]))
RAW = {
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"0\r\n\r\n", b"200"),
    "chunks that are too many": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS * 300 + b"0\r\n\r\n", b"413"),
    "a chunk of no size": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + NOTE, b"400"),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 90\r\n\r\n" + NOTE, b"400"),
    "a length that is none": (POST + b"Content-Length: -3\r\n\r\n" + NOTE, b"400"),
    "a flood of headers": (POST + b"X-A: " + SECRET.encode() * 20000 + b"\r\n\r\n", b"400"),
    "no HTTP": (SECRET.encode() + b"\r\n\r\n", b"400"),
    "bytes": (bytes(range(256)) * 4 + b"\r\n\r\n", b"400"),
}  # fmt: skip


@pytest.mark.parametrize("kind", RAW)
def test_what_is_no_request_is_refused_and_the_next_is_answered(
    kind: str, port: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    raw, status = RAW[kind]
    said = _said(port, raw)
    assert said.split(b" ", 2)[1] == status, said
    assert _said(port, POST + b"Content-Length: %d\r\n\r\n" % len(NOTE) + NOTE).split(b" ", 2)[1] == b"200"
    assert SECRET not in said.decode("latin-1") + "".join(capfd.readouterr()) + caplog.text


def _said(port: int, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        said = b""
        try:
            connection.sendall(raw)
            while part := connection.recv(65536):
                said += part
        except (BrokenPipeError, ConnectionResetError):  # it was refused before all was sent
            pass
        return said
