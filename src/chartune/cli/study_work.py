"""By what a study is done: the flags of `chartune study run` for it, and the verbs of the processes that do cells."""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from chartune.cli.options import StorageOption, emit, path_argument
from chartune.errors import ConfigError, InUse, RunError

if TYPE_CHECKING:
    from chartune.store import Store
    from chartune.studies.conduct import Means
    from chartune.studies.study import Study

UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, metavar="N", show_default=False,
        help="Do so many cells at once, each in a process of its own with its share of the cores, and one GPU where "
        "there are several. Default: one after the other, in this process.",
    ),
]  # fmt: skip
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, metavar="N", show_default=False,
        help="Threads of each worker; results are equal bit for bit where these are. Default: cores / workers.",
    ),
]  # fmt: skip
LimitOption = Annotated[
    str | None,
    typer.Option(
        "--time-limit", metavar="TIME", show_default=False,
        help="Begin only what ends within this time by its plan, such as 6h or 1h30m; what is left out is said.",
    ),
]  # fmt: skip
RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="Try cells again that have failed before, too.", show_default=False)
]
ExecutorOption = Annotated[
    Literal["local", "slurm", "ray"],
    typer.Option(
        "--executor",
        help="Who does the cells: this machine, arrays of Slurm's sbatch, which are not waited for, or tasks of a Ray "
        "cluster: the one that RAY_ADDRESS names, or else one of this machine alone.",
    ),
]
SlurmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm", metavar="FLAG", show_default=False,
        help="A flag of sbatch, such as --slurm=--time=04:00:00 or --slurm=--gres=gpu:1. Repeatable.",
    ),
]  # fmt: skip
JobArgument = Annotated[Path, path_argument("JOB", "A study as `chartune study run` has written it down.")]


def seconds_of(text: str) -> float:
    """`1h30m` → 5400. Raises ConfigError: it is no time."""
    parts = TIME.findall(text)
    if not parts or TIME.sub("", text).strip():
        raise ConfigError(f"--time-limit must be a time such as 6h, 90m or 1h30m, but is {ascii(text)[:40]}.")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def means_of(
    workers: int | None,
    threads: int | None,
    time_limit: str | None,
    storage: str | None,
    *,
    retry_failed: bool,
    executor: str = "local",
) -> "Means":
    """By what a study is conducted, as the flags say.

    Raises:
        ConfigError: --threads or Ray without workers, or a limit that is no time.
    """
    from chartune.search.storages import VARIABLE
    from chartune.studies.conduct import Means
    from chartune.studies.local_workers import threads_for

    if storage:
        os.environ[VARIABLE] = storage  # for other processes: an address may hold a password, which no command shows
    seconds = None if time_limit is None else seconds_of(time_limit)
    if workers is None:
        if threads is not None:
            raise ConfigError("--threads are those of a worker; give --workers, too, or set OMP_NUM_THREADS.")
        if executor == "ray":
            raise ConfigError("--executor ray needs to know how many cells are done at once; give --workers.")
        return Means(seconds=seconds, retry_failed=retry_failed)
    if executor == "ray":
        return _by_ray(workers, threads or threads_for(workers), seconds, retry_failed=retry_failed)
    return _by_local_workers(workers, threads, seconds, retry_failed=retry_failed)


def hand_over(
    study: "Study", store: "Store", ledger: Path | None, flags: list[str] | None, means: "Means", *, as_json: bool
) -> None:
    """Hand the cells of a study to Slurm, and print the numbers of its arrays.

    Raises:
        ConfigError: a time limit is given, which Slurm has of its own.
        RunError: a cell has failed before, or depends on one; the others are handed over.
    """
    from chartune.studies.problems import together
    from chartune.studies.submission import submitted

    if means.seconds is not None:
        raise ConfigError("--time-limit is of this machine's cells; for Slurm give --slurm=--time=04:00:00.")
    workers = means.workers if means.crew else None
    done = submitted(study, store, ledger, flags or (), workers, retry=means.retry_failed)
    gaps = [{"stage": gap.cell, "why": gap.why} for gap in done.gaps]
    text = f"{len(done.cells)} cells in {len(done.arrays)} arrays ({', '.join(done.arrays) or 'nothing to do'})"
    emit({"arrays": done.arrays, "cells": done.cells, "gaps": gaps}, as_json, f"handed to Slurm: {text}")
    if gaps:
        raise RunError(
            f"cells that have failed are handed over on request only "
            f"({together([(gap.cell, gap.why) for gap in done.gaps])}); "
            f"fix the cause and give the same command again with --retry-failed."
        )


def _by_local_workers(workers: int, threads: int | None, seconds: float | None, *, retry_failed: bool) -> "Means":
    import torch

    from chartune.studies.conduct import Means
    from chartune.studies.local_workers import LocalWorkers, devices_for, threads_for

    each = threads or threads_for(workers)
    devices = devices_for(workers, os.environ, torch.cuda.device_count())
    slower = max(1.0, torch.get_num_threads() / each)
    return Means(lambda job: LocalWorkers(job, workers, each, devices), workers, slower, seconds, retry_failed)


def _by_ray(workers: int, threads: int, seconds: float | None, *, retry_failed: bool) -> "Means":
    import torch

    from chartune.studies.conduct import Means
    from chartune.studies.ray_tasks import RayTasks

    address = os.environ.get("RAY_ADDRESS") or None
    slower = max(1.0, torch.get_num_threads() / threads)
    return Means(lambda job: RayTasks(job, workers, threads, address), workers, slower, seconds, retry_failed)


def work(job: JobArgument, storage: StorageOption = None) -> None:
    """Do cells of a study as their numbers come on standard input; started by `chartune study run --workers`."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # whatever prints is for people
        from chartune.search.storages import Journals
        from chartune.studies.job import read_job, survey_of
        from chartune.studies.worker import work as do_work

        asked, journals = survey_of(read_job(job)), Journals(storage)
        try:
            do_work(asked, journals, 0, answers)
        except (KeyboardInterrupt, SystemExit):
            raise typer.Exit from None  # as it was asked to; who started it says how to go on


def cell(
    job: JobArgument,
    number: Annotated[int, typer.Argument(help="Number of the cell, from 0.", min=0)],
    storage: StorageOption = None,
) -> None:
    """Do one cell of a study, unless it is done; started by `chartune study run` on other machines."""
    from chartune.search.storages import Journals
    from chartune.studies.attempt import attempted
    from chartune.studies.job import read_job, survey_of
    from chartune.studies.order import waits_of

    asked = survey_of(read_job(job))
    standing = attempted(asked, number, waits_of(asked.family), Journals(storage))
    typer.echo(json.dumps({"state": standing.state, "why": standing.why}))
    if standing.state == "running":
        raise InUse(standing.why)
    if standing.state != "done":
        raise RunError(f"{standing.cell.title()}: {standing.why}")
