"""Queue: requests wait for their turn, and are read together as far as a budget of tokens goes.

requests ─submit─▶ turns ─as many as the budget takes, none waited for─▶ bank.read ─▶ each its own answer

A request that is larger than the budget is read in parts, others between them. Nothing is waited for: what comes in
while the base is busy is read next. The bank puts texts of like length into one batch, whoever has asked.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final

from chartune.errors import ChartuneError, RunError
from chartune.log import say
from chartune.notes.text_pair import Text
from chartune.serving.bank import Bank
from chartune.serving.metrics import Metrics
from chartune.serving.parts import as_one, parts_of
from chartune.serving.turns import Turns
from chartune.serving.waiting import Answer, Asked, ClosedError, FullError, LateError, Waiting, bytes_of

TOGETHER: Final = 8192
"""Tokens of requests that are read together, at most, unless one text alone has more."""
FIRST_RATE: Final = 1000.0
"""Tokens a second, until something was measured."""
MEMORY: Final = 0.8
"""Weight of all measurements before the newest in the rate."""
CAUTION: Final = 0.98
"""What stays of the margin after a batch that needed none; what was foreseen is seen only when its wait is over."""
MOST_BYTES: Final = 64 << 20
"""Of texts that wait."""
SHARE: Final = 2
"""A client fills at most one part of so many of the queue."""


class Queue:
    """Requests to a bank, which one thread reads."""

    def __init__(
        self, bank: Bank, most_tokens: int, together: int = TOGETHER, metrics: Metrics | None = None,
        clock: Callable[[], float] = time.monotonic, most_bytes: int = MOST_BYTES,
    ) -> None:  # fmt: skip
        """most_tokens, most_bytes: that may wait; together: tokens that are read at once. The thread starts at once."""
        self.most_bytes = most_bytes
        self.margin = 0.0
        """Seconds by which answers have come later than foreseen, of late."""
        self.bank, self.most_tokens, self.together, self.metrics = bank, most_tokens, together, metrics or Metrics()
        self._turns, self._clock, self._closed = Turns(), clock, False
        self._number, self._reading = 0, 0
        self._read, self._seconds = 0.0, 0.0  # of late, the newest weigh most
        self._changed = threading.Condition()
        self.metrics.watch_queue(lambda: self._turns.tokens)
        self._thread = threading.Thread(target=self._work, name="chartune-bank", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are being read."""
        return self._thread.is_alive()

    @property
    def accepts(self) -> bool:
        """Whether it is not stopping."""
        return not self._closed and self.alive

    @property
    def rate(self) -> float:
        """Tokens a second, as measured of late."""
        return self._read / self._seconds if self._seconds else FIRST_RATE

    def submit(
        self, asked: Asked, tokens: int, *, client: str = "", seconds: float = math.inf
    ) -> "Future[Answer]":  # fmt: skip
        """Accept a request.

        Args:
            asked: the texts of each task.
            tokens: that it will take, as estimated.
            client: who asks; turns are taken between clients.
            seconds: within which it must be answered.

        Raises:
            FullError: others wait, and together they are too many, or would take too long.
            ClosedError: it is stopping.
        """
        with self._changed:
            if self._closed:
                raise ClosedError("the service is stopping; ask another one.")
            self._must_have_room(client, tokens, bytes_of(asked))
            wait = self._must_be_in_time(client, tokens, seconds)
            self._number, now = self._number + 1, self._clock()
            foreseen = now + wait if self._seconds else math.inf
            parts = [
                Waiting(part, share, now, now + seconds, client, self._number, foreseen=foreseen)
                for part, share in parts_of(asked, tokens, self.together)
            ]
            for one in parts:
                self._turns.add(one)
            self._changed.notify()
        for one in parts:
            one.answer.add_done_callback(partial(self._leave, one))
        return as_one([one.answer for one in parts])

    def _must_have_room(self, client: str, tokens: int, size: int) -> None:
        own, every, held = self._turns.of(client), self._turns.tokens, self._turns.nbytes
        crowded = (every and every + tokens > self.most_tokens) or (held and held + size > self.most_bytes)
        if (own and own + tokens > self.most_tokens // SHARE) or crowded:
            raise FullError(math.ceil((own or every) / self.rate))

    def _must_be_in_time(self, client: str, tokens: int, seconds: float) -> float:
        """Seconds until a request will be answered; the first of an idle queue may always try."""
        wait = (self._reading + self._turns.ahead(client) + tokens) / self.rate
        if (self._reading or self._turns) and wait + self.margin > seconds:
            raise FullError(math.ceil(wait + self.margin - seconds))
        return wait

    def _leave(self, one: Waiting, _: object) -> None:
        """Who was given up waits no longer, and nobody waits for it."""
        with self._changed:
            self._turns.leave(one)

    def close(self) -> None:
        """Accept nothing more, and read all that was accepted."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            began = self._clock()
            for one in batch:
                self.metrics.waited(began - one.came)
            _answer(self.bank, batch)
            seconds = self._clock() - began
            for _ in batch:
                self.metrics.was_read(seconds)
            with self._changed:
                late = max(self._clock() - one.foreseen for one in batch)
                self.margin = max(late, CAUTION * self.margin)
                self._read = MEMORY * self._read + self._reading
                self._seconds = MEMORY * self._seconds + max(seconds, 1e-6)
                self._reading = 0

    def _next(self) -> list[Waiting]:
        """What is read together next; nothing: it has been closed, and all is done."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._turns or self._closed)
                if not self._turns:
                    return []
                if batch := self._taken():
                    self._reading = sum(one.tokens for one in batch)
                    return batch

    def _taken(self) -> list[Waiting]:
        batch, room, now = list[Waiting](), float(self.together), self._clock()
        while one := self._turns.take(room) if batch else self._turns.take():
            if not one.answer.set_running_or_notify_cancel():  # its client has gone
                continue
            if now > one.deadline:
                one.answer.set_exception(LateError())
                continue
            batch.append(one)
            in_time = (one.deadline - self.margin - now) * self.rate  # nobody is made late by who is read with them
            taken = sum(each.tokens for each in batch)
            room = min(room - one.tokens, in_time - taken)
        return batch


def _answer(bank: Bank, batch: Sequence[Waiting]) -> None:
    """Read requests together; where one is at fault, each alone, so that no other suffers."""
    try:
        answers = _answers(bank, batch)
    except Exception as error:
        if len(batch) == 1:
            _fail(batch[0], error)
            return
        for one in batch:
            _answer(bank, [one])
        return
    for one, answer in zip(batch, answers, strict=True):
        one.answer.set_result(answer)


def _answers(bank: Bank, batch: Sequence[Waiting]) -> list[Answer]:
    made = bank.read(_together(batch))
    starts, answers = dict.fromkeys(made, 0), list[Answer]()
    for one in batch:
        answer = {}
        for task, texts in one.asked.items():
            answer[task] = made[task].rows(starts[task], starts[task] + len(texts))
            starts[task] += len(texts)
        answers.append(answer)
    return answers


def _fail(one: Waiting, error: Exception) -> None:
    """Hand over what went wrong; of an error that is not chartune's own its type alone, for it may quote a note."""
    if not isinstance(error, ChartuneError):
        say(f"error: a request ended in {type(error).__name__}")
        error = RunError(f"a request could not be read ({type(error).__name__}); please report it.")
    one.answer.set_exception(error)


def _together(batch: Sequence[Waiting]) -> dict[str, list[Text]]:
    texts: dict[str, list[Text]] = {}
    for one in batch:
        for task, own in one.asked.items():
            texts.setdefault(task, []).extend(own)
    return texts
