"""The parts of the benchmark can be imported, and share a small hospital with bedside events."""

import sys
from pathlib import Path

import pytest

from chartune.sources.made_up import make_hospital

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up hospital to copy from; not to be written into."""
    folder = tmp_path_factory.mktemp("base") / "raw"
    make_hospital(folder, subjects=90, seed=4)
    return folder
