"""The meter: what training costs, measured while it runs."""

import contextlib
from functools import partial
from types import TracebackType
from typing import Final, Self

import psutil
import torch

from chartune.train.watch import Watch

INTERVAL: Final = 0.05
_measuring: list["PeakMemory"] = []


class PeakMemory:
    """The largest memory in use between enter and exit: of the device on a GPU, else of this process (resident)."""

    def __init__(self) -> None:
        self.bytes: int | None = None
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        if torch.cuda.is_available():
            _note_peak()  # of those around it, whose maximum is now reset
            torch.cuda.reset_peak_memory_stats()
            _measuring.append(self)
            return self
        _measuring.append(self)
        # Sampled, because the operating system's own maximum covers the whole life of the process.
        self._watch = Watch(partial(self._note, psutil.Process()), INTERVAL)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is None:
            _note_peak()
            _measuring.remove(self)
            return
        _measuring.remove(self)
        self._watch.stop()

    def _note(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error):
            self.bytes = max(self.bytes or 0, process.memory_info().rss)


def _note_peak() -> None:
    """What a GPU has allocated at most since its maximum was reset counts for all that are being measured."""
    for one in _measuring:
        one.bytes = max(one.bytes or 0, int(torch.cuda.max_memory_allocated()))


def peak_bytes() -> int:
    """The largest memory in use so far, as the innermost `PeakMemory` has it; outside of any: what is in use now."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return (_measuring[-1].bytes if _measuring else None) or int(psutil.Process().memory_info().rss)


def device_name() -> str:
    """The device that costs are measured on, as a person would name it."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = str(torch.cpu.get_capabilities().get("cpu_name") or "CPU")
    return f"{model}, {torch.get_num_threads()} threads"
