"""What is done between measurements, each in a process of its own: the process that measures stays small.

Linux counts what a process held before it became another program towards that program's peak.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final


def base(out: str, subjects: str) -> dict[str, Any]:
    """A made-up hospital to copy from; returns its tables."""
    from chartune.made_up import make_hospital

    tables: dict[str, Any] = make_hospital(Path(out), layout="mimic3", subjects=int(subjects), seed=4)["tables"]
    return tables


def notes(base: str, out: str, megabytes: str, charts: str) -> dict[str, Any]:
    """A hospital with so many megabytes (10^6 bytes) of gzipped notes; returns rows and bytes of its tables."""
    from preparing.growing import NOTE_TABLES, NOTES, Size, grow

    size = Size(NOTES, bytes=int(megabytes) * 1_000_000)
    return dict(grow(Path(base), Path(out), NOTE_TABLES, size, thick=charts == "thick"))


def events(base: str, out: str, rows: str, charts: str) -> dict[str, Any]:
    """A hospital with so many rows of bedside events; returns rows and bytes of its tables."""
    from preparing.growing import CHART_TABLES, Size, grow

    return dict(grow(Path(base), Path(out), CHART_TABLES, Size("CHARTEVENTS", rows=int(rows)), thick=charts == "thick"))


def equality(folder: str, store: str, *in_pandas: str) -> list[dict[str, Any]]:
    """How far chartune and pandas agree, task by task."""
    from preparing.equality import agreements

    return [agreement.to_json() for agreement in agreements(Path(folder), Path(store), [Path(p) for p in in_pandas])]


STEPS: Final[Mapping[str, Callable[..., Any]]] = {"base": base, "notes": notes, "events": events, "equality": equality}
"""Name → step."""


def aside(script: Path, step: str, *words: object) -> Any:
    """A step done in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on standard error.
    """
    command = [sys.executable, str(script), "--step", step, *map(str, words)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
