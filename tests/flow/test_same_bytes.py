"""The same raw data give the same bytes with one worker or two, in any time zone, locale or hash seed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.sources.ventilation.episodes import OXYGEN_JOINS
from chartune.store import Store
from chartune.tasks.catalog import Preset, further_tasks, usual_tasks
from chartune.tasks.prepare import Preparation, prepare
from chartune.tasks.prepared import SHELF

CODE = """
import json, sys
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
prepare(Preparation.parse(json.loads(sys.argv[1])), Store(sys.argv[2]).open())
"""


def elsewhere() -> dict[str, str]:
    """An environment that differs from this one in all that must not matter."""
    workers = "2" if pl.thread_pool_size() == 1 else "1"
    odd = {"TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "4711", "POLARS_MAX_THREADS": workers}
    return {**os.environ, **odd}


def hashes(store: Path) -> dict[str, str]:
    """File → SHA-256, of all that was prepared, the episodes on their shelf included."""
    found: dict[str, str] = {}
    for shelf in (SHELF, "events"):
        for artefact in Store(store).artefacts(shelf):
            files = json.loads((artefact.path / "manifest.json").read_text(encoding="utf-8"))["files"]
            found |= {f"{shelf}/{artefact.fingerprint}/{name}": str(file["sha256"]) for name, file in files.items()}
    return found


def rows(store: Path, shelf: str) -> dict[str, int]:
    """Name of a frame → its rows."""
    (artefact,) = Store(store).artefacts(shelf)
    return {file.stem: pl.read_parquet(file).height for file in artefact.path.glob("*.parquet")}


@pytest.mark.parametrize(("kind", "preset"), [("mimic4", "sound"), ("mimic3", "paper-code")])
def test_workers_time_zone_locale_and_hash_seed_change_no_byte(
    kind: Literal["mimic3", "mimic4"], preset: Preset, tmp_path: Path
) -> None:
    make_hospital(tmp_path / "raw", layout=kind, subjects=60, seed=3)
    tasks = (*usual_tasks(kind, preset, events=True), *further_tasks(kind, preset))
    source = {"kind": kind, "folder": tmp_path / "raw"}
    preparation = Preparation.parse({"source": source, "tasks": tasks, "preset": preset})
    prepare(preparation, Store(tmp_path / "here").open())
    asked = json.dumps(preparation.model_dump(mode="json"))
    command = [sys.executable, "-c", CODE, asked, str(tmp_path / "there")]
    done = subprocess.run(command, env=elsewhere(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    here, there = hashes(tmp_path / "here"), hashes(tmp_path / "there")
    assert here == there
    prepared, episodes = rows(tmp_path / "here", SHELF), rows(tmp_path / "here", "events")
    assert set(prepared) == {"corpus", "splits", "subgroups", *(task.name for task in tasks)}
    assert set(episodes) == {f"ventilation-{join}" for join in OXYGEN_JOINS}
    assert [name for name, count in {**prepared, **episodes}.items() if not count] == []
