"""Open data for tests: real files under an open licence, found through the environment."""

import os
from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "CHARTUNE_TEST_DATA"
DEFAULT: Final = Path(__file__).parents[4] / "shared" / "data"


def open_data(name: str) -> Path:
    """The folder of an open data set; the calling test skips where it is missing."""
    folder = Path(os.environ.get(VARIABLE) or DEFAULT) / name
    if not folder.is_dir():
        pytest.skip(f"open data {name} not found; set {VARIABLE} to the folder that holds it")
    return folder
