"""Sitting: what one `study run` does with the cells of a study: one after the other, or several at once by a crew.

order ─look─┬▶ done, or not to be tried ─▶ settled
            └▶ to be tried ─▶ here, or by a crew as soon as all that it waits for are settled ─▶ settled
                              └▶ held by another process ─▶ looked at again, after the others
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from chartune.log import Meter, say
from chartune.search.storages import Journals
from chartune.studies.attempt import tried, unable
from chartune.studies.failures import record_death
from chartune.studies.order import Waits
from chartune.studies.standing import Standing, State, Survey
from chartune.studies.time_limit import NO_LIMIT, Choice

AGAIN_SECONDS: Final = 5.0
"""Until a cell that another process is at is looked at again."""
PATIENCE: Final = 1.0
"""Seconds that a crew is listened to before the cells are looked at again."""


@dataclass(frozen=True)
class Ended:
    """What a crew says of a cell that it has ended."""

    number: int
    state: State
    """`running`: another process is at it."""
    why: str = ""
    died: bool = False
    """Whether its process died."""


class Crew(Protocol):
    """Who does cells, several at once."""

    @property
    def size(self) -> int:
        """How many cells it does at once."""

    def begin(self, number: int) -> None:
        """Begin a cell; at most `size` are under way."""

    def ended(self, seconds: float) -> Ended | None:
        """A cell that has ended; waits for one so long. None: none has."""


@dataclass
class Sitting:
    """The cells of a study as one process has them done."""

    asked: Survey
    settled: Mapping[int, Standing]
    """Cells that only the ledger lists, and whose weights nobody asks for."""
    retry: bool = False
    """Whether cells that have failed before are tried again."""
    choice: Choice = NO_LIMIT
    left_out: dict[int, str] = field(default_factory=dict)
    """Cells that the time limit leaves out → why."""

    def look(self, number: int) -> Standing | None:
        """How a cell stands that is not to be tried; None: it is. All that it waits for are settled."""
        standing = self.settled.get(number) or self.asked.ask(number)
        if standing.run is not None or number in self.settled:
            return standing
        if why := self.choice.refuses(number):
            self.left_out[number] = why
            return replace(standing, state="missing", why=why)
        return unable(self.asked, number, retry=self.retry)

    def end(self, number: int, standing: Standing) -> None:
        """A cell is settled for this sitting."""
        self.asked.standings[number] = standing
        self.asked.keep_done(number)


def one_by_one(sitting: Sitting, order: Sequence[int], journals: Journals, meter: Meter) -> None:
    """Every cell in its order, in this process."""
    for number in order:
        meter.show(sitting.asked.family.cells[number].title())
        sitting.end(number, sitting.look(number) or tried(sitting.asked, number, journals))
        meter.advance()


def at_once(sitting: Sitting, order: Sequence[int], waits: Waits, crew: Crew, meter: Meter) -> None:
    """Every cell as soon as all that it waits for are settled, several at once; the first of the order first."""
    rota = _Rota(sitting, waits, crew, meter, list(order))
    while rota.waiting or rota.under_way:
        rota.hand_out()
        rota.listen()


@dataclass
class _Rota:
    """Which cells are yet to be done, and which are under way."""

    sitting: Sitting
    waits: Waits
    crew: Crew
    meter: Meter
    waiting: list[int]
    under_way: set[int] = field(default_factory=set)
    again: dict[int, float] = field(default_factory=dict)
    """Cells that another process was at → when they are looked at again."""

    def hand_out(self) -> None:
        """Settle or begin cells that wait for nothing, as long as the crew is free."""
        for number in self._ready():
            if len(self.under_way) >= self.crew.size:
                return
            standing = self.sitting.look(number)
            if standing is not None:
                self._settle(number, standing)
            elif self.sitting.asked.standings[number].state == "running":
                self._put_off(number)
                continue
            else:
                self.crew.begin(number)
                self.under_way.add(number)
                self.meter.show(self.sitting.asked.family.cells[number].title())
            self.waiting.remove(number)

    def listen(self) -> None:
        """Settle the next cell that has ended, if one does soon."""
        if not self.under_way:
            time.sleep(PATIENCE if self.again and self.waiting else 0)
            return
        ended = self.crew.ended(PATIENCE)
        if ended is None:
            return
        self.under_way.remove(ended.number)
        if ended.state == "running":
            self.waiting.append(ended.number)
            self._put_off(ended.number)
        else:
            self._settle(ended.number, _after(self.sitting.asked, ended))

    def _ready(self) -> list[int]:
        """The cells that can begin now, those that another process was at last."""
        open_ones, now = {*self.waiting, *self.under_way}, time.monotonic()
        ready = [n for n in self.waiting if not self.waits[n] & open_ones and self.again.get(n, 0.0) <= now]
        return sorted(ready, key=lambda number: number in self.again)

    def _put_off(self, number: int) -> None:
        if not self.again:
            say("another process is at some of the cells; they are looked at again after the others")
        self.again[number] = time.monotonic() + AGAIN_SECONDS

    def _settle(self, number: int, standing: Standing) -> None:
        self.sitting.end(number, standing)
        self.meter.advance()


def _after(asked: Survey, ended: Ended) -> Standing:
    """How a cell stands that a crew has ended; the death of its process is kept as its failure."""
    cell = asked.family.cells[ended.number]
    if ended.died:
        say(f"{cell.title()}: {ended.why}")
        record_death(asked.family.study, cell, asked.store, ended.why)
    standing = asked.ask(ended.number)
    if standing.state == "done":
        return standing
    return replace(standing, state="failed" if ended.state == "done" else ended.state, why=ended.why)
