"""Material: the runs of a report with those that they descend from, and their data; what is damaged is left out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from chartune.errors import StoreError
from chartune.log import say
from chartune.runs import Run, finished_runs
from chartune.runs.ledger import whole_runs
from chartune.store import Store
from chartune.tasks.dataset import Dataset, read_dataset
from chartune.tasks.subgroups import read_subgroups


@dataclass(frozen=True)
class Material:
    """What a report is made from."""

    runs: list[Run]
    """Parents first."""
    datasets: dict[str, Dataset]
    """By fingerprint; those that are gone or damaged are not in it."""
    left_out: tuple[str, ...]
    """Fingerprints of damaged runs."""
    groups: dict[str, pl.DataFrame]
    """Fingerprint of data → groups of its patients, where they were kept."""


def material(store: Store, runs: Sequence[Run] | None) -> Material:
    """The runs that were asked for, or all, with their parents. What is damaged is left out and said.

    Raises:
        StoreError: every run that was asked for is damaged.
    """
    whole, damaged = whole_runs(finished_runs(store))
    every = {run.fingerprint: run for run in (*whole, *(runs or ())) if run.fingerprint not in damaged}
    asked = whole if runs is None else [run for run in runs if run.fingerprint in every]
    chosen = _once(whole if runs is None else _with_parents(asked, every))
    wanted = {*every, *damaged} if runs is None else {run.fingerprint for run in runs}
    left_out = tuple(name for name in damaged if name in wanted.union(*(run.parents for run in chosen)))
    if left_out and not chosen:
        raise StoreError(damaged[left_out[0]])
    for name in left_out:
        say(f"warning: run {name} is left out of the report: {damaged[name]}")
    datasets = _datasets(store, chosen)
    return Material(chosen, datasets, left_out, _groups(store, datasets))


def by_fingerprint(runs: Iterable[Run]) -> dict[str, Run]:
    """Runs by fingerprint, and by that of the run whose weights they have taken over."""
    known = {run.about.trained_in: run for run in runs if run.about.trained_in}
    return {**known, **{run.fingerprint: run for run in runs}}


def _once(runs: Sequence[Run]) -> list[Run]:
    """Without those whose weights another one of them has taken over: that one has all their scores."""
    taken = {run.about.trained_in for run in runs}
    return [run for run in runs if run.fingerprint not in taken]


def damage_reported(left_out: Sequence[str]) -> list[str]:
    """The caveat that damaged runs are missing from the page; empty: none is."""
    line = f"Left out, because files of theirs are damaged: {', '.join(left_out)} (`chartune ls` says which)."
    return [line] if left_out else []


def _datasets(store: Store, runs: Sequence[Run]) -> dict[str, Dataset]:
    datasets: dict[str, Dataset] = {}
    for fingerprint in dict.fromkeys(run.data for run in runs if run.data):
        artefact = store.find("data", fingerprint)
        try:
            datasets |= {fingerprint: read_dataset(artefact)} if artefact is not None else {}
        except StoreError as error:
            say(f"warning: of data {fingerprint} the report tells no more than the runs do: {error}")
    return datasets


def _groups(store: Store, datasets: Iterable[str]) -> dict[str, pl.DataFrame]:
    groups: dict[str, pl.DataFrame] = {}
    for fingerprint in datasets:
        artefact = store.find("data", fingerprint)
        try:
            known = read_subgroups(artefact) if artefact is not None else None
        except StoreError as error:
            say(f"warning: of data {fingerprint} the report scores no subgroups: {error}")
            continue
        groups |= {} if known is None else {fingerprint: known}
    return groups


def _with_parents(runs: Iterable[Run], every: Mapping[str, Run]) -> list[Run]:
    """Runs and all that they descend from, parents first; each once."""
    ordered: dict[str, Run] = {}

    def add(run: Run) -> None:
        for parent in run.parents:
            if parent in every and parent not in ordered:
                add(every[parent])
        ordered.setdefault(run.fingerprint, run)

    for run in runs:
        add(run)
    return list(ordered.values())
