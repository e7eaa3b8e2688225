"""Ways that take turns: each waits in a process of its own until it is asked, so that no other's libraries serve it.

    a benchmark ─line on a pipe─▶ the process of a way ─does it─▶ {processor seconds, wall seconds, its answer}

Whatever else the machine does hits every way; ratios are those of single rounds, and of these the medians.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

Way = Mapping[str, Callable[[], Any]]
"""What a way can be asked for, by name; each returns what JSON can hold."""
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1"}


@dataclass
class Turn:
    """A way in its process."""

    name: str
    script: str
    """Started with the name and `words`; it calls `serve`."""
    words: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: ONE_THREAD)
    """What it finds beside this process's."""
    measured: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Processor and wall seconds, by what was done."""

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, self.script, self.name, *self.words], env={**os.environ, **self.environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, what: str) -> dict[str, Any]:
        """Let it do something; returns its answer.

        Raises:
            RuntimeError: its process has ended.
        """
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("a way is asked through pipes")
        print(what, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} must answer, but its process ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def measure(self, what: str) -> None:
        """One timed turn."""
        answer = self.ask(what)
        self.measured.setdefault(what, []).append((answer["cpu"], answer["wall"]))


@contextlib.contextmanager
def taking_turns(ways: Sequence[Turn]) -> Iterator[None]:
    """Meanwhile they wait to be asked; afterwards their processes have ended."""
    try:
        yield
    finally:
        for way in ways:
            way.process.kill()
            way.process.communicate()


def serve(way: Way) -> None:
    """Do what is asked, line by line, until nobody asks any more."""
    for line in sys.stdin:
        usage, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):  # libraries print; the answer is a line of its own
            value = way[line.strip()]()
        spent = resource.getrusage(resource.RUSAGE_SELF)
        cpu = spent.ru_utime + spent.ru_stime - usage.ru_utime - usage.ru_stime
        print(json.dumps({"cpu": cpu, "wall": time.perf_counter() - started, "value": value}), flush=True)


def show_rates(ways: Sequence[Turn], what: str, tokens: int) -> None:
    """Print tokens per second, and how many times as fast the first way is, by both clocks."""
    print(f"\n{what:<20}{'tokens / CPU s':>15}{'chartune is':>14}{'tokens / s':>12}{'chartune is':>14}")
    for way in ways:
        (cpu, cpu_ratio), (wall, wall_ratio) = (_cell(ways[0], way, what, tokens, clock) for clock in (0, 1))
        print(f"  {way.name:<18}{cpu:>15,.0f}{cpu_ratio:>12.2f} ×{wall:>12,.0f}{wall_ratio:>12.2f} ×")


def _cell(first: Turn, way: Turn, what: str, tokens: int, clock: int) -> tuple[float, float]:
    """Rate of a way, and how many times as fast the first is; clock: 0 of the processor, 1 of the wall."""
    pairs = zip(first.measured[what], way.measured[what], strict=True)
    ratio = median(theirs[clock] / ours[clock] for ours, theirs in pairs)
    return tokens / median(times[clock] for times in way.measured[what]), ratio
