"""Time limit: which cells of a study fit into the time that there is, by what their plans say.

order ─▶ seconds as planned, after all that it waits for, on the first free worker ─ends in time?─▶ chosen · left out
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chartune.quantities import human_seconds
from chartune.studies.forecast import Forecast, forecasts
from chartune.studies.order import Waits
from chartune.studies.standing import Survey

QUICK: Final = ("prior", "ensemble", "structured")
"""Kinds of stages that no plan is made of: they take seconds, and are counted with none."""
UNKNOWN: Final = "its time is not known{}, so that a time limit leaves it out"


@dataclass(frozen=True)
class Choice:
    """Which cells are begun within a time limit."""

    seconds: Mapping[int, float] = field(default_factory=dict)
    """Of each cell that fits, as planned."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """Cell → why it does not fit."""
    ends: float = float("inf")
    """When the limit is reached, as of `time.monotonic`."""

    def refuses(self, number: int) -> str:
        """Why a cell is not begun now; empty: it is. One that was chosen is not begun once too little time is left."""
        left, needed = self.ends - time.monotonic(), self.seconds.get(number, 0.0)
        if number in self.left_out or needed <= left:
            return self.left_out.get(number, "")
        return f"it takes about {human_seconds(needed)}, but {human_seconds(max(0.0, left))} of the time limit are left"


NO_LIMIT: Final = Choice()


def chosen(
    each: Sequence[Forecast], quick: Sequence[bool], order: Sequence[int], waits: Waits, limit: float, workers: int
) -> Choice:
    """The cells that would end in time, the first of the order first; a long one makes room for shorter ones after it.

    Args:
        each: what every cell takes, by its number.
        quick: whether a cell whose time is not known takes seconds at most, likewise.
        order: of the cells.
        waits: which cells must have ended before another begins.
        limit: seconds that there are.
        workers: how many cells run at once.
    """
    free, ends = [0.0] * workers, dict[int, float]()
    seconds, left_out = dict[int, float](), dict[int, str]()
    for number in order:
        one = each[number]
        needed = 0.0 if one.done or (one.seconds is None and quick[number]) else one.seconds
        missing = next((before for before in sorted(waits[number]) if before in left_out), None)
        if missing is not None and not one.done:
            left_out[number] = f"it depends on `{each[missing].cell}`, which is left out"
        elif needed is None:
            left_out[number] = UNKNOWN.format(f" ({one.note})" if one.note else "")
        else:
            worker = free.index(min(free))
            begins = max([0.0 if one.done else free[worker], *(ends.get(before, 0.0) for before in waits[number])])
            if not one.done and begins + needed > limit:
                left_out[number] = f"with about {human_seconds(needed)} it does not fit into {human_seconds(limit)}"
                continue
            ends[number] = begins + needed
            if not one.done:
                free[worker], seconds[number] = ends[number], needed
    return Choice(seconds, left_out, time.monotonic() + limit)


def choice_of(
    asked: Survey, order: Sequence[int], waits: Waits, limit: float, workers: int = 1, slower: float = 1.0
) -> Choice:
    """The choice of a study's cells, by their plans; arguments as of `chosen`.

    Args:
        asked: the standing of every cell.
        order: as of `chosen`.
        waits: as of `chosen`.
        limit: as of `chosen`.
        workers: as of `chosen`.
        slower: how many times as long a worker takes, which has fewer threads than the plan counts with.
    """
    each, _ = forecasts(asked)
    slowed = [one if one.seconds is None else one.but_slower(slower) for one in each]
    quick = [cell.asked.get("kind") in QUICK for cell in asked.family.cells.values()]
    return chosen(slowed, quick, order, waits, limit, workers)
