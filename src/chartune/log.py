"""What is said while work goes on: module loggers, one progress display, and Events with their sinks.

The library never prints. Numbers are `Event` lines in a run's `events.jsonl`; the console and every tracker read the
same events. Nothing here ever carries the text of a note.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import IO, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from chartune.errors import ConfigError
from chartune.writing import write_bytes

console: Final = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
"""Where people are spoken to: standard error, so that standard output stays clean for `--json`. Names are printed as
they are: `[x]` and `:x:` mean nothing here."""


EVENTS: Final = "events.jsonl"
"""File of an `EventLog` in the folder of a run or of a base model."""
MACHINE: Final = "machine"
"""Stands for the split of an event that measures the machine: `tokens_per_second`, `peak_bytes`."""
MOST: Final = 1 << 53
"""Of steps, tokens and seconds; a larger number of a file is damage."""
PROGRESS_SECONDS: Final = "CHARTUNE_PROGRESS_SECONDS"
"""The variable of the environment that says how many seconds lie between two lines of progress: 30; 0: no lines."""


@dataclass(frozen=True)
class Event:
    """One measured number of a stage."""

    step: int
    """Optimizer steps done when it was measured."""
    name: str
    """What was measured, such as `loss` or `auroc`."""
    value: float
    """The number."""
    split: str = "train"
    """The split it was measured on; `MACHINE`: on none."""
    tokens: int = 0
    """Training tokens seen so far, padding excluded."""
    time: float = 0.0
    """Seconds since the epoch, UTC."""
    planned: int = 0
    """Optimizer steps of the whole training, if it is not stopped early; 0: not recorded."""


Sink = Callable[[Event], None]
"""Whatever reads events as they come."""


_sinks: list[Sink] = []
_hidden = False


@contextmanager
def unseen() -> Iterator[None]:
    """Meanwhile nobody at the terminal is shown what is measured: steps and scores of patients reveal their number.

    The events are written as ever; what may be shown of them is shown when the stage has ended.
    """
    global _hidden
    before, _hidden = _hidden, True
    try:
        yield
    finally:
        _hidden = before


def is_unseen() -> bool:
    """Whether what is measured just now is shown to nobody (`unseen`)."""
    return _hidden


@contextmanager
def listening(sink: Sink) -> Iterator[None]:
    """Hand every event that is recorded meanwhile to a sink, in whatever run it happens."""
    _sinks.append(sink)
    try:
        yield
    finally:
        _sinks.remove(sink)


def console_sink(event: Event) -> None:
    """Tell the person at the terminal what was measured on held-out patients, unless they are real (`unseen`)."""
    if event.split not in ("train", MACHINE) and not _hidden:
        console.print(f"  step {event.step}: {event.split} {event.name} {event.value:.4g}", style="dim")


_FIELDS: Final = {field.name for field in fields(Event)}


class EventLog:
    """Appends events to a JSON-lines file and hands each to the sinks; knows how to forget what a resume repeats."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.planned = 0
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
        self._file = None

    def record(self, step: int, name: str, value: float, *, split: str = "train", tokens: int = 0) -> None:
        """Write one event now; a crash loses at most the line being written."""
        event = Event(step, name, float(value), split, tokens, round(time.time(), 3), self.planned)
        if self._file:
            self._file.write(json.dumps(asdict(event)) + "\n")
            self._file.flush()
        for sink in _sinks:
            sink(event)

    @staticmethod
    def read(path: Path) -> list[Event]:
        """All whole events of a file, in order; a line cut off by a crash is passed over."""
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return [event for line in lines if (event := _event(line)) is not None]

    @staticmethod
    def rewind(path: Path, step: int) -> None:
        """Drop the events after `step`: a resumed run will measure them again."""
        kept = [event for event in EventLog.read(path) if event.step <= step]
        write_bytes(path, "".join(json.dumps(asdict(event)) + "\n" for event in kept).encode())


