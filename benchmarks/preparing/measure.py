"""Measuring: every way once per round in a process of its own, ways taking turns.

Whatever else the machine does then hits each of them. Reported are medians of seconds, the highest peak of memory, and
ratios paired round by round.
"""

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from chartune.testing.peak import childrens_peak_bytes, peak_bytes
from preparing.ways import WAYS, Job, folder_of


@dataclass(frozen=True)
class Once:
    """What one process took."""

    seconds: float
    """Of the work alone: neither the interpreter's start nor the import of libraries."""
    cpu_seconds: float
    """Of all threads and children; on a busy machine the steadier figure."""
    peak_mib: float
    """The most memory that was resident, libraries included; of the process or its largest child."""
    rows: int
    """That came out."""


@dataclass(frozen=True)
class Measured:
    """A way at a hospital."""

    way: str
    hospital: str
    rounds: tuple[Once, ...]

    @property
    def seconds(self) -> float:
        """The median."""
        return median(once.seconds for once in self.rounds)

    @property
    def cpu_seconds(self) -> float:
        """The median."""
        return median(once.cpu_seconds for once in self.rounds)

    @property
    def peak_mib(self) -> float:
        """The highest."""
        return max(once.peak_mib for once in self.rounds)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        summary = {"median_seconds": self.seconds, "median_cpu_seconds": self.cpu_seconds}
        return summary | {"highest_peak_mib": self.peak_mib} | asdict(self)


def take_turns(ways: Sequence[str], hospital: str, folder: Path, rounds: int, script: Path) -> dict[str, Measured]:
    """Let the ways take turns on a hospital; what each made in the last round stays in `made_by(folder, way)`.

    Args:
        ways: names of `preparing.ways.WAYS`.
        hospital: what it is called in tables.
        folder: where it is.
        rounds: how often.
        script: what is started, with `--one WAY FOLDER OUT`.
    """
    rounds_of: dict[str, list[Once]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            out = made_by(folder, way)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            rounds_of[way].append(apart(script, way, folder, out))
    return {way: Measured(way, hospital, tuple(once)) for way, once in rounds_of.items()}


def makings(folder: Path) -> Path:
    """Where all that is made of a hospital goes: beside it."""
    return folder.with_name(f"{folder.name}.made")


def made_by(folder: Path, way: str) -> Path:
    """Where a way puts what it makes of a hospital."""
    return makings(folder) / folder_of(way)


def apart(script: Path, way: str, folder: Path, out: Path) -> Once:
    """A way done in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on standard error.
    """
    command = [sys.executable, str(script), "--one", way, str(folder), str(out)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Once(**json.loads(printed.splitlines()[-1]))


def once(way: str, folder: Path, out: Path) -> Once:
    """Do it here, in a process that does nothing else."""
    do = WAYS[way](Job(way, folder, out))
    started, used = time.perf_counter(), cpu_seconds()
    rows = do()
    return Once(time.perf_counter() - started, cpu_seconds() - used, peak_mib(), rows)


def cpu_seconds() -> float:
    """Of this process so far: all threads, and children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)  # to the microsecond: clock ticks may count nothing


def peak_mib() -> float:
    """The most memory that was resident so far in this process or its largest child."""
    return max(peak_bytes(), childrens_peak_bytes()) / 2**20


def times(slower: Measured | Sequence[Measured], faster: Measured, *, by_cpu: bool = False) -> float:
    """How many times as long: the median of the ratios of single rounds.

    Args:
        slower: several are done one after the other.
        faster: what it is held against.
        by_cpu: of processor time, and not of the clock's.
    """

    def taken(one: Once) -> float:
        return one.cpu_seconds if by_cpu else one.seconds

    some = [slower] if isinstance(slower, Measured) else list(slower)
    totals = [sum(taken(way.rounds[number]) for way in some) for number in range(len(faster.rounds))]
    return median(total / taken(own) for total, own in zip(totals, faster.rounds, strict=True))
