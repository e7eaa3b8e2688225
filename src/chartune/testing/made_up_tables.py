"""Tables of a made-up hospital read the plain way, by Python's csv module: a route of its own to what they hold."""

import csv
import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from chartune.made_up import make_hospital
from chartune.made_up.icu_stays import Layout

BROKEN = "\ufffd"
"""What a byte that is no UTF-8 is read as."""


def hospital_of(layout: Layout, subjects: int, seed: int) -> Any:
    """A fixture of the module that assigns it: the folder of such a hospital, with its bedside chart."""

    @pytest.fixture(scope="module")
    def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
        out = tmp_path_factory.mktemp("made-up") / layout
        make_hospital(out, layout=layout, subjects=subjects, seed=seed)
        return out

    return folder


def packed(folder: Path, table: str) -> bytes:
    """A table unpacked, as bytes."""
    return gzip.decompress((folder / f"{table}.csv.gz").read_bytes())


def content(folder: Path, table: str) -> str:
    """A table as text; bytes that are no UTF-8 are `BROKEN`."""
    return packed(folder, table).decode(errors="replace")


def header(folder: Path, table: str) -> list[str]:
    """The names of the columns as they are written."""
    return next(csv.reader([content(folder, table).split("\n", 1)[0]]))


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    """The rows of a table; names of columns in lower case, an empty cell is an empty text."""
    csv.field_size_limit(sys.maxsize)
    read = csv.reader(io.StringIO(content(folder, table), newline=""))
    names = [name.lower() for name in next(read)]
    return [dict(zip(names, cells, strict=True)) for cells in read]