def _event(line: str) -> Event | None:
    """The event of a line, without what a later version says besides; None: it is cut off or damaged."""
    try:
        known = json.loads(line)
        event = Event(**{name: known[name] for name in _FIELDS & known.keys()})
        value, when = (float(number) for number in (event.value, event.time) if type(number) in (int, float))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    counts = all(type(count) is int and 0 <= count <= MOST for count in (event.step, event.tokens, event.planned))
    words = all(isinstance(word, str) and word.isprintable() for word in (event.name, event.split))
    return replace(event, value=value, time=when) if counts and words and 0 <= when <= MOST else None


class Meter:
    """A bar in the progress display: `advance` it, `show` in it what is happening."""

    def __init__(self, progress: Progress | None = None, task: TaskID | None = None) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: float = 1) -> None:
        """So many units more are done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, steps)

    def move_to(self, done: float) -> None:
        """So many units are done in all."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)

    def show(self, text: str) -> None:
        """A short remark at the end of the bar: a number, never a note."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, remark=text)


class Lines(Meter):
    """Progress where there is no terminal, such as a notebook or a batch system's log: a line every so often."""

    def __init__(self, title: str, total: float | None, every: float) -> None:
        super().__init__()
        self._title, self._total, self._every, self._remark = title, total, every, ""
        self._begun = self._done = 0.0
        self._started = time.monotonic()

    def advance(self, steps: float = 1) -> None:
        """So many units more are done."""
        self._done += steps
        now = time.monotonic()
        if self._every and now - max(self._started, _spoken) >= self._every:
            _speak(now, self._line(now - self._started))

    def move_to(self, done: float) -> None:
        """So many units were done before: they say nothing of the rate."""
        self._begun = self._done = done

    def show(self, text: str) -> None:
        """A short remark at the end of the next line: a number, never a note."""
        self._remark = text

    def _line(self, seconds: float) -> str:
        return f"{self._rate(seconds)}{', ' if self._remark else ''}{self._remark}"

    def _rate(self, seconds: float) -> str:
        """Share done, its rate and the time left; where the whole is not known, the time that has gone by."""
        share = (self._done - self._begun) / self._total if self._total else 0.0
        if not share or not self._total:
            return f"{self._title}: {_minutes(seconds)} so far"
        left = seconds * (1 - self._done / self._total) / share
        rate = f"{60 * share / seconds:.1%} a minute"
        return f"{self._title}: {self._done / self._total:.0%} done, {rate}, {_minutes(left)} left"


def _speak(now: float, line: str) -> None:
    global _spoken
    _spoken = now
    say(line)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _every() -> float:
    """Seconds between two lines. Raises ConfigError: the variable does not hold a number of seconds."""
    text = os.environ.get(PROGRESS_SECONDS) or "30"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{PROGRESS_SECONDS} must be a number of seconds (0: no lines), but is {ascii(text)[:40]}.")
    return seconds


_display: Progress | None = None
_spoken = 0.0


@contextmanager
def progress(title: str, total: float | None = None) -> Iterator[Meter]:
    """A bar with share done and time left on standard error; where that is no terminal, `Lines`. Bars may nest.

    There is one display, of the main thread; other threads give lines, too. No counts are shown: they would be those of
    patients' texts. Raises ConfigError: `PROGRESS_SECONDS` is no number.
    """
    global _display
    if not sys.stderr.isatty() or threading.current_thread() is not threading.main_thread():
        yield Lines(title, total, _every())
        return
    outermost = _display is None
    if _display is None:
        _display = Progress(
            TextColumn("{task.description}", style="bold", markup=False), BarColumn(bar_width=28),
            TaskProgressColumn(), TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[remark]}", style="dim", markup=False), console=console, transient=True,
        )  # fmt: skip
        _display.start()
    task = _display.add_task(title, total=total, remark="")
    try:
        yield Meter(_display, task)
    finally:
        _display.remove_task(task)
        if outermost:
            _display.stop()
            _display = None


def say(text: str) -> None:
    """One line for the person at the terminal, as it is, on standard error; what a verb gives is on standard output."""
    console.print(text)
