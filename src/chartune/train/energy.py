"""Energy: what counters of the machine say that it has taken; without a counter nothing, and never an estimate.

    /sys/class/powercap/intel-rapl:*/energy_uj   of packages and memory, on Intel and AMD; often readable by root alone
    NVML                                         of each GPU that this process may use

Of a shared machine the counters hold what others have done meanwhile, too.
"""

import contextlib
import importlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import torch

from chartune.train.watch import Watch

POWERCAP: Final = Path("/sys/class/powercap")
DOMAINS: Final = ("package", "dram")
"""Which zones are added up: cores and graphics are parts of a package."""
INTERVAL: Final = 20.0
"""Seconds between two readings: a counter of 262 kJ begins anew after a quarter of an hour at 300 W."""


@dataclass
class Counter:
    """One counter, and what has passed on it."""

    name: str
    """Such as `RAPL package-0`."""
    file: Path | None
    """That holds microjoules; None: NVML."""
    most: int
    """Microjoules after which it begins anew; 0: never."""
    device: Any = None
    """Handle of NVML."""
    last: int = 0
    passed: int = 0
    """Microjoules since the beginning."""

    def read(self) -> int:
        """Microjoules on the counter. Raises OSError, ValueError, or NVML's error: it cannot be read."""
        if self.file is not None:
            return int(self.file.read_text())
        return 1000 * int(_nvml().nvmlDeviceGetTotalEnergyConsumption(self.device))

    def advance(self) -> None:
        """Add what has passed since the last reading, once around at most."""
        now = self.read()
        self.passed += now - self.last if now >= self.last else now - self.last + self.most
        self.last = now


@dataclass
class Energy:
    """Energy between enter and exit."""

    root: Path = POWERCAP
    joules: float | None = None
    """Of all counters together; None: there is none that can be read, or one has failed meanwhile."""
    counters: tuple[str, ...] = ()
    """Those that were read."""
    _counters: list[Counter] = field(default_factory=list)
    _failed: bool = False
    _watch: Watch | None = None

    def __enter__(self) -> Self:
        self._counters = [*_rapl(self.root), *_gpus()]
        if self._counters:
            self._watch = Watch(self._advance, INTERVAL)
            self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is None:
            return
        self._watch.stop()
        self._advance()
        if not self._failed:
            self.joules = sum(counter.passed for counter in self._counters) / 1e6
            self.counters = tuple(counter.name for counter in self._counters)

    def _advance(self) -> None:
        unreadable: tuple[type[Exception], ...] = (OSError, ValueError, *_nvml_errors())
        for counter in self._counters:
            try:
                counter.advance()
            except unreadable:
                self._failed = True


def _rapl(root: Path) -> list[Counter]:
    """The zones of packages and memory that can be read."""
    found: list[Counter] = []
    for zone in sorted(root.glob("intel-rapl:*")):
        with contextlib.suppress(OSError, ValueError):
            name = (zone / "name").read_text().strip()
            if name.startswith(DOMAINS):
                most = int((zone / "max_energy_range_uj").read_text())
                counter = Counter(f"RAPL {name}", zone / "energy_uj", most)
                counter.last = counter.read()
                found.append(counter)
    return found


def _gpus() -> list[Counter]:
    """The GPUs of this process whose counter NVML gives (Volta and later, with the package nvidia-ml-py)."""
    if not torch.cuda.is_available() or not _nvml_errors():
        return []
    library, found = _nvml(), list[Counter]()
    with contextlib.suppress(*_nvml_errors()):
        library.nvmlInit()
        for number in range(torch.cuda.device_count()):
            uuid = f"GPU-{torch.cuda.get_device_properties(number).uuid}"
            counter = Counter(f"NVML {uuid}", None, 0, library.nvmlDeviceGetHandleByUUID(uuid))
            counter.last = counter.read()
            found.append(counter)
    return found


def _nvml() -> Any:
    return importlib.import_module("pynvml")


def _nvml_errors() -> tuple[type[Exception], ...]:
    """What NVML raises; nothing: it is not installed."""
    try:
        return (_nvml().NVMLError,)
    except ImportError:
        return ()
