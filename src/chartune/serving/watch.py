"""Watch: the live window of each task of a service, beside the run's own test split, as series of `/metrics`.

notes, readings ─▶ one thread ─▶ window of 500 notes of a task full? ─▶ PSI by measure, alarm     no text is kept

The first note of a run has its reference made, which reads the run's data; meanwhile notes wait in the thread's queue.
A task that is replaced by another run begins a new window. A window tells sums over 500 notes in two digits.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from chartune.log import say
from chartune.monitoring.live import Live
from chartune.monitoring.reference import reference
from chartune.notes.text_pair import Text
from chartune.prediction.scorer import Reading
from chartune.runs.monitored import Rule
from chartune.serving.exposition import Labelled, Registry, Values
from chartune.serving.task import Task
from chartune.store import Store

MOST_WAITING: Final = 4096
"""Notes that wait to be looked at; where more come, they are not watched."""
_DIGITS: Final = 2


class Watch:
    """The windows of the tasks of one service. Safe for threads."""

    def __init__(self, store: Store, registry: Registry, rule: Rule = Rule()) -> None:  # noqa: B008 - frozen
        """Show what windows say.

        Args:
            store: where the data of runs are.
            registry: gets the series.
            rule: how long a window is, and what is an alarm.
        """
        self.store, self.rule = store, rule
        self._live: dict[str, tuple[str, Live]] = {}
        self._alarms: dict[Values, int] = {}
        self._waiting, self._lock = 0, threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chartune-watch")
        for name, about, read in (
            ("psi", "Population stability index of the last full window, by measure.", self._psi),
            ("alarm", "Whether the last full window raised an alarm, by measure.", self._alarm),
        ):
            registry.put(Labelled(f"chartune_drift_{name}", about, ("task", "measure"), read))
        registry.put(Labelled("chartune_drift_windows_total", "Full windows.", ("task",), self._windows, "counter"))
        registry.put(Labelled(
            "chartune_drift_alarms_total", "Alarms.", ("task", "measure"), self._all_alarms, "counter"
        ))  # fmt: skip

    def scored(self, task: Task, texts: Sequence[Text], reading: Reading) -> None:
        """Look at notes that have been scored, after their request has been answered.

        Args:
            task: that has scored them.
            texts: [n].
            reading: what was made of them.
        """
        with self._lock:
            if self._waiting + len(texts) > MOST_WAITING:
                return
            self._waiting += len(texts)
        self._thread.submit(self._look, task, texts, reading).add_done_callback(self._looked(len(texts)))

    def settle(self) -> None:
        """Wait until all that was scored so far has been looked at."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Look at nothing more."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _looked(self, notes: int) -> "Callable[[Future[None]], None]":
        def done(future: "Future[None]") -> None:
            with self._lock:
                self._waiting -= notes
            if not future.cancelled() and (error := future.exception()):
                say(f"warning: scored notes were not watched ({type(error).__name__})")  # its words may be a note's

        return done

    def _look(self, task: Task, texts: Sequence[Text], reading: Reading) -> None:
        live = self._of(task)
        for window in live.add(live.reference.values(task.scorer, texts, reading)):
            for one in window:
                if one.alarm:
                    key = (task.name, one.measure)
                    self._alarms[key] = self._alarms.get(key, 0) + 1
                    say(f"alarm: drift of {task.name}, {one.measure}: PSI {one.psi:.2f} in {self.rule.window:,} notes")

    def _of(self, task: Task) -> Live:
        handle, live = self._live.get(task.name, ("", None))
        if live is None or handle != task.handle:
            made = reference(task.scorer, self.store)
            for missing in made.missing:
                say(f"note: {task.name} is not watched in full; {missing}")
            self._live[task.name] = task.handle, (live := Live(made, self.rule))
        return live

    def _psi(self) -> Iterator[tuple[Values, float]]:
        for name, (_, live) in list(self._live.items()):
            yield from (((name, one.measure), round(one.psi, _DIGITS)) for one in live.last)

    def _alarm(self) -> Iterator[tuple[Values, float]]:
        for name, (_, live) in list(self._live.items()):
            yield from (((name, one.measure), one.alarm) for one in live.last)

    def _windows(self) -> Iterator[tuple[Values, float]]:
        yield from (((name,), live.closed) for name, (_, live) in list(self._live.items()))

    def _all_alarms(self) -> Iterator[tuple[Values, float]]:
        yield from list(self._alarms.items())
