"""Over real connections: who hangs up leaves the queue; stops and kills lose and change nothing that was accepted."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import uvicorn

from chartune.prediction.scorer import Reading
from chartune.serving.asked import Limits
from chartune.serving.audit import verified
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.keys import new_key
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.testing.served_runs import Served, notes

PATIENCE: Final = 120.0
"""Seconds after which a wait is given up."""


def until(happened: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


class HeldBank:
    """A bank that reads when it is let."""

    def __init__(self) -> None:
        self.go, self.texts = threading.Event(), list[str]()

    def read(self, asked: dict[str, list[str]]) -> dict[str, Reading]:
        assert self.go.wait(PATIENCE)
        ((task, texts),) = asked.items()
        self.texts += texts
        none = np.zeros(len(texts), dtype=np.int64)
        return {task: Reading(np.zeros((len(none), 3)), none, none, none.astype(np.int32), none > 0)}


@contextmanager
def listening_on_loopback(app: Any) -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            until(lambda: server.started)
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


def connected(port: int, text: str) -> socket.socket:
    """A connection that has sent a request, and reads nothing."""
    body = json.dumps({"notes": [{"text": text}]}).encode()
    head = (
        f"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall(head.encode() + body)
    return connection


def test_a_client_that_hangs_up_leaves_the_queue(served: Served) -> None:
    real, bank = bank_of(named_runs(["rslora"], served.store), served.store), HeldBank()
    held: Any = bank
    queue = Queue(held, 10_000)
    try:
        with listening_on_loopback(service(real, Limits(), queue)) as port:
            first = connected(port, "first")
            until(lambda: queue._reading)
            gone, stays = connected(port, "gone " * 30), connected(port, "stays")
            until(lambda: queue._turns.tokens > 24)  # a text is cut at 24
            gone.close()
            until(lambda: 0 < queue._turns.tokens < 24)
            bank.go.set()
            for connection in (first, stays):
                assert connection.recv(20).startswith(b"HTTP/1.1 200")
                connection.close()
        assert bank.texts == ["first", "stays"]
    finally:
        bank.go.set()
        queue.close()


class Process(NamedTuple):
    """A service in a process of its own."""

    popen: subprocess.Popen[str]
    address: str
    key: str

    def score(self, texts: list[str]) -> Any:
        """What it answers."""
        body = json.dumps({"notes": [{"id": number, "text": text} for number, text in enumerate(texts)]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        with urlopen(Request(f"{self.address}/v1/score", body, headers), timeout=PATIENCE) as answer:
            return json.load(answer)


@contextmanager
def process(served: Served, folder: Path, key: str) -> Iterator[Process]:
    bank = folder / "bank.yaml"
    bank.write_text("tasks: {one: {run: rslora}, two: {run: lora}, three: {run: dora}}\n", encoding="utf-8")
    command = [
        sys.executable, "-m", "chartune", "serve", "--bank", str(bank), "--keys", str(folder / "keys.yaml"), "--audit",
        str(folder / "audit.jsonl"), "--port", "0", "--json", "--store", str(served.store.root),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        try:
            assert popen.stdout
            lines = iter(popen.stdout.readline, "}\n")
            yield Process(popen, json.loads("".join(lines) + "}")["address"], key)
        finally:
            popen.kill()


def asking(service: Process, answers: list[Any], refused: list[int]) -> None:
    """Ask on and on, until nobody listens any more."""
    number = 0
    while True:
        number += 1
        try:
            answers.append(service.score(notes(20, seed=number)))
        except HTTPError as error:
            refused.append(error.code)
        except (URLError, OSError):
            return


@pytest.mark.slow
def test_a_stop_under_load_answers_all_that_was_accepted_and_the_audit_log_says_so(
    served: Served, tmp_path: Path
) -> None:
    key = new_key(tmp_path / "keys.yaml", "ward", "all", [])
    with process(served, tmp_path, key) as running:
        answers, refused = list[Any](), list[int]()
        clients = [threading.Thread(target=asking, args=(running, answers, refused)) for _ in range(8)]
        for client in clients:
            client.start()
        until(lambda: len(answers) > 16)
        running.popen.send_signal(signal.SIGTERM)
        said = running.popen.communicate(timeout=PATIENCE)
        for client in clients:
            client.join(PATIENCE)
    assert running.popen.returncode == 0, said
    assert all(len(answer["rows"]) == 3 * 20 for answer in answers)
    assert set(refused) <= {503}
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    recorded = {line["request"] for line in lines if line.get("status") == 200}
    assert recorded == {answer["request"] for answer in answers}  # each that was recorded was received, whole
    assert [line["event"] for line in lines if line["event"] != "request"] == ["started", "stopped"]
    assert verified(tmp_path / "audit.jsonl").lines == len(lines)


@pytest.mark.slow
def test_after_a_kill_the_same_bank_gives_the_same_answers_and_the_audit_log_goes_on(
    served: Served, tmp_path: Path
) -> None:
    key, texts = new_key(tmp_path / "keys.yaml", "ward", "all", []), notes(20, seed=99)
    audit = tmp_path / "audit.jsonl"
    with process(served, tmp_path, key) as running:
        before = running.score(texts)["rows"]
        answers = list[Any]()
        clients = [threading.Thread(target=asking, args=(running, answers, [])) for _ in range(4)]
        for client in clients:
            client.start()
        until(lambda: len(answers) > 4)
        running.popen.kill()
        for client in clients:
            client.join(PATIENCE)
    killed = verified(audit)
    recorded = {json.loads(line).get("request") for line in audit.read_bytes().splitlines()[: killed.lines]}
    assert {answer["request"] for answer in answers} <= recorded  # nothing was answered unrecorded
    with process(served, tmp_path, key) as running:
        assert running.score(texts)["rows"] == before
        running.popen.send_signal(signal.SIGTERM)
        assert running.popen.wait(PATIENCE) == 0
    assert verified(audit, killed.head).lines >= killed.lines + 3  # started, request, stopped


@pytest.mark.slow
def test_a_hangup_reads_the_bank_file_again_under_load_and_loses_no_request(served: Served, tmp_path: Path) -> None:
    key, texts = new_key(tmp_path / "keys.yaml", "ward", "all", []), notes(20, seed=98)
    with process(served, tmp_path, key) as running:
        before = {row["model"] for row in running.score(texts)["rows"] if row["task"] == "one"}
        answers, refused = list[Any](), list[int]()
        clients = [threading.Thread(target=asking, args=(running, answers, refused)) for _ in range(4)]
        for client in clients:
            client.start()
        until(lambda: len(answers) > 4)
        (tmp_path / "bank.yaml").write_text("tasks: {one: {run: second head}, two: {run: lora}}\n", encoding="utf-8")
        running.popen.send_signal(signal.SIGHUP)
        until(lambda: len(answers[-1]["rows"]) == 2 * 20)
        (tmp_path / "bank.yaml").write_text("tasks: {one: {run: nobody}}\n", encoding="utf-8")
        running.popen.send_signal(signal.SIGHUP)  # refused, and all is as it was
        count = len(answers)
        until(lambda: len(answers) > count + 8)
        running.popen.send_signal(signal.SIGTERM)
        said = running.popen.communicate(timeout=PATIENCE)[1]
        for client in clients:
            client.join(PATIENCE)
    assert running.popen.returncode == 0, said
    assert set(refused) <= {503}
    assert {len(answer["rows"]) for answer in answers} == {2 * 20, 3 * 20}
    models = {row["model"] for answer in answers for row in answer["rows"] if row["task"] == "one"}
    assert models == {*before, served.runs["second head"].fingerprint}
    assert "2 loaded" in said or "1 loaded" in said
    assert "the bank is as it was" in said or "could not be loaded" in said
