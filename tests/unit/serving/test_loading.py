"""Loading beside reading: a run is checked while others answer, and answers from one batch to the next."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chartune.adapters.merged import merged
from chartune.errors import ChartuneError, ConfigError
from chartune.runs.run import Run
from chartune.serving import admitting as module
from chartune.serving.bank import Bank
from chartune.serving.candidate import shared_adapter
from chartune.serving.mixing import Beside, MixedBody
from chartune.stages.loading import Loaded
from chartune.store import Store
from chartune.testing.attacked_adapters import attacked
from chartune.testing.served_runs import Served, notes


class Held:
    """A check that waits, with the layers of the run in the matrices of its body."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, loaded: Loaded, _: Store) -> bool:
        with merged(loaded.model.body):
            self.begun.set()
            assert self.go.wait(20)
        return True


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held()
    monkeypatch.setattr(module, "must_repeat", made)
    yield made
    made.go.set()


def loading(bank: Bank, run: Run, held: Held) -> tuple[threading.Thread, list[Exception]]:
    """A thread that has come as far as the check."""
    failed: list[Exception] = []

    def load() -> None:
        try:
            bank.load(run)
        except ChartuneError as error:
            failed.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    assert held.begun.wait(20)
    return thread, failed


def test_others_answer_as_before_while_a_run_is_loaded(served: Served, held: Held) -> None:
    runs, texts = served.runs, notes(3, seed=4)
    bank = Bank(served.store, shared=shared_adapter(list(runs.values())))
    held.go.set()
    for name in ("lora", "dora"):
        bank.load(runs[name])
    held.go.clear()
    held.begun.clear()
    before, alone = bank.read({"lora": texts, "dora": texts}), bank.scorer("lora").decided(texts)
    for name in ("rslora", "own clinical"):
        thread, failed = loading(bank, runs[name], held)
        during = bank.read({"lora": texts, "dora": texts})
        assert all(np.array_equal(during[task].decided, before[task].decided) for task in before)
        assert name not in [task.name for task in bank.tasks]
        with pytest.raises(ConfigError, match="must be loaded"):
            bank.read({name: texts})
        held.go.set()
        thread.join(20)
        assert not failed
        assert bank.read({name: texts})[name].decided.size
        held.go.clear()
        held.begun.clear()
    assert np.array_equal(bank.scorer("lora").decided(texts), alone)


def test_evicting_waits_for_no_load_and_every_body_is_let_go_of_in_the_end(served: Served, held: Held) -> None:
    runs = served.runs
    bank = Bank(served.store, shared=shared_adapter(list(runs.values())))
    held.go.set()
    bank.load(runs["rslora"])
    mixing = bank.nbytes - bank.tasks[0].nbytes
    bank.load(runs["dora"])
    held.go.clear()
    held.begun.clear()
    thread, failed = loading(bank, runs["lora"], held)
    bank.evict("dora")
    bank.evict("rslora")
    assert not bank.tasks
    held.go.set()
    thread.join(20)
    assert not failed
    assert [task.name for task in bank.tasks] == ["lora"]
    assert bank.nbytes == mixing + bank.tasks[0].nbytes
    assert bank.read({"lora": notes(2, seed=1)})["lora"].decided.shape == (2,)


def test_a_lora_is_tried_in_a_body_that_nobody_reads_with(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    bank, tried = Bank(served.store), list[object]()

    def refused(body: MixedBody, *_: object) -> str:
        tried.append(body)
        return "not at all"

    mixed = bank.load(served.runs["lora"]).mixed
    monkeypatch.setattr(module, "must_mix", refused)
    assert bank.load(served.runs["lora"], "again").apart == "not at all"
    assert mixed is not None
    assert tried
    assert tried != [mixed]
    matrices = [each for each in mixed.module.modules() if isinstance(each, Beside)]
    assert not any("again" in handle for each in matrices for handle in each.changes)


def test_making_room_keeps_the_body_of_the_run_that_comes(served: Served) -> None:
    bank, texts = Bank(served.store), notes(2, seed=1)
    task = bank.load(served.runs["lora"], "first")
    body, bank.most_bytes = bank.nbytes - task.nbytes, task.nbytes
    bank.load(served.runs["lora"], "second")
    assert [task.name for task in bank.tasks] == ["second"]
    assert bank.nbytes == body + task.nbytes
    bank.most_bytes = None
    third = bank.load(served.runs["lora"], "third")
    assert third.mixed is bank.tasks[0].mixed
    made = bank.read({"second": texts, "third": texts})
    assert np.allclose(made["second"].decided, made["third"].decided, atol=1e-6)


def test_a_run_that_is_refused_leaves_nothing_behind(served: Served, tmp_path: Path) -> None:
    bank = Bank(served.store)
    bank.load(served.runs["lora"])
    before = bank.nbytes
    with pytest.raises(ChartuneError):
        bank.load(Run(attacked(served.runs["lora"].path, tmp_path, "no number", 1)), "attacked")
    with pytest.raises(ChartuneError):
        bank.load(Run(attacked(served.runs["own clinical"].path, tmp_path, "swapped head", 2)), "attacked")
    assert bank.nbytes == before
