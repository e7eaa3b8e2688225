"""Exposition: counters, gauges and histograms as Prometheus reads them, and what of patients may be seen in them.

    add ─▶ count 37 ─┬─ of requests ──────────────────────────▶ 37
                     ├─ of notes ─── ten more of this task? ──▶ 30    by its class of ten (`chartune.disclosure`)
                     └─ a sum over notes ── ten more? ────────▶ as it was then

What is in proportion to notes moves only when ten further notes of its task have been read, so that whoever asks
between two requests does not see what one note has added. A registry belongs to one application; nothing is global.
"""

import math
import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, TypeVar

from chartune.disclosure import SMALL, lowest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
TASK: Final = "task"
"""Label of whatever counts notes."""
Values = tuple[str, ...]
"""One for each label."""
Sample = tuple[str, Mapping[str, str], float]
"""End of the name, labels, number."""


class Of(Enum):
    """What is counted, and so how it is shown."""

    REQUESTS = "requests"
    """Or of the machine: as it is."""
    NOTES = "notes"
    """By class of ten, as of the last ten notes of their task."""
    SUMS = "sums over notes"
    """Such as tokens: as of the last ten notes of their task."""


class Series:
    """Numbers of one name."""

    kind = "counter"

    def __init__(self, name: str, about: str, labels: Sequence[str] = (), of: Of = Of.REQUESTS) -> None:
        """Names and labels are lower-case words.

        Raises:
            ValueError: they are not; or notes are counted, and the first label is not their task.
        """
        if not all(NAME.fullmatch(each) for each in (name, *labels)):
            raise ValueError(f"a series and its labels must be lower-case words, but are {name} and {labels}")
        if of is not Of.REQUESTS and list(labels[:1]) != [TASK]:
            raise ValueError(f"what counts notes must have their task as its first label, but {name} has {labels}")
        self.name, self.about, self.labels, self.of = name, about, tuple(labels), of
        self._lock = threading.Lock()

    def samples(self) -> Iterator[Sample]:
        """What is shown."""
        raise NotImplementedError

    def close_lot(self, task: str) -> None:
        """Ten further notes of a task have been read."""

    def _named(self, values: Values) -> dict[str, str]:
        return dict(zip(self.labels, values, strict=True))


class Counter(Series):
    """Counts that only rise."""

    def __init__(self, name: str, about: str, labels: Sequence[str] = (), of: Of = Of.REQUESTS) -> None:
        """As `Series`; the name must end in `_total`."""
        super().__init__(name, about, labels, of)
        self._counts: dict[Values, float] = {}
        self._shown: dict[Values, float] = {}

    def add(self, *values: str, amount: float = 1) -> None:
        """Count. values: one for each label, out of a closed set; never a word of a request."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + amount

    def close_lot(self, task: str) -> None:
        """Show of this task what has been counted so far."""
        with self._lock:
            for values, count in self._counts.items():
                if values[:1] == (task,):
                    self._shown[values] = lowest(int(count)) if self.of is Of.NOTES else count

    def samples(self) -> Iterator[Sample]:
        """All counts, of notes as of their last lot."""
        with self._lock:
            counts = dict(self._counts)
            shown = counts if self.of is Of.REQUESTS else {each: self._shown.get(each, 0) for each in counts}
        for values, count in sorted(shown.items()):
            yield "", self._named(values), count


class Gauge(Series):
    """A number that is read when it is asked for; of requests or of the machine."""

    kind = "gauge"

    def __init__(self, name: str, about: str, read: Callable[[], float | None], *, kind: str = "gauge") -> None:
        """read: gives the number; None: there is none yet. kind: `counter` of what somebody else counts."""
        super().__init__(name, about)
        self.read, self.kind = read, kind

    def samples(self) -> Iterator[Sample]:
        """The number of now."""
        if (value := self.read()) is not None:
            yield "", {}, value


class Labelled(Series):
    """Numbers that are read when they are asked for, by label; of requests or of the machine."""

    def __init__(
        self, name: str, about: str, labels: Sequence[str], read: Callable[[], Iterator[tuple[Values, float]]],
        kind: str = "gauge",
    ) -> None:  # fmt: skip
        """read: gives each number with its labels. kind: `counter` of what somebody else counts."""
        super().__init__(name, about, labels)
        self.read, self.kind = read, kind

    def samples(self) -> Iterator[Sample]:
        """The numbers of now."""
        for values, number in self.read():
            yield "", self._named(values), number


class Histogram(Series):
    """How many seconds, or whatever is measured of requests, were at most so many."""

    kind = "histogram"

    def __init__(self, name: str, about: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> None:
        """buckets: their upper bounds, rising."""
        super().__init__(name, about, labels)
        self.buckets = (*buckets, math.inf)
        self._counts: dict[Values, list[int]] = {}
        self._sums: dict[Values, float] = {}

    def observe(self, value: float, *values: str) -> None:
        """Count a measurement."""
        with self._lock:
            counts = self._counts.setdefault(values, [0] * len(self.buckets))
            counts[bisect_left(self.buckets, value)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + value

    def samples(self) -> Iterator[Sample]:
        """Cumulative counts, the sum, and their number."""
        with self._lock:
            every = [(values, list(counts), self._sums[values]) for values, counts in sorted(self._counts.items())]
        for values, counts, total in every:
            named, so_far = self._named(values), 0
            for bound, count in zip(self.buckets, counts, strict=True):
                so_far += count
                yield "_bucket", {**named, "le": _number(bound)}, so_far
            yield "_sum", named, total
            yield "_count", named, so_far


S = TypeVar("S", bound=Series)


class Registry:
    """The series of one application. Whoever has more to show adds them here."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._open: dict[str, int] = {}
        self._lock = threading.Lock()

    def put(self, series: S) -> S:
        """Show a series, too. Raises ValueError: its name is taken."""
        if series.name in self._series:
            raise ValueError(f"every series must have a name of its own, but {series.name} is taken")
        self._series[series.name] = series
        return series

    def read_notes(self, task: str, count: int) -> None:
        """Say that notes of a task have been read, once all series have counted them."""
        with self._lock:
            self._open[task] = self._open.get(task, 0) + count
            if self._open[task] < SMALL:
                return
            self._open[task] = 0
        for series in self._series.values():
            series.close_lot(task)

    def text(self) -> str:
        """All series in Prometheus' text format."""
        return "".join(f"{line}\n" for series in self._series.values() for line in _lines(series))


def _lines(series: Series) -> Iterator[str]:
    yield f"# HELP {series.name} {_escaped(series.about)}"
    yield f"# TYPE {series.name} {series.kind}"
    for end, labels, value in series.samples():
        named = ",".join(f'{label}="{_escaped(each, quote=True)}"' for label, each in labels.items())
        yield f"{series.name}{end}{f'{{{named}}}' if named else ''} {_number(value)}"


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
