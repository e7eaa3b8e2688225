"""Live: the window that fills while a service scores. Values of rows stay in memory until their window is full."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from chartune.monitoring.reference import Reference
from chartune.monitoring.windows import judged
from chartune.runs.monitored import Drifted, Rule

Array = NDArray[np.float64]


class Live:
    """Of one run. Not for several threads at once."""

    def __init__(self, reference: Reference, rule: Rule) -> None:
        """Nothing has been scored."""
        self.reference, self.rule = reference, rule
        self.closed = 0
        """Windows that are full."""
        self.last: tuple[Drifted, ...] = ()
        """What the last of them says, by measure."""
        self._open: dict[str, Array] = {}
        self._rows = 0

    def add(self, values: Mapping[str, Array]) -> list[tuple[Drifted, ...]]:
        """Take rows in; give what windows say that they have filled.

        Args:
            values: measure → its values, [n]; the same measures each time.
        """
        rows = len(next(iter(values.values()), ()))
        self._open = {name: np.concatenate([self._open.get(name, np.zeros(0)), each]) for name, each in values.items()}
        self._rows += rows
        said = []
        while self._rows >= self.rule.window:
            said.append(self._close())
        return said

    def _close(self) -> tuple[Drifted, ...]:
        size = self.rule.window
        self.last = judged(self.reference, {name: each[:size] for name, each in self._open.items()}, self.rule)
        self._open = {name: each[size:] for name, each in self._open.items()}
        self._rows -= size
        self.closed += 1
        return self.last
