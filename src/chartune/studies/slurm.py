"""Slurm: the cells of a study as arrays of `sbatch`, one process of the command line for each; results by the store.

cells ─by how many others they wait for─▶ ranks ─▶ an array for each rank, after those before it ─▶ report
script   <job>.slurm   a signal before the wall time ─▶ SIGTERM ─▶ checkpoint ─▶ requeued
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from chartune.errors import ConfigError, RunError
from chartune.studies.order import Waits
from chartune.writing import storing, write_bytes

SBATCH: Final = "CHARTUNE_SBATCH"
"""The variable of the environment that names the command that submits; usually it is `sbatch`."""
NOTICE_SECONDS: Final = 300
"""So long before the wall time a cell is asked to end: its step and a checkpoint must fit in."""
_SCRIPT: Final = """#!/bin/bash
# Written by `chartune study run --executor slurm`. One cell of a study; asked to end, it writes a checkpoint, and the
# task is put into the queue again.
ended() {{
    kill -TERM "$child" 2>/dev/null
    wait "$child"
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
    exit 0
}}
trap ended USR1
{command} "$SLURM_ARRAY_TASK_ID" &
child=$!
wait "$child"
"""


def ranks(cells: Iterable[int], waits: Waits) -> list[list[int]]:
    """Cells in groups: each waits for cells of groups before its own alone, or for cells that are not among them.

    Args:
        cells: that are to be done.
        waits: which cells must have ended before another begins.
    """
    todo = sorted(cells)
    rank: dict[int, int] = {}
    for number in todo:  # whoever is waited for stands before
        rank[number] = 1 + max((rank[before] for before in waits[number] if before in rank), default=-1)
    return [[number for number in todo if rank[number] == each] for each in range(max(rank.values(), default=-1) + 1)]


def submit(job: Path, cells: Iterable[int], waits: Waits, flags: Sequence[str], at_once: int | None) -> list[str]:
    """Submit an array for each rank of cells.

    Args:
        job: the file that the cells' processes read.
        cells: that are to be done.
        waits: which cells must have ended before another begins.
        flags: of `sbatch`, such as `--time=04:00:00`; they go before those of this program.
        at_once: how many tasks of an array run at the same time; None: as many as there is room for.

    Returns:
        The numbers of the arrays, as Slurm gives them.

    Raises:
        ConfigError: `sbatch` is not there.
        RunError: it refuses.
        StoreError: the script cannot be written.
    """
    script, submitted = _written(job), list[str]()
    for group in ranks(cells, waits):
        most = f"%{at_once}" if at_once else ""
        after = [f"--dependency=afterany:{submitted[-1]}"] if submitted else []
        words = [
            *flags, "--parsable", f"--job-name={job.stem}", f"--array={','.join(map(str, group))}{most}", "--requeue",
            f"--signal=B:USR1@{NOTICE_SECONDS}", f"--output={job.with_suffix('')}-%A-%a.log", "--open-mode=append",
            *after, str(script),
        ]  # fmt: skip
        submitted.append(_said(words))
    return submitted


def _written(job: Path) -> Path:
    """The script of a job's arrays."""
    script = job.with_suffix(".slurm")
    words = [sys.executable, "-m", "chartune", "study", "cell", str(job)]
    with storing(script):
        write_bytes(script, _SCRIPT.format(command=shlex.join(words)).encode())
    return script


def _said(words: Sequence[str]) -> str:
    """Submit; the number that was given."""
    command = os.environ.get(SBATCH) or "sbatch"
    try:
        done = subprocess.run([command, *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(
            f"--executor slurm needs the command sbatch, but {command} cannot be started ({error.strerror}); run it "
            f"where Slurm is, or name the command in {SBATCH}."
        ) from None
    if done.returncode:
        raise RunError(
            f"sbatch must take the cells of a study, but it has refused them with exit code {done.returncode}: "
            f"{done.stderr.strip()[:500]}; correct the flags given with --slurm."
        )
    return done.stdout.strip().partition(";")[0]
