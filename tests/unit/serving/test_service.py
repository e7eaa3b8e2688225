"""The service: notes in, the rows of `predict` out; limits, a full queue, an end in order; a note is quoted nowhere."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from urllib.request import Request, urlopen

import numpy as np
import pytest

from chartune.errors import ConfigError, RunError
from chartune.log import Event, listening
from chartune.prediction.scorer import Reading
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.bank_file import BankFile, bank_of, named_runs
from chartune.serving.listening import must_be_guarded
from chartune.serving.metrics import Metrics
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.serving.waiting import Answer, ClosedError, FullError
from chartune.stages.predicting import predict
from chartune.store import Store
from chartune.testing.asked import PART, ask
from chartune.testing.served_runs import Served, notes

RARE: Final = "zebrafinch"
SMALL: Final = Limits(body=4000, notes=6, tokens=400, queue=800)


@pytest.fixture(scope="module")
def store(served: Served) -> Store:
    return served.store


@pytest.fixture(scope="module")
def bank(store: Store) -> Bank:
    return bank_of(named_runs(["rslora", "pairs"], store), store)


@pytest.fixture(scope="module")
def app(bank: Bank) -> Iterator[Any]:
    queue = Queue(bank, SMALL.queue)
    yield service(bank, SMALL, queue)
    queue.close()


def test_rows_are_those_of_predict(app: Any, store: Store) -> None:
    texts = notes(4, seed=3)
    said = ask(app, "POST", "/v1/score", {"notes": [{"text": text} for text in texts], "tasks": ["rslora"]})
    assert said.status == 200, said.text
    expected = predict("rslora", texts, store=store)
    assert [row["id"] for row in said.body["rows"]] == [1, 2, 3, 4]
    for row, own in zip(said.body["rows"], expected.to_dicts(), strict=True):
        assert row.pop("task") == "rslora"
        assert row.keys() == own.keys()
        for name, value in own.items():
            assert row[name] == (pytest.approx(value, abs=5e-6) if isinstance(value, float) else value), name


def test_pairs_are_scored_and_a_task_says_what_it_is(app: Any) -> None:
    pair = {"id": "a", "text": "fever", "text_pair": "no fever"}
    said = ask(app, "POST", "/v1/score", {"notes": [pair], "tasks": ["pairs"]})
    assert said.status == 200, said.text
    assert said.body["rows"][0]["id"] == "a"
    tasks = {task["name"]: task for task in ask(app, "GET", "/v1/tasks").body["tasks"]}
    assert tasks["pairs"]["pairs"] is True
    assert tasks["rslora"]["labels"] == ["afebrile", "septic", "stable"]
    assert (tasks["rslora"]["mixed"], tasks["rslora"]["precision"]) == (True, "fp32")
    assert ask(app, "GET", "/livez").status == ask(app, "GET", "/readyz").status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"notes": [{"text": RARE}], "tasks": [RARE]}, 404),
        ({"notes": [{"text": RARE}], "tasks": ["rslora", "rslora"]}, 422),
        ({"notes": [{"text": RARE}], "tasks": []}, 422),
        ({"notes": []}, 422),
        ({"notes": [{"text": RARE, RARE: RARE}]}, 422),
        ({"notes": [{"text": [RARE]}], RARE: 1}, 422),
        ({"notes": RARE}, 422),
        ({"notes": [{"text": "  "}], "tasks": ["rslora"]}, 422),
        ({"notes": [{"text": RARE, "text_pair": RARE}], "tasks": ["rslora"]}, 422),
        ({"notes": [{"text": RARE}], "tasks": ["pairs"]}, 422),
        ({"notes": [{"text": RARE}] * 7, "tasks": ["rslora"]}, 422),
        ({"notes": [{"text": RARE * 380}], "tasks": ["rslora"]}, 200),
        ({"notes": [{"text": RARE * 401}], "tasks": ["rslora"]}, 413),
        (b"{" + RARE.encode(), 422),
        (b"\xff\xfe" + RARE.encode(), 422),
    ],
)
def test_what_is_refused_is_refused_without_a_word_of_it(app: Any, body: Any, status: int) -> None:
    events: list[Event] = []
    with listening(events.append):
        said = ask(app, "POST", "/v1/score", *((None, body) if isinstance(body, bytes) else (body,)))
    assert said.status == status, said.text
    assert RARE not in said.text + str(said.headers) + str(events)


def test_of_a_body_that_is_too_long_the_rest_is_not_taken(app: Any) -> None:
    said = ask(app, "POST", "/v1/score", raw=b" " * (30 * PART))
    assert (said.status, said.unread) == (413, 30 - SMALL.body // PART - 1)


@pytest.mark.parametrize("body", [
    {"notes": [{"id": "\ud800", "text": "fever"}], "tasks": ["rslora"]}, {"notes": [{"text": "fever \udc00"}]},
    {"notes": [{"text": "fever"}], "tasks": ["\ud800"]}, {"text": "fever \ud83d", "task": "rslora"},
    {"text": "fever", "task": "rslora", "label": "\ud800"},
])  # fmt: skip
def test_half_a_character_is_refused(app: Any, body: dict[str, Any]) -> None:
    said = ask(app, "POST", "/v1/score" if "notes" in body else "/v1/explain", body)
    assert (said.status, said.body["error"][:13]) == (422, "the body must"), said.text


def test_there_is_nothing_else(app: Any) -> None:
    for method, path in (("GET", "/docs"), ("GET", f"/{RARE}"), ("GET", "/v1/score"), ("DELETE", "/v1/tasks")):
        said = ask(app, method, path)
        assert said.status in (404, 405)
        assert RARE not in said.text
    routes = ask(app, "GET", "/openapi.json").body["paths"]
    assert set(routes) == {
        "/livez", "/readyz", "/metrics", "/v1/tasks", "/v1/tasks/{name}", "/v1/score", "/v1/explain",
        "/admin/reload",
    }  # fmt: skip


class SlowBank:
    """A bank that reads when it is allowed to."""

    def __init__(self) -> None:
        self.go, self.read_together, self.broken = threading.Event(), list[int](), ""

    def read(self, asked: dict[str, list[str]]) -> dict[str, Reading]:
        assert self.go.wait(120)
        texts = asked["t"]
        self.read_together.append(len(texts))
        if self.broken in texts:
            raise ValueError(f"a library quotes {self.broken}")
        values = np.asarray([float(text) for text in texts])
        none = np.zeros(len(texts), dtype=np.int64)
        return {"t": Reading(values, none, none, none.astype(np.int32), none > 0)}


def values(answer: "Future[Answer]") -> list[float]:
    return list(answer.result(120)["t"].decided)


def begun(queue: Queue, bank: SlowBank) -> "Future[Answer]":
    """The first request, which is being read."""
    first = queue.submit({"t": ["0"]}, 1)
    while not first.running():
        time.sleep(0.001)
    return first


def test_what_waits_is_read_together_within_a_budget_and_each_gets_its_own() -> None:
    bank: Any = SlowBank()
    queue = Queue(bank, most_tokens=100, together=10)
    first = begun(queue, bank)
    others = [queue.submit({"t": [str(number), str(-number)]}, 4) for number in (1, 2, 3)]
    gone = queue.submit({"t": ["9"]}, 4)
    assert gone.cancel()
    bank.go.set()
    assert values(first) == [0]
    assert [values(other) for other in others] == [[1, -1], [2, -2], [3, -3]]
    queue.close()
    assert bank.read_together == [1, 4, 2]


def test_a_full_queue_says_when_to_come_again_and_all_that_was_accepted_is_answered() -> None:
    bank: Any = SlowBank()
    queue = Queue(bank, most_tokens=5000, together=10)
    first = begun(queue, bank)
    accepted = [queue.submit({"t": [str(number)]}, 2500, client=str(number)) for number in (1, 2)]
    with pytest.raises(FullError) as full:
        queue.submit({"t": ["3"]}, 1)
    assert full.value.retry_after == 5
    closing = threading.Thread(target=queue.close)
    closing.start()
    while queue.accepts:
        time.sleep(0.001)
    with pytest.raises(ClosedError):
        queue.submit({"t": ["4"]}, 1)
    bank.go.set()
    closing.join(120)
    assert not queue.alive
    assert [values(one) for one in (first, *accepted)] == [[0], [1], [2]]


def test_a_request_at_fault_fails_alone_and_its_error_quotes_nothing() -> None:
    bank: Any = SlowBank()
    bank.broken = RARE
    queue = Queue(bank, most_tokens=100)
    events: list[Event] = []
    with listening(events.append):
        first = begun(queue, bank)
        wrong, right = queue.submit({"t": [RARE]}, 1), queue.submit({"t": ["7"]}, 1)
        bank.go.set()
        assert values(first) + values(right) == [0, 7]
        with pytest.raises(RunError, match="ValueError") as failed:
            wrong.result(120)
        queue.close()
    assert RARE not in str(failed.value) + str(events)


def test_full_and_stopping_are_429_and_503_with_a_time_to_come_again(bank: Bank) -> None:
    def refuse(error: Exception) -> Any:
        def submit(*_: object, **__: object) -> None:
            raise error

        return SimpleNamespace(submit=submit, alive=True, accepts=False, metrics=Metrics())

    body = {"notes": [{"text": RARE}], "tasks": ["rslora"]}
    full = ask(service(bank, SMALL, refuse(FullError(7))), "POST", "/v1/score", body)
    assert (full.status, full.headers["retry-after"]) == (429, "7")
    stopping = service(bank, SMALL, refuse(ClosedError("it is stopping; ask another one.")))
    assert ask(stopping, "POST", "/v1/score", body).status == ask(stopping, "GET", "/readyz").status == 503


def test_only_this_machine_is_listened_to() -> None:
    for host in ("0.0.0.0", "10.1.2.3", "::", "example.org"):
        with pytest.raises(ConfigError, match="of this machine alone"):
            must_be_guarded(host, keyed=False)
        must_be_guarded(host, keyed=True)
    for host in ("127.0.0.1", "::1", "localhost"):
        must_be_guarded(host, keyed=False)


def test_a_bank_file_names_tasks_and_what_does_not_fit_is_refused(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "bank.yaml"
    file.write_text("tasks:\n  stay: {run: rslora, pinned: true}\n", encoding="utf-8")
    assert [task.name for task in bank_of(BankFile.read(file), store).tasks] == ["stay"]
    with pytest.raises(ConfigError, match="name of its own"):
        named_runs(["rslora", "rslora"], store)


@pytest.mark.slow
def test_a_signal_under_load_loses_nothing_that_was_accepted(store: Store) -> None:
    command = [sys.executable, "-m", "chartune", "serve", "rslora", "--port", "0", "--json", "--store", str(store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            lines = iter(process.stdout.readline, "}\n")
            address = json.loads("".join(lines) + "}")["address"]
            body = json.dumps({"notes": [{"text": f"{RARE} {text}"} for text in notes(200, seed=1)]}).encode()
            answers: list[int] = []

            def ask_once() -> None:
                request = Request(f"{address}/v1/score", body, {"Content-Type": "application/json"})
                with urlopen(request, timeout=120) as answer:
                    answers.append(len(json.load(answer)["rows"]))

            clients = [threading.Thread(target=ask_once) for _ in range(12)]
            for client in clients:
                client.start()
            while not answers:  # all have been accepted when one is answered
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=120)
            for client in clients:
                client.join(120)
            assert answers == [200] * 12
            assert process.returncode == 0
            assert RARE not in "".join(said)
        finally:
            process.kill()
