"""The bank's file, read again while it is asked: one version answers a request; a bad file changes nothing."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from chartune.errors import ConfigError
from chartune.serving.asked import Limits
from chartune.serving.audit import AuditLog
from chartune.serving.bank import Bank
from chartune.serving.bank_file import BankFile, bank_of
from chartune.serving.mixing import Beside
from chartune.serving.queue import Queue
from chartune.serving.reloading import Reloading
from chartune.serving.service import service
from chartune.serving.task import read_mixed
from chartune.testing.asked import ask
from chartune.testing.served_runs import Served, notes

TEXTS = notes(3, seed=8)
BODY = {"notes": [{"text": text} for text in TEXTS], "tasks": ["stay"]}


class Running(NamedTuple):
    app: Any
    bank: Bank
    file: Path
    log: Path


def written(file: Path, **runs: str) -> Path:
    file.write_text("tasks:\n" + "".join(f"  {name}: {{run: {run!r}}}\n" for name, run in runs.items()))
    return file


@pytest.fixture
def running(served: Served, tmp_path: Path) -> Iterator[Running]:
    file = written(tmp_path / "bank.yaml", stay="rslora", pairs="pairs")
    bank, log = bank_of(BankFile.read(file), served.store), AuditLog(tmp_path / "audit.jsonl")
    queue = Queue(bank, 10**6)
    yield Running(service(bank, Limits(), queue, reloading=Reloading(bank, file, log)), bank, file, log.file)
    queue.close()
    log.close()


def answer(running: Running) -> tuple[str, list[list[float]]]:
    """The run that answered, and the probabilities."""
    said = ask(running.app, "POST", "/v1/score", BODY)
    assert said.status == 200, said.text
    rows = said.body["rows"]
    (model,) = {row["model"] for row in rows}
    return model, [[value for name, value in row.items() if name.startswith("p")] for row in rows]


def reloaded(running: Running) -> Any:
    return ask(running.app, "POST", "/admin/reload")


def test_a_task_is_replaced_another_is_let_go_and_a_third_stays(running: Running, served: Served) -> None:
    before = answer(running)
    pairs = next(task for task in running.bank.tasks if task.name == "pairs")
    written(running.file, stay="second head", pairs="pairs", further="lora")
    assert reloaded(running).body == {"loaded": ["further", "stay"], "evicted": [], "kept": ["pairs"]}
    after = answer(running)
    assert (before[0], after[0]) == (served.runs["rslora"].fingerprint, served.runs["second head"].fingerprint)
    assert before[1] != after[1]
    assert pairs in running.bank.tasks
    written(running.file, stay="rslora")
    assert reloaded(running).body == {"loaded": ["stay"], "evicted": ["further", "pairs"], "kept": []}
    assert answer(running) == before
    assert 'chartune_reloads_total{outcome="done"} 2' in ask(running.app, "GET", "/metrics").text
    assert '"event": "reloaded", ' in running.log.read_text()


def test_a_file_that_cannot_be_served_leaves_the_bank_as_it_was(running: Running) -> None:
    before, tasks = answer(running), running.bank.tasks
    for content in ("tasks: {stay: {run: nobody}, pairs: {run: lora}}", "tasks: {}", "tasks: [",
                    "{tasks: {stay: {run: lora}}, most_mebibytes: 0}"):  # fmt: skip
        running.file.write_text(content)
        said = reloaded(running)
        assert said.status == 409, content
        assert said.body["error"].startswith("the bank is as it was: ")
        assert running.bank.tasks == tasks
    assert answer(running) == before
    assert 'chartune_reloads_total{outcome="refused"} 4' in ask(running.app, "GET", "/metrics").text


def test_what_does_not_fit_is_refused_before_anything_changes(running: Running, served: Served) -> None:
    tasks = running.bank.tasks
    with pytest.raises(ConfigError, match="must fit into most_mebibytes"):
        running.bank.exchange({"stay": served.runs["lora"]}, [], 10)
    assert running.bank.tasks == tasks
    running.bank.exchange({"stay": served.runs["lora"]}, ["stay"], 10**7)
    with pytest.raises(ConfigError, match="pinned"):
        running.bank.evict("stay")


def test_a_request_that_has_begun_is_answered_by_what_it_began_with_and_then_it_is_let_go(running: Running) -> None:
    bank = running.bank
    expected = bank.read({"stay": TEXTS})["stay"].decided
    with bank.held(lambda: [task for task in bank.tasks if task.name == "stay"]) as (old,):
        written(running.file, stay="second head")
        assert reloaded(running).status == 200
        both = bank.read({old.handle: TEXTS, "stay": TEXTS})
        assert np.allclose(both[old.handle].decided, expected, atol=1e-6)
        assert not np.allclose(both["stay"].decided, expected, atol=1e-3)
    with pytest.raises(ConfigError, match="must be loaded"):
        bank.read({old.handle: TEXTS})
    assert old.mixed
    changes = [matrix.changes for matrix in old.mixed.module.modules() if isinstance(matrix, Beside)]
    assert changes
    assert not any(old.handle in each for each in changes)


def test_under_load_every_answer_is_of_one_version(running: Running) -> None:
    first = answer(running)
    written(running.file, stay="second head")
    reloaded(running)
    second, ends = answer(running), threading.Event()
    known, answers = dict([first, second]), list[tuple[str, Any]]()

    def asking() -> None:
        while not ends.is_set():
            answers.append(answer(running))

    clients = [threading.Thread(target=asking) for _ in range(3)]
    for one in clients:
        one.start()
    for run in ("rslora", "second head") * 2:
        written(running.file, stay=run)
        assert reloaded(running).status == 200
    ends.set()
    for one in clients:
        one.join()
    assert {model for model, _ in answers} == set(known)
    for model, probabilities in answers:
        assert np.allclose(probabilities, known[model], atol=2e-6)


def test_nobody_waits_for_a_batch_to_know_which_tasks_there_are(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(*asked: Any) -> Any:
        begun.set()
        assert go.wait(20)
        return read_mixed(*asked)

    monkeypatch.setattr("chartune.serving.bank.read_mixed", slow)
    made: list[Any] = []
    reading = threading.Thread(target=lambda: made.append(running.bank.read({"stay": TEXTS})))
    reading.start()
    assert begun.wait(20)
    looked = threading.Thread(target=lambda: made.append([task.name for task in running.bank.tasks]))
    looked.start()
    looked.join(10)
    running.bank.evict("stay")
    assert made == [["pairs", "stay"]]
    go.set()
    reading.join(20)
    assert len(made[1]["stay"].decided) == 3
    assert [task.name for task in running.bank.tasks] == ["pairs"]


def test_a_bank_without_a_file_says_so(running: Running) -> None:
    queue = Queue(running.bank, 100)
    said = ask(service(running.bank, Limits(), queue), "POST", "/admin/reload")
    queue.close()
    assert (said.status, "must have a file" in said.body["error"]) == (409, True)
