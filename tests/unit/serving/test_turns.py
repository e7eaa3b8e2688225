"""Turns, deadlines and drops: nobody is starved, nobody is read in vain; all with a bank that reads when it is let."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest

from chartune.errors import RunError
from chartune.notes.text_pair import TextPair
from chartune.prediction.scorer import Reading
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.keys import Keys, new_key
from chartune.serving.metrics import Metrics
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.serving.turns import Turns
from chartune.serving.waiting import Answer, FullError, LateError, Waiting
from chartune.testing.asked import ask
from chartune.testing.served_runs import Served

SCORED: Final[dict[str, Any]] = {"notes": [{"text": "a fall"}], "tasks": ["rslora"]}


class LetBank:
    """A bank that reads one batch each time it is let, and says what was in it."""

    def __init__(self) -> None:
        self.let, self.batches = threading.Semaphore(0), list[dict[str, list[str]]]()

    def read(self, asked: Mapping[str, Sequence[str]]) -> dict[str, Reading]:
        assert self.let.acquire(timeout=120)
        self.batches.append({task: list(texts) for task, texts in asked.items()})
        return {task: _read(texts) for task, texts in asked.items()}

    def order(self) -> list[str]:
        return [text for batch in self.batches for texts in batch.values() for text in texts]


def _read(texts: Sequence[str]) -> Reading:
    none, values = np.zeros(len(texts), dtype=np.int64), np.asarray([sum(text.encode()) for text in texts], dtype=float)
    return Reading(values, none, none, none.astype(np.int32), none > 0)


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bank() -> Any:
    return LetBank()


def blocked(queue: Queue, tokens: int = 1) -> "Future[Answer]":
    """A request that is being read."""
    first = queue.submit({"t": ["first"]}, tokens, client="first")
    while not first.running():
        time.sleep(0.001)
    return first


def finished(queue: Queue, bank: LetBank) -> list[str]:
    """In which order texts were read."""
    for _ in range(200):
        bank.let.release()
    queue.close()
    return bank.order()[1:]


def test_a_client_with_many_requests_does_not_stand_in_front_of_others(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=10)
    blocked(queue)
    for number in range(6):
        queue.submit({"t": [f"bulk {number}"]}, 10, client="bulk")
    for number in range(2):
        queue.submit({"t": [f"ward {number}"]}, 10, client="ward")
    queue.submit({"t": ["late"]}, 10, client="other")
    order = finished(queue, bank)
    assert order == ["bulk 0", "ward 0", "late", "bulk 1", "ward 1", "bulk 2", "bulk 3", "bulk 4", "bulk 5"]


def test_turns_are_by_tokens_and_not_by_requests(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=40)
    blocked(queue)
    for number in range(3):
        queue.submit({"t": [f"large {number}"]}, 40, client="large")
    for number in range(6):
        queue.submit({"t": [f"small {number}"]}, 10, client="small")
    order = finished(queue, bank)
    assert order[:6] == ["large 0", "small 0", "small 1", "small 2", "small 3", "large 1"]


def test_a_client_takes_turns_between_its_tasks_and_has_no_more_for_asking_several(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=10)
    blocked(queue)
    for task in ("a", "a", "a", "b"):
        queue.submit({task: [f"one {task}"]}, 10, client="one")
    for _ in range(4):
        queue.submit({"t": ["two"]}, 10, client="two")
    assert finished(queue, bank) == ["one a", "two", "one b", "two", "one a", "two", "one a", "two"]


def test_who_comes_back_has_not_saved_up_turns_and_who_leaves_has_not_lost_what_it_had(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=10)
    blocked(queue)
    queue.submit({"t": ["idle 0"]}, 10, client="idle")
    busy = [queue.submit({"t": [f"busy {number}"]}, 10, client="busy") for number in range(8)]
    for _ in range(6):  # first, idle, busy 0 to 3
        bank.let.release()
    while not busy[4].running():
        time.sleep(0.001)
    for number in range(1, 4):
        queue.submit({"t": [f"idle {number}"]}, 10, client="idle")
    order = finished(queue, bank)
    assert order[6:] == ["busy 5", "idle 1", "busy 6", "idle 2", "busy 7", "idle 3"]


def test_new_clients_do_not_overtake_for_ever_and_are_forgotten() -> None:
    turns, names = Turns(), list[str]()

    def add(client: str) -> None:
        turns.add(Waiting({"t": [client]}, 10, 0.0, 0.0, client, len(names) + turns.tokens))

    def take() -> None:
        one = turns.take()
        assert one is not None
        names.append(one.client)

    for client in ("old", "other", "third"):
        add(client)
    take()
    add("old")  # has had a turn already
    for number in range(20):
        add(f"new {number}")
        take()
    assert names[0] == "old"
    assert "old" in names[1:8]
    while turns:
        take()
    assert not turns._turns.served
    assert turns.tokens == 0


def test_who_leaves_and_comes_back_at_once_has_still_had_its_turn() -> None:
    turns = Turns()
    for number, (client, tokens) in enumerate([("heavy", 100), *[("ward", 10)] * 8, ("heavy", 100)]):
        turns.add(Waiting({"t": [client]}, tokens, 0.0, 0.0, client, number))
        if number == 8:
            first = turns.take()  # heavy waits no more
            assert first is not None
            assert first.client == "heavy"
    order = [one.client for one in iter(turns.take, None)]
    assert order == ["ward"] * 8 + ["heavy"]


def test_a_large_request_is_passed_by_what_fits_and_is_next_in_an_empty_batch(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=10)
    blocked(queue)
    queue.submit({"t": ["a"]}, 4, client="a")
    queue.submit({"t": ["large"]}, 50, client="large")
    for number in range(3):
        queue.submit({"t": [f"b {number}"]}, 3, client="b")
    finished(queue, bank)
    assert [batch["t"] for batch in bank.batches] == [["first"], ["a", "b 0", "b 1"], ["large"], ["b 2"]]


def test_a_large_request_is_read_in_parts_with_others_between_them_and_answered_as_one(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=10)
    blocked(queue)
    texts = [f"large {number}" for number in range(7)]
    large = queue.submit({"t": texts, "u": ["one", "two"]}, 36, client="large")
    ward = queue.submit({"t": ["ward"]}, 10, client="ward")
    order = finished(queue, bank)
    assert order[:3] == ["large 0", "ward", "large 1"]
    assert large.result(120)["t"].decided.tolist() == _read(texts).decided.tolist()
    assert large.result(120)["u"].decided.tolist() == _read(["one", "two"]).decided.tolist()
    assert ward.done()
    assert [sum(map(len, batch.values())) for batch in bank.batches] == [1, 1, 1, 3, 2, 3]


def test_a_large_request_that_is_given_up_or_fails_is_not_read_further(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=10)
    blocked(queue)
    gone = queue.submit({"t": ["gone"] * 5}, 50, client="gone")
    fails = queue.submit({"t": ["ok", "ok", None, "ok", "ok"]}, 50, client="fails")  # type: ignore[list-item]
    assert gone.cancel()
    order = finished(queue, bank)
    assert "gone" not in order
    with pytest.raises(RunError):
        fails.result(120)
    assert order.count("ok") == 2
    assert queue._turns.tokens == 0


def test_an_answer_that_cannot_be_handed_out_fails_alone_and_the_queue_reads_on(bank: Any) -> None:
    queue = Queue(bank, 100)
    read = bank.read
    bank.read = lambda asked: {task: made for task, made in read(asked).items() if task != "lost"}
    first = blocked(queue)
    lost, beside = (queue.submit({task: ["note"]}, 1, client=task) for task in ("lost", "kept"))
    finished(queue, bank)
    assert first.result(120)
    with pytest.raises(RunError, match="KeyError"):
        lost.result(120)
    assert list(beside.result(120)) == ["kept"]


def test_a_client_fills_half_of_the_queue_and_others_find_room(bank: Any) -> None:
    queue = Queue(bank, 100, together=10)
    blocked(queue)
    queue.submit({"t": ["bulk"]}, 30, client="bulk")
    queue.submit({"t": ["bulk"]}, 20, client="bulk")
    with pytest.raises(FullError):
        queue.submit({"t": ["bulk"]}, 1, client="bulk")
    queue.submit({"t": ["ward"]}, 50, client="ward")
    with pytest.raises(FullError):
        queue.submit({"t": ["third"]}, 1, client="third")
    finished(queue, bank)


def test_what_is_not_begun_before_its_deadline_is_not_read(bank: Any) -> None:
    clock = Clock()
    queue = Queue(bank, 10_000, together=10, clock=clock)
    first = blocked(queue)
    late = queue.submit({"t": ["late"]}, 4, client="a", seconds=5)
    timely = queue.submit({"t": ["timely"]}, 4, client="a", seconds=6)
    never = queue.submit({"t": ["never"]}, 4, client="a")
    clock.now = 5.5
    for _ in range(3):  # nobody joins the one that has half a second left
        bank.let.release()
    assert [each.result(120)["t"].decided.shape for each in (first, timely, never)] == [(1,)] * 3
    with pytest.raises(LateError, match="before its deadline"):
        late.result(120)
    assert "late" not in finished(queue, bank)


def test_a_request_that_would_wait_too_long_is_refused_with_the_time_to_come_again(bank: Any) -> None:
    clock = Clock()
    queue = Queue(bank, 100_000, together=100, clock=clock)
    queue.submit({"t": ["measured"]}, 500)
    time.sleep(0)
    clock.now = 0.0
    first = bank
    while not queue._reading:
        time.sleep(0.001)
    clock.now = 5.0  # 500 tokens in 5 seconds
    first.let.release()
    while queue._reading:
        time.sleep(0.001)
    assert queue.rate == 100
    blocked(queue, tokens=300)  # 3 seconds
    with pytest.raises(FullError) as full:
        queue.submit({"t": ["x"]}, 1, client="ward", seconds=0.5)
    assert full.value.retry_after == 3
    queue.submit({"t": ["bulk"] * 50}, 5000, client="bulk")
    with pytest.raises(FullError):
        queue.submit({"t": ["ward"]}, 100, client="ward", seconds=4.9)
    queue.submit({"t": ["ward"]}, 100, client="ward", seconds=5.1)  # 300, 100 of the bulk, and itself
    with pytest.raises(FullError) as full:
        queue.submit({"t": ["ward"]}, 100, client="ward", seconds=5.1)  # 300 + 100 + 200 + 100: 7 seconds
    assert full.value.retry_after == 2
    with pytest.raises(FullError) as full:
        queue.submit({"t": ["bulk"]}, 100, client="bulk", seconds=50)  # 300 + 5000 + 100 + 100: 55 seconds
    assert full.value.retry_after == 5
    finished(queue, bank)


def measured(bank: Any, clock: Clock, **more: Any) -> Queue:
    """A queue that has read 500 tokens in 5 seconds, and reads 300 now."""
    queue = Queue(bank, 100_000, clock=clock, **more)
    blocked(queue, tokens=500)
    clock.now = 5.0
    read_one(queue, bank)
    blocked(queue, tokens=300)
    return queue


def read_one(queue: Queue, bank: Any) -> None:
    """Let a batch be read, until the queue has learnt from it."""
    before = queue._read
    bank.let.release()
    while queue._read == before:
        time.sleep(0.001)


def test_a_request_that_goes_first_is_counted_as_a_whole_and_one_that_has_had_its_turn_is_not(bank: Any) -> None:
    queue = measured(bank, Clock(), together=100)
    queue.submit({"t": ["long"]}, 1000, client="other")
    with pytest.raises(FullError):
        queue.submit({"t": ["short"]}, 10, client="ward", seconds=13)  # 300 + 1000 + 10
    queue.submit({"t": ["short"]}, 10, client="ward", seconds=13.2)
    turns = Turns()
    turns.add(Waiting({"t": ["a"]}, 10, 0.0, 0.0, "bulk", 1))
    turns.add(Waiting({"t": ["a"]}, 10, 0.0, 0.0, "bulk", 2))
    turns.add(Waiting({"t": ["b"]}, 10, 0.0, 0.0, "ward", 3))
    assert turns.take() is not None  # bulk has had 10, and whoever comes now 5
    assert (turns.ahead("new"), turns.ahead("ward")) == (10, 20)
    finished(queue, bank)


def test_nobody_is_made_late_by_those_who_are_read_with_them(bank: Any) -> None:
    clock = Clock()
    queue = measured(bank, clock, together=1000)
    queue.submit({"t": ["urgent"]}, 100, client="a", seconds=5)
    for name in "bcd":
        queue.submit({"t": [name]}, 90, client=name)
    clock.now = 8.0  # the urgent one has two seconds left, in which 200 tokens are read
    finished(queue, bank)
    assert [batch["t"] for batch in bank.batches[2:]] == [["urgent", "b"], ["c", "d"]]


def test_the_time_by_which_answers_were_late_is_kept_back_from_deadlines(bank: Any) -> None:
    clock = Clock()
    queue = measured(bank, clock, together=100)  # foreseen at 8
    clock.now = 10.0
    read_one(queue, bank)
    assert queue.margin == 2.0
    blocked(queue, tokens=100)
    wait = 200 / queue.rate
    with pytest.raises(FullError):
        queue.submit({"t": ["x"]}, 100, client="ward", seconds=wait + 1.9)
    queue.submit({"t": ["x"]}, 100, client="ward", seconds=wait + 2.1)
    clock.now += 100 / queue.rate
    read_one(queue, bank)
    assert queue.margin == pytest.approx(1.96)
    finished(queue, bank)


def test_texts_that_wait_are_counted_by_their_bytes_too(bank: Any) -> None:
    queue = Queue(bank, 10_000, together=10, most_bytes=30_000)
    blocked(queue)
    queue.submit({"t": [TextPair("a" * 10_000, "b" * 10_000)]}, 1, client="a")
    with pytest.raises(FullError):
        queue.submit({"t": ["c" * 6_000], "u": ["c" * 6_000]}, 1, client="c")
    queue.submit({"t": ["c" * 6_000]}, 1, client="c")
    finished(queue, bank)
    assert queue._turns.nbytes == 0
    queue = Queue(bank, 10_000, most_bytes=10)
    assert queue.submit({"t": ["alone"]}, 1).result(20)
    queue.close()


def test_an_idle_queue_refuses_nobody_whatever_was_measured(bank: Any) -> None:
    clock = Clock()
    queue = Queue(bank, 100, clock=clock)
    queue.submit({"t": ["slow"]}, 1)
    while not queue._reading:
        time.sleep(0.001)
    clock.now = 1e6
    bank.let.release()
    while queue._reading:
        time.sleep(0.001)
    bank.let.release()
    assert queue.submit({"t": ["x"]}, 1000, seconds=1).result(120)["t"].decided.shape == (1,)
    queue.close()


def test_who_has_gone_makes_room_at_once(bank: Any) -> None:
    queue = Queue(bank, 100, together=10)
    blocked(queue)
    gone = [queue.submit({"t": ["gone"]}, 25, client=name) for name in "abcd"]
    with pytest.raises(FullError):
        queue.submit({"t": ["x"]}, 30, client="x")
    assert all(one.cancel() for one in gone)
    queue.submit({"t": ["x"]}, 30, client="x")
    assert finished(queue, bank) == ["x"]
    with pytest.raises(CancelledError):
        gone[0].result(120)


@pytest.fixture(scope="module")
def real(served: Served) -> Bank:
    return bank_of(named_runs(["rslora"], served.store), served.store)


def test_a_request_whose_deadline_is_over_is_answered_504(real: Bank, bank: Any) -> None:
    queue = Queue(bank, 10_000)
    app = service(real, Limits(deadline=0.05), queue)
    said = ask(app, "POST", "/v1/score", SCORED)  # is being read
    assert said.status == 504
    assert "before its deadline" in said.text
    assert ask(app, "POST", "/v1/score", {**SCORED, "deadline": 0.01}).status == 504  # waits
    assert queue._turns.tokens == 0
    for wrong in (0, -1, "1", 1e999):
        assert ask(app, "POST", "/v1/score", {**SCORED, "deadline": wrong}).status == 422
    bank.let.release()
    queue.close()
    assert len(bank.batches) == 1


def test_a_client_cannot_lengthen_the_deadline(real: Bank, bank: Any) -> None:
    queue = Queue(bank, 10_000)
    app = service(real, Limits(deadline=0.05), queue)
    assert ask(app, "POST", "/v1/score", {**SCORED, "deadline": 1000}).status == 504
    bank.let.release()
    queue.close()


def test_turns_are_between_keys_or_connections_and_time_runs_from_the_arrival(real: Bank, tmp_path: Path) -> None:
    given = list[tuple[str, float]]()

    def submit(asked: Any, tokens: int, *, client: str, seconds: float) -> "Future[Answer]":
        given.append((client, seconds))
        answer: Future[Answer] = Future()
        answer.set_result(real.read(asked))
        return answer

    keys = tmp_path / "keys.yaml"
    headers = {"Authorization": f"Bearer {new_key(keys, 'ward', 'all', [])}"}
    fake: Any = SimpleNamespace(submit=submit, metrics=Metrics())
    for app in (service(real, Limits(), fake), service(real, Limits(), _with_metrics(fake), Keys(keys))):
        for port in (5, 6):
            body = {**SCORED, "deadline": 9} if port == 6 else SCORED
            assert ask(app, "POST", "/v1/score", body, headers=headers, client=("127.0.0.1", port)).status == 200
    assert [client for client, _ in given] == ["127.0.0.1:5", "127.0.0.1:6", "ward", "ward"]
    assert [seconds < most for (_, seconds), most in zip(given, (300, 9, 300, 9), strict=True)] == [True] * 4
    assert [seconds > 9 for _, seconds in given] == [True, False] * 2


def _with_metrics(queue: Any) -> Any:
    """The same with metrics of its own: each service has its own."""
    return SimpleNamespace(submit=queue.submit, metrics=Metrics())
