"""Chance that repeats itself: streams of uniform draws for each patient, the same on every machine.

A stream is numpy's Philox keyed by (seed, index of the patient, what it is for). So a bigger hospital begins with the
same patients, both layouts tell of the same patients, and what is left out of one table changes no other. Everything is
made from uniform doubles by comparison and multiplication: no library's idea of a shuffle, no logarithm whose last bit
depends on the processor.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from numpy.random import Generator, Philox, SeedSequence

T = TypeVar("T")


class Stream(IntEnum):
    """What a stream of draws is for; the patient's own conditions and fate have the nameless one."""

    BACKGROUND = 1
    CARE = 2
    REGISTER = 3
    BILL = 4
    SUMMARY = 5
    NOTES = 6
    EVENTS = 7
    MIMIC3 = 8
    MIMIC4 = 9
    LEAVING = 10
    AIRWAY = 11


_BLOCK = 256


class Dice:
    """The draws of one patient, in order."""

    __slots__ = ("_draws", "_generator", "_key")

    def __init__(self, seed: int, index: int, stream: Stream | None = None) -> None:
        self._key = (seed, index)
        key = (index,) if stream is None else (index, int(stream))
        self._generator = Generator(Philox(SeedSequence(entropy=seed, spawn_key=key)))
        self._draws: list[float] = []

    def apart(self, stream: Stream) -> "Dice":
        """The same patient's draws for something else, from their beginning."""
        return Dice(*self._key, stream)

    def roll(self) -> float:
        """A number in [0, 1)."""
        if not self._draws:
            self._draws = self._generator.random(_BLOCK).tolist()
        return self._draws.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.roll() < probability

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        return int(self.roll() * limit)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.roll() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[int(self.roll() * len(choices))]

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        """One of the choices by weights that sum to 1."""
        rest = self.roll()
        for choice, weight in choices:
            rest -= weight
            if rest < 0:
                return choice
        return choices[-1][0]

    def shuffled(self, things: Sequence[T]) -> list[T]:
        """The things in random order (Fisher and Yates)."""
        order = list(things)
        for last in range(len(order) - 1, 0, -1):
            other = int(self.roll() * (last + 1))
            order[last], order[other] = order[other], order[last]
        return order

    def some(self, things: Sequence[T], count: int) -> list[T]:
        """So many different things, in random order."""
        return self.shuffled(things)[:count]
