"""Queue: requests wait in the order in which they came, and are read together as far as a budget of tokens goes.

    requests ─submit─▶ queue ─as many as the budget takes, none waited for─▶ bank.read ─▶ each its own answer

There is no window in which more requests are waited for: what comes in while the base is busy is read next.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from chartune.errors import ChartuneError, RunError
from chartune.log import say
from chartune.notes.text_pair import Text
from chartune.prediction.scorer import Reading
from chartune.serving.bank import Bank
from chartune.serving.metrics import Metrics

Asked = Mapping[str, Sequence[Text]]
"""Task → texts."""
Answer = dict[str, Reading]
TOGETHER: Final = 8192
"""Tokens of requests that are read together, at most, unless one alone has more."""
FIRST_RATE: Final = 1000.0
"""Tokens a second, until something was measured."""
MEMORY: Final = 0.2
"""Weight of the newest measurement in the rate."""


class FullError(ChartuneError):
    """So many tokens wait that a request cannot be accepted."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue must have room for a request, but has none; ask again in {seconds} seconds.")
        self.retry_after = seconds


class ClosedError(ChartuneError):
    """The service is stopping and accepts nothing more."""


@dataclass
class Waiting:
    """A request that was accepted."""

    asked: Asked
    tokens: int
    came: float
    """When, by the clock of the queue."""
    answer: "Future[Answer]" = field(default_factory=Future)


class Queue:
    """Requests to a bank, which one thread reads."""

    def __init__(
        self, bank: Bank, most_tokens: int, together: int = TOGETHER, metrics: Metrics | None = None
    ) -> None:  # fmt: skip
        """most_tokens: that may wait; together: that are read at once. The thread starts at once."""
        self.bank, self.most_tokens, self.together, self.metrics = bank, most_tokens, together, metrics or Metrics()
        self.metrics.watch_queue(lambda: self._tokens)
        self._waiting: deque[Waiting] = deque()
        self._tokens, self._rate, self._closed = 0, FIRST_RATE, False
        self._changed = threading.Condition()
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

    def submit(self, asked: Asked, tokens: int) -> "Future[Answer]":
        """Accept a request.

        Args:
            asked: the texts of each task.
            tokens: that it will take, as estimated.

        Raises:
            FullError: others wait, and together they are too many.
            ClosedError: it is stopping.
        """
        with self._changed:
            if self._closed:
                raise ClosedError("the service is stopping; ask another one.")
            if self._waiting and self._tokens + tokens > self.most_tokens:
                raise FullError(max(1, math.ceil(self._tokens / self._rate)))
            one = Waiting(asked, tokens, time.monotonic())
            self._waiting.append(one)
            self._tokens += tokens
            self._changed.notify()
            return one.answer

    def close(self) -> None:
        """Accept nothing more, and read all that was accepted."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            began = time.monotonic()
            for one in batch:
                self.metrics.waited(began - one.came)
            _answer(self.bank, batch)
            tokens, seconds = sum(one.tokens for one in batch), time.monotonic() - began
            for _ in batch:
                self.metrics.was_read(seconds)
            self._rate += MEMORY * (tokens / max(seconds, 1e-6) - self._rate)

    def _next(self) -> list[Waiting]:
        """What is read together next; nothing: it has been closed, and all is done."""
        with self._changed:
            batch: list[Waiting] = []
            while not batch:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return []
                batch = self._taken()
            return batch

    def _taken(self) -> list[Waiting]:
        batch: list[Waiting] = []
        room = self.together
        while self._waiting and (not batch or self._waiting[0].tokens <= room):
            one = self._waiting.popleft()
            self._tokens -= one.tokens
            if one.answer.set_running_or_notify_cancel():  # else its client has gone
                batch.append(one)
                room -= one.tokens
        return batch


def _answer(bank: Bank, batch: Sequence[Waiting]) -> None:
    """Read requests together; where one is at fault, each alone, so that no other suffers."""
    try:
        made = bank.read(_together(batch))
    except Exception as error:
        if len(batch) == 1:
            _fail(batch[0], error)
            return
        for one in batch:
            _answer(bank, [one])
        return
    starts = dict.fromkeys(made, 0)
    for one in batch:
        answer = {}
        for task, texts in one.asked.items():
            answer[task] = made[task].rows(starts[task], starts[task] + len(texts))
            starts[task] += len(texts)
        one.answer.set_result(answer)


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
