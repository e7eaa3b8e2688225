"""Versions: which runs have answered under the names of tasks, and who is still asking them.

loaded ─▶ in force ─replaced, evicted─▶ retired ─nobody asks it any more─▶ let go of
"""

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from chartune.errors import ConfigError
from chartune.serving.task import Task


class Exchange(NamedTuple):
    """What a bank has become."""

    loaded: list[str]
    """Names of tasks that are new, or answered by another run."""
    evicted: list[str]
    kept: list[str]


class Versions:
    """Versions of tasks; whoever uses it holds the lock of the bank."""

    def __init__(self) -> None:
        self.by_handle: dict[str, Task] = {}
        """Those in force, and those retired whom somebody asks."""
        self._users, self._retired, self._numbers = Counter[str](), set[str](), count(1)

    def new(self, name: str) -> str:
        """A handle; no name of a task holds its first character."""
        return f"\x00{next(self._numbers)} {name}"

    def add(self, task: Task) -> None:
        """A version is in force."""
        self.by_handle[task.handle] = task

    def retire(self, task: Task) -> None:
        """It is so no more: nobody new asks it."""
        self._retired.add(task.handle)
        self._let_go(task)

    def hold(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Somebody asks these."""
        self._users.update(task.handle for task in tasks)
        return tasks

    def release(self, tasks: Sequence[Task]) -> None:
        """And has their answers."""
        self._users.subtract(task.handle for task in tasks)
        for task in tasks:
            self._let_go(task)

    def _let_go(self, task: Task) -> None:
        if task.handle in self._retired and not self._users[task.handle]:
            self._retired.discard(task.handle)
            del self._users[task.handle], self.by_handle[task.handle]
            if task.mixed is not None:
                task.mixed.take(task.handle)


def must_fit(tasks: Sequence[Task], most_bytes: int | None) -> None:
    """Raises ConfigError: adapters and heads of these take more."""
    taken = sum(task.nbytes for task in tasks)
    if most_bytes is not None and taken > most_bytes:
        raise ConfigError(
            f"all tasks of a bank must fit into most_mebibytes ({most_bytes >> 20}), but their adapters and heads take "
            f"{taken:,} bytes; allow more."
        )
