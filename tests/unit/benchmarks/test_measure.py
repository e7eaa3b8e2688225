"""What is measured is told rightly: pairs, medians, bounds; and a way is done in a process of its own."""

from pathlib import Path

import pytest
from conftest import BENCHMARKS
from prepare import Claim, core_claims, memory_claims, time_claims
from preparing.measure import Measured, Once, apart, made_by, take_turns, times
from preparing.ways import CORE, PANDAS

MB, SCRIPT = 2.0**20, BENCHMARKS / "prepare.py"


def _measured(way: str, *seconds: float, peak: float = 100, hospital: str = "one") -> Measured:
    return Measured(way, hospital, tuple(Once(one, peak + number, 7) for number, one in enumerate(seconds)))
