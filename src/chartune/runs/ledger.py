"""The ledger: every finished run of a store as one row, and how a run is found by fingerprint or name."""

import contextlib
import difflib
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.errors import ConfigError, StoreError, UnfinishedRun
from chartune.lease import guarded
from chartune.log import say
from chartune.quantities import Estimate
from chartune.runs.names import write_name
from chartune.runs.run import SHELF, Run
from chartune.store import GUARD, MANIFEST, Store, store_at, storing

SCHEMA: Final = {
    "fingerprint": pl.String, "kind": pl.String, "name": pl.String, "task": pl.String,
    "answer": pl.String, "data": pl.String,
    "backbone": pl.String, "stack": pl.String, "seed": pl.Int64,
    "metric": pl.String, "score": pl.Float64, "score_low": pl.Float64, "score_high": pl.Float64,
    "perplexity_before": pl.Float64,
    "seconds": pl.Float64, "trainable_parameters": pl.Int64, "peak_bytes": pl.Int64, "finished": pl.String,
}  # fmt: skip
"""Columns of the ledger. `metric` is the headline of the run, its score that of the test split; null means "not
measured"."""


def ledger(store: Store) -> pl.DataFrame:
    """One row per finished run, oldest first; columns and types as in `SCHEMA`, null where nothing was measured.

    Raises:
        StoreError: a file of a finished run is damaged.
    """
    return pl.DataFrame([_row(run) for run in finished_runs(store)], schema=SCHEMA, orient="row")


def finished_runs(store: Store) -> list[Run]:
    """Every finished run, oldest first."""
    return [Run(artefact.path) for artefact in store.artefacts("runs")]


def whole_runs(runs: Iterable[Run]) -> tuple[list[Run], dict[str, str]]:
    """The runs that can be read in full, and of the others, by fingerprint, what is damaged.

    For listings: one damaged run must not take them down.
    """
    problems = {run: run.damage() for run in runs}
    damaged = {run.fingerprint: problem for run, problem in problems.items() if problem}
    return [run for run, problem in problems.items() if not problem], damaged


def find_run(store: Store, prefix: str) -> Run:
    """The run with this fingerprint, or that is called so, or was called so, or whose fingerprint begins so.

    Raises:
        ConfigError: no run or several match; the message lists the matches, or the nearest names.
        UnfinishedRun: only a run that has not ended matches.
    """
    runs = finished_runs(store)
    exact = [run for run in runs if run.fingerprint == prefix]
    called = {} if exact else {run: _called(run) for run in runs}
    named = exact or [run for run in called if called[run][-1] == prefix]
    named = named or [run for run in called if prefix in called[run]]
    matches = named or [run for run in runs if prefix and run.fingerprint.startswith(prefix)]
    if len(matches) == 1:
        return matches[0]
    if len(matches) > 1:
        raise ConfigError(
            f"a run must be named without ambiguity, but {prefix!r} fits {len(matches)}: {_listed(matches, called)}; "
            f"give more digits of the fingerprint."
        )
    started = list((store.root / "runs").glob("*.partial"))
    if prefix and any(path.name.startswith(prefix) for path in started):
        raise UnfinishedRun(
            f"run {prefix} has started but not ended; start its stage again, it resumes where it stopped."
        )
    raise ConfigError(f"a run must be in the store, but none is named {prefix!r}. {_nearest(called, prefix)}")


def run_at(store: Store, reference: str) -> Run:
    """The run that a folder holds, or that a reference stands for as in `find_run`. Raises as that."""
    folder = Path(reference)
    return Run(folder) if os.path.isfile(folder / MANIFEST) else find_run(store, reference)


def store_of(run: Run | str, store: Store | Path | str | None = None) -> Store:
    """The store that is named; None: the one in which the run lies, or for a reference as `store_at`."""
    if store is None and isinstance(run, Run) and run.path.parent.name == SHELF:
        return Store(run.path.parents[1])
    return store_at(store)


