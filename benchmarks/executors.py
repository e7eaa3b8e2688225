"""Executors of studies: what a cell costs beyond its own training, and what a second worker brings.

    a  local: cells of a warm worker           each of N cells beyond the first: seconds by both clocks, beside those
    b  slurm: a process for each cell          that its training loop took. All else is counted as overhead: data,
    c  ray: likewise, as tasks of a cluster    base model, scores with intervals, files, hashes, the report of the study
    d  two workers of one thread against one, on the same cells: cells an hour, and whether all bits are equal

python benchmarks/executors.py [--part abcd] [--cells 6] [--many 20] [--steps 60] [--ray-python PYTHON]

Cells are LoRA on MiniLM on made-up texts, two steps each (of `d` as many as --steps). Slurm is the tests' stand-in for
`sbatch`: the queue of a cluster is no part of it. `c` is left out without an interpreter that has the extra `ray`
(--ray-python). CPU seconds are those of a study's process and all that it has waited for; Ray does not wait for its
own.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from chartune.runs.ledger import finished_runs
from chartune.store import Store
from chartune.testing.slurm import slurm_stand_in
from serving.made import between
from serving.shown import Row, at_least, at_most, show

SECONDS_LOCAL: Final = 2.0
SECONDS_PROCESS: Final = 10.0
RATIO: Final = 1.6
RATE: Final = "optimisation.learning_rate"


@dataclass(frozen=True)
class Took:
    """What a study took."""

    wall: float
    cpu: float
    trained: float
    """Seconds within the training loops of its runs, by the clock."""


def main() -> None:
    """Print one table."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        table = written_texts(place)
        stand_in = slurm_stand_in(place / "slurm")
        ways: dict[str, tuple[str, list[str], str, float]] = {
            "a": ("local", ["--workers", "1", "--threads", "1"], sys.executable, SECONDS_LOCAL),
            "b": ("slurm", ["--executor", "slurm"], sys.executable, SECONDS_PROCESS),
            "c": ("ray", ["--executor", "ray", "--workers", "1", "--threads", "1"], asked.ray_python, SECONDS_PROCESS),
        }
        rows: list[Row] = []
        for part, (name, flags, python, most) in ways.items():
            if part in asked.part and python:
                rows += overhead(part, name, flags, python, most, table, place, asked.cells, stand_in)
        if "d" in asked.part:
            rows += two_workers(table, place, asked.many, asked.steps)
        show(rows)


def written_texts(place: Path) -> Path:
    """A table of 60 short texts with two labels."""
    table = place / "own.csv"
    with table.open("w", encoding="utf-8", newline="") as handle:
        rows = enumerate(between(0, 60, 16, 32))
        csv.writer(handle).writerows([("subject_id", "text", "label"), *((n, t, "ny"[n % 2]) for n, t in rows)])
    return table


def study(table: Path, cells: int, steps: int, file: Path) -> Path:
    """A study of so many fine-tuned cells, which differ in their rates."""
    stage: dict[str, Any] = {
        "kind": "finetune", "backbone": {"name": "minilm"}, "max_seq_len": 64, "numerics": {"precision": "fp32"},
        "optimisation": {"duration": {"value": steps, "unit": "steps"}, "batch_size": 8},
        "grid": {RATE: [round(1e-3 + 1e-5 * n, 6) for n in range(cells)]},
    }  # fmt: skip
    data = {"source": {"kind": "tabular", "file": str(table)}}
    plain = {"title": "Executors", "test": "all", "data": data, "stages": {"lora": stage}}
    file.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    return file


def took(file: Path, store: Path, flags: Sequence[str], python: str, stand_in: Path | None = None) -> Took:
    """Conduct a study; raises CalledProcessError, its messages on standard error, if it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CHARTUNE_SBATCH": str(stand_in or "sbatch")}
    words = [python, "-m", "chartune", "study", "run", str(file), "--store", str(store), "--json", *flags]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True)
    wall, spent = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall, cpu, sum(run.cost.train_seconds or 0.0 for run in finished_runs(Store(store))))


def overhead(
    part: str, name: str, flags: Sequence[str], python: str, most: float, table: Path, place: Path, cells: int,
    stand_in: Path,
) -> list[Row]:  # fmt: skip
    """What each cell beyond the first took: a study of one cell, and one of so many, each in a new store."""
    few, many = (
        took(study(table, count, 2, place / f"{name}-{count}.yaml"), place / f"{name}-{count}", flags, python, stand_in)
        for count in (1, cells + 1)
    )
    wall, trained = (many.wall - few.wall) / cells, (many.trained - few.trained) / cells
    cpu = (many.cpu - few.cpu) / cells
    holds = at_most(wall - trained, most, "{:.0f} s")
    further = f"{cells} cells, the training loop ({trained:.2f} s) taken off; the first cell took {few.wall:.1f} s"
    rows = [Row(part, f"{name}: a cell beyond its training, by the clock", f"{wall - trained:.2f} s", *holds, further)]
    if name != "ray":
        rows.append(
            Row(part, f"{name}: a cell with its training, CPU", f"{cpu:.2f} s", *at_most(cpu, most, "{:.0f} s"), "")
        )
    return rows


def two_workers(table: Path, place: Path, cells: int, steps: int) -> list[Row]:
    """The same study by one worker and by two, of one thread each: cells an hour, and their runs."""
    done = dict[int, Took]()
    for workers in (1, 2):
        flags = ["--workers", str(workers), "--threads", "1"]
        file = study(table, cells, steps, place / f"workers-{workers}.yaml")
        done[workers] = took(file, place / f"workers-{workers}", flags, sys.executable)
    rates = {workers: 3600 * cells / took.wall for workers, took in done.items()}
    ratio = rates[2] / rates[1]
    equal = left(place / "workers-1") == left(place / "workers-2")
    spent = f"CPU {done[1].cpu:.0f} and {done[2].cpu:.0f} s"
    further = f"{rates[1]:.0f} and {rates[2]:.0f} cells an hour, starts counted; {spent}"
    return [
        Row("d", f"two workers against one, {cells} cells of {steps} steps", f"{ratio:.2f} ×",
            *at_least(ratio, RATIO, "{:.1f} ×"), further),
        Row("d", "weights, scores and predictions", "equal" if equal else "differ", "equal", equal, "all bits"),
    ]  # fmt: skip


def left(store: Path) -> dict[str, Any]:
    """What the runs of a store hold, by fingerprint: bytes of weights and predictions, scores."""
    return {
        run.fingerprint: (
            {file.name: file.read_bytes() for file in sorted(run.path.rglob("*.safetensors"))},
            json.loads((run.path / "scores.json").read_text(encoding="utf-8")),
            run.predictions().to_dicts(),
        )
        for run in finished_runs(Store(store))
    }


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", default="abcd", help="which parts")
    parser.add_argument("--cells", type=int, default=6, help="of a, b and c, beyond the first")
    parser.add_argument("--many", type=int, default=20, help="cells of d")
    parser.add_argument("--steps", type=int, default=60, help="of each cell of d")
    parser.add_argument("--ray-python", default="", help="an interpreter that has the extra ray; without it no c")
    return parser.parse_args()


if __name__ == "__main__":
    main()
