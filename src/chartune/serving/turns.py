"""Turns: whose request is read next, so that who asks much waits behind their own requests and not in front of others'.

ward-7   ▮ ▮ ▮ ▮ ▮ ▮ ▮     of every client and, within it, of every set of tasks, that one goes next
ward-2   ▮                 of which the fewest tokens have been read since others wait, too
"""

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from chartune.serving.waiting import Waiting

ALL: Final = 1 << 60
"""Room for any request."""
K = TypeVar("K", bound=Hashable)


@dataclass
class Served(Generic[K]):
    """Who waits for turns, by name, and how much each has had (weighted fair queueing, all weights equal)."""

    served: dict[K, float] = field(default_factory=dict)
    """Tokens; of who has come later, as many as who was there then had on average."""
    now: float = 0.0
    """As many as that would be of whoever came now."""

    def join(self, name: K) -> None:
        """Begin to wait; what one had before others came counts, what one has not asked for does not."""
        self.served[name] = max(self.served.get(name, 0.0), self.now)

    def go(self, name: K, tokens: int, waiting: int) -> None:
        """Have a turn. waiting: how many wait, this one among them."""
        self.served[name] += tokens
        self.now += tokens / waiting

    def forget(self, waiting: set[K]) -> None:
        """Let go of who does not wait and has nothing ahead of others; of everybody where nobody waits."""
        self.served = {
            name: had for name, had in self.served.items() if name in waiting or (waiting and had > self.now)
        }
        self.now = self.now if waiting else 0.0

    def order(self, waiting: dict[K, int]) -> list[K]:
        """Who goes next. waiting: by name the number of the oldest request."""
        return sorted(waiting, key=lambda name: (self.served[name], waiting[name]))


@dataclass
class Client:
    """The requests of one client, by the tasks that they ask."""

    lines: dict[frozenset[str], deque[Waiting]] = field(default_factory=dict)
    turns: Served[frozenset[str]] = field(default_factory=Served)
    tokens: int = 0

    def until(self, turn: float) -> int:
        """Tokens that are read of it until it has had as many more as `turn`: its last request goes as a whole."""
        if turn < 0:
            return 0
        largest = max(one.tokens for line in self.lines.values() for one in line)
        return min(self.tokens, math.ceil(turn) + largest)

    def oldest(self) -> int:
        """The number of its oldest request."""
        return min(line[0].number for line in self.lines.values())


class Turns:
    """Requests that wait. Not safe for threads: the queue has the lock."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._turns: Served[str] = Served()
        self.tokens = self.nbytes = 0

    def __bool__(self) -> bool:
        return bool(self._clients)

    def add(self, one: Waiting) -> None:
        """Wait for a turn."""
        if one.client not in self._clients:
            self._clients[one.client] = Client()
            self._turns.join(one.client)
        client, tasks = self._clients[one.client], frozenset(one.asked)
        if tasks not in client.lines:
            client.lines[tasks] = deque()
            client.turns.join(tasks)
        client.lines[tasks].append(one)
        client.tokens += one.tokens
        self.tokens += one.tokens
        self.nbytes += one.nbytes

    def take(self, room: float = ALL) -> Waiting | None:
        """Whose turn it is among those that have room; None: nobody fits."""
        for name in self._turns.order({name: client.oldest() for name, client in self._clients.items()}):
            client = self._clients[name]
            for tasks in client.turns.order({each: line[0].number for each, line in client.lines.items()}):
                one = client.lines[tasks][0]
                if one.tokens <= room:
                    client.turns.go(tasks, one.tokens, len(client.lines))
                    self._turns.go(name, one.tokens, len(self._clients))
                    self.leave(one)
                    return one
        return None

    def leave(self, one: Waiting) -> bool:
        """Wait no longer. Returns whether it did."""
        client, tasks = self._clients.get(one.client), frozenset(one.asked)
        if client is None or one not in client.lines.get(tasks, ()):
            return False
        client.lines[tasks].remove(one)
        client.tokens -= one.tokens
        self.tokens -= one.tokens
        self.nbytes -= one.nbytes
        if not client.lines[tasks]:
            del client.lines[tasks]
            client.turns.forget(set(client.lines))
        if not client.lines:
            del self._clients[one.client]
            self._turns.forget(set(self._clients))
        return True

    def of(self, client: str) -> int:
        """Tokens of one client that wait."""
        return self._clients[client].tokens if client in self._clients else 0

    def ahead(self, client: str) -> int:
        """Tokens that go before a request that comes now: its client's, and what others still have before its turn.

        Those who come later and go before it are not among them.
        """
        own, turns = self.of(client), self._turns
        turn = (turns.served[client] if own else max(turns.served.get(client, 0.0), turns.now)) + own
        others = (each.until(turn - turns.served[name]) for name, each in self._clients.items() if name != client)
        return own + sum(others)
