"""Waiting: a request that was accepted, and why one is not."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from sys import getsizeof

from chartune.errors import ChartuneError
from chartune.notes.text_pair import Text
from chartune.prediction.scorer import Reading

Asked = Mapping[str, Sequence[Text]]
"""Task → texts."""
Answer = dict[str, Reading]


class FullError(ChartuneError):
    """So many tokens wait that a request cannot be accepted, or not be read in time."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue must have room for a request, but has none; ask again in {seconds} seconds.")
        self.retry_after = seconds


class ClosedError(ChartuneError):
    """The service is stopping and accepts nothing more."""


class LateError(ChartuneError):
    """A request has not been read before its deadline."""

    def __init__(self) -> None:
        super().__init__("a request must be read before its deadline, but was not; ask again, or allow more time.")


@dataclass(eq=False)
class Waiting:
    """A request that was accepted."""

    asked: Asked
    tokens: int
    came: float
    """When, by the clock of the queue."""
    deadline: float
    """Until when it must be answered, by the same; what has not begun to be read by then is not read."""
    client: str
    number: int
    """In the order in which all came."""
    answer: "Future[Answer]" = field(default_factory=Future)
    foreseen: float = math.inf
    """When it was to be answered, by the same."""
    nbytes: int = field(init=False)
    """Of its texts in memory."""

    def __post_init__(self) -> None:
        self.nbytes = bytes_of(self.asked)


def bytes_of(asked: Asked) -> int:
    """What texts take in memory, each as often as a task has it."""
    return sum(sum(map(getsizeof, _sides(text))) for texts in asked.values() for text in texts)


def _sides(text: Text) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)
