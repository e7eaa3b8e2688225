"""Pace: how fast training goes and what memory it takes, for the progress display and as events.

Of real patients the rate has one digit: with the time that a training takes, it counts the tokens of their texts.
"""

import time
from collections import deque
from typing import Final

from chartune.disclosure import magnitude
from chartune.log import MACHINE, EventLog, is_unseen
from chartune.quantities import human_bytes
from chartune.report.followed import PEAK, RATE
from chartune.train.meter import peak_bytes

STEPS: Final = 50
"""The last steps, of which the rate is the mean."""
SECONDS: Final = 5.0
"""Between two measurements of the machine in the event log, at least."""


class Pace:
    """Rate and memory of a training while it goes on; `in_tokens`: what it learns from are tokens, and have a rate."""

    def __init__(self, in_tokens: bool = True) -> None:
        self._in_tokens = in_tokens
        self._steps: deque[tuple[int, float]] = deque(maxlen=STEPS)
        self._recorded = time.monotonic()

    def stepped(self, tokens: int, seconds: float) -> None:
        """An optimizer step has been done: its training tokens, padding excluded, and its wall time."""
        self._steps.append((tokens, seconds))

    @property
    def rate(self) -> float:
        """Training tokens per second of the last steps, evaluations and checkpoints not counted; 0: not measured."""
        seconds = sum(taken for _, taken in self._steps)
        return sum(tokens for tokens, _ in self._steps) / seconds if seconds else 0.0

    def remark(self, loss: float) -> str:
        """Such as `loss 0.693, 3,120 tokens/s, peak 1.2 GiB`."""
        rate = f"{magnitude(round(self.rate), exact=not is_unseen()):,} tokens/s, " if self._in_tokens else ""
        return f"loss {loss:.3f}, {rate}peak {human_bytes(peak_bytes())}"

    def record(self, events: EventLog, step: int, tokens: int, *, now: bool) -> None:
        """Write rate and memory into the event log: now, or every `SECONDS`."""
        if now or time.monotonic() - self._recorded >= SECONDS:
            self._recorded = time.monotonic()
            measured = {RATE: self.rate} if self._in_tokens else {}
            for name, value in (measured | {PEAK: float(peak_bytes())}).items():
                events.record(step, name, value, split=MACHINE, tokens=tokens)