def rename(run: Run, name: str) -> Run:
    """Call a finished run by another name from now on. What it was called finds it, too; its folder stays as signed.

    Raises:
        StoreError: the name cannot be written beside the folder.
    """
    if name == run.name:
        return run
    with storing(run.path):
        write_name(run.path, name)
    return Run(run.path)


def free_name(store: Store, name: str, *, task: str | None, seed: int, own: Iterable[str]) -> str:
    """A name as it is free for a run: `lora`, or `lora (2)` where another run is called so.

    Runs of one task that differ in their seed may share a name, as those of one variant do.

    Args:
        store: of the runs.
        name: that is asked for.
        task: of the run.
        seed: likewise.
        own: fingerprints of runs that may bear it: its own, and that of the same stage without test scores.
    """
    taken: set[str] = set()
    for run in finished_runs(store):
        with contextlib.suppress(StoreError):  # damaged: nobody finds it by name
            if run.fingerprint not in own and (run.task, run.about.seed) == (task, seed):
                taken.update(_called(run))
    numbers = itertools.count(2)
    free = name
    while free in taken:
        free = f"{name} ({next(numbers)})"
    if free != name:
        say(f"warning: another run of this task and seed is called {name!r}; this one is called {free!r}")
    return free


def only_bearer(store: Store, run: Run) -> Run:
    """A run that has just been finished, called otherwise where another that was made meanwhile bears its name.

    Each run is there before it looks, so that of two at least one sees the other; who sees one looks again alone.

    Raises:
        StoreError: the name cannot be written, or the store's guard is held too long.
    """
    if not _has_namesake(store, run):
        return run
    with guarded(store.root / GUARD):
        if not _has_namesake(store, run):  # the other one has taken another name meanwhile
            return run
        return rename(run, free_name(store, run.name, task=run.task, seed=run.about.seed or 0, own=(run.fingerprint,)))


def _has_namesake(store: Store, run: Run) -> bool:
    """Whether another run of its task and seed is called as it is now."""
    for other in finished_runs(store):
        with contextlib.suppress(StoreError):
            same = (other.name, other.task, other.about.seed) == (run.name, run.task, run.about.seed)
            if same and other.fingerprint not in (run.fingerprint, run.about.trained_in):
                return True
    return False


def _row(run: Run) -> list[Any]:
    score, before = (run.estimate(name) for name in (run.headline.metric, f"{run.headline.metric}_before"))
    return [
        run.fingerprint, run.kind, run.name, run.task, run.answer, run.data,
        run.base_name, run.stack_title, run.about.seed,
        run.headline.metric, _value(score), score and score.low, score and score.high, _value(before),
        run.cost.seconds, run.cost.trainable_parameters, run.cost.peak_bytes, run.about.finished,
    ]  # fmt: skip


def _value(estimate: Estimate | None) -> float | None:
    return estimate.value if estimate else None


def _called(run: Run) -> tuple[str, ...]:
    """All that a run was ever called, as far as that can be read: one damaged file of names hides no other run."""
    try:
        return run.names
    except StoreError as error:
        say(f"warning: {error}")
        return (run.signed_name,)


def _nearest(called: Mapping[Run, Sequence[str]], prefix: str) -> str:
    if not called:
        return "The store holds no finished run yet."
    runs = list(called)
    names = {name: run for run in runs for name in called[run]} | {run.fingerprint: run for run in runs}
    near = {names[name].fingerprint: names[name] for name in difflib.get_close_matches(prefix, names, n=3, cutoff=0.4)}
    return (
        f"The nearest: {_listed(list(near.values()), called)}." if near else f"It holds {_listed(runs[-5:], called)}."
    )


def _listed(runs: list[Run], called: Mapping[Run, Sequence[str]]) -> str:
    shown = ", ".join(f"{run.fingerprint} ({called[run][-1]})" for run in runs[:5])
    return shown if len(runs) <= 5 else f"{shown} and {len(runs) - 5} more"
