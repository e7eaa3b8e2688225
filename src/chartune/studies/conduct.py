"""Conducting a study: its cells in order, each found or run; one that fails leaves a gap and does not stop the others.

checks ─▶ data ─▶ cells ─┬▶ found in the store, or listed in the ledger and its weights not asked for
                         ├▶ run(stage), here or by a crew ─▶ Run ─▶ a line of the ledger
                         └▶ refused ─▶ Gap, and what depends on it ─▶ Conducted(runs, listed, gaps) ─▶ report
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from chartune.log import progress, say
from chartune.quantities import human_seconds
from chartune.report.claims import Asked
from chartune.runs.run import Run
from chartune.search.extra import optuna
from chartune.search.storages import Journals
from chartune.stages.bases import find_or_make
from chartune.stages.model_stage import ModelStage
from chartune.store import Store
from chartune.studies.checks import must_be_sound, prepared
from chartune.studies.claim_runs import asked_claims, lock_claims
from chartune.studies.job import write_job
from chartune.studies.ledger import Entry, keeping, must_be_of, must_be_writable, read_entries
from chartune.studies.order import in_order, waits_of
from chartune.studies.parents import Family, family_of
from chartune.studies.problems import together
from chartune.studies.searching import Searched
from chartune.studies.sitting import Crew, Sitting, at_once, one_by_one
from chartune.studies.standing import Standing, Survey, needed, survey
from chartune.studies.study import Study
from chartune.studies.time_limit import Choice, choice_of

Crewed: TypeAlias = Callable[[Path], AbstractContextManager[Crew]]
"""File of a job → who does its cells, until the end of the context."""


@dataclass(frozen=True)
class Means:
    """By what, and for how long, a study is conducted."""

    crew: Crewed | None = None
    """None: this process does one cell after the other."""
    workers: int = 1
    """Cells at once."""
    slower: float = 1.0
    """How many times as long a worker takes as this process would."""
    seconds: float | None = None
    """After which no cell shall be under way, by what the plans say; None: there is no limit."""
    retry_failed: bool = False
    """Whether cells that have failed before are tried again."""


@dataclass(frozen=True)
class Gap:
    """A cell that has no run."""

    cell: str
    """Its title."""
    why: str
    """The error, or what it waits for."""


@dataclass(frozen=True)
class Conducted:
    """What a study has left."""

    runs: tuple[Run, ...]
    """In the order of the study, titled as it calls them."""
    gaps: tuple[Gap, ...]
    """What could not be done."""
    listed: tuple[Entry, ...] = ()
    """Cells that are done by the ledger alone, titled likewise."""
    searches: tuple[Searched, ...] = ()
    """Those of its searched cells, in their order."""
    claims: tuple[Asked, ...] = ()
    """Its claims, with the runs that decide them."""
    left_out: tuple[Gap, ...] = ()
    """What a time limit has left for another sitting."""


def conduct(
    study: Study, store: Store, ledger: Path | None = None, journals: Journals = Journals(),  # noqa: B008
    means: Means = Means(),
) -> Conducted:  # fmt: skip
    """Run every cell in order; what is there already is found, and keeps its name.

    Args:
        study: what is asked.
        store: where data, models and runs are.
        ledger: gets a line for each finished cell, and may list cells that were done elsewhere; None: there is none.
        journals: where the trials of searches are kept.
        means: by what, and for how long.

    Raises:
        ConfigError: a cell cannot be done, as far as that is known before the first one starts; or the ledger is
            damaged or of other data.
        DataError: data cannot be prepared, or a cell cannot learn from them.
        RunError: a worker cannot be started.
    """
    if any(cell.space is not None for cell in study.cells()):
        optuna()  # is missed before anything is prepared
    asked, settled = opened_cells(study, store, ledger)
    waits = waits_of(asked.family)
    order = in_order(asked.family, waits, store)
    sitting = Sitting(asked, settled, means.retry_failed)
    if means.seconds is not None:
        sitting.choice = _within(asked, choice_of(asked, order, waits, means.seconds, means.workers, means.slower))
    with progress(study.title, total=len(order)) as meter:
        if means.crew is None:
            one_by_one(sitting, order, journals, meter)
        else:
            with means.crew(write_job(asked, ledger)) as crew:
                at_once(sitting, order, waits, crew, meter)
    return _conducted(sitting)


def opened_cells(study: Study, store: Store, ledger: Path | None) -> tuple[Survey, dict[int, Standing]]:
    """The cells of a study that is fit to run; and those that only the ledger lists, whose weights nobody asks for.

    Args:
        study: what is asked.
        store: of data and runs.
        ledger: of the study; None: there is none.

    Raises:
        ConfigError, DataError: as of `conduct`.
    """
    family, problems = family_of(study)
    must_be_sound(family, problems, store)
    entries = read_entries(ledger) if ledger else {}
    if ledger:
        must_be_writable(ledger)
    data = prepared(family, store)
    if ledger:
        must_be_of(entries.values(), {artefact.fingerprint for artefact in data.values()}, ledger)
    if entries:
        _make_bases(family, store)  # by whose content the cells of the ledger are known
    lock_claims(study, store)
    before = survey(family, store, entries, data)
    again = needed(before)
    settled = {n: one for n, one in before.standings.items() if one.only_listed and n not in again}
    keep = keeping(ledger, entries, study.title, store)
    return replace(before, searches=dict(before.searches), keep=keep), settled


def _make_bases(family: Family, store: Store) -> None:
    """Base models that chartune pretrains itself."""
    for number in family.cells:
        stage = family.stage(number, {})
        if isinstance(stage, ModelStage):
            find_or_make(stage.backbone, store)


def _within(asked: Survey, choice: Choice) -> Choice:
    """The choice of a time limit, once it has been said."""
    cells = asked.family.cells
    planned = sum(choice.seconds.values())
    say(f"{len(choice.seconds)} cells fit into the time limit, with about {human_seconds(planned)} in all")
    if choice.left_out:
        say(f"left out: {together([(cells[number].title(), why) for number, why in choice.left_out.items()])}")
    return choice


def _conducted(sitting: Sitting) -> Conducted:
    """What all cells have come to."""
    asked = sitting.asked
    standings = {number: asked.standings[number] for number in asked.family.cells}
    done = [standing for standing in standings.values() if standing.state == "done"]
    undone = {number: Gap(one.cell.title(), one.why) for number, one in standings.items() if one.state != "done"}
    left = tuple(gap for number, gap in undone.items() if number in sitting.left_out)
    gaps = tuple(gap for number, gap in undone.items() if number not in sitting.left_out)
    return Conducted(
        tuple(titled(done)), gaps, tuple(listed(done)), asked.every_search(), asked_claims(asked), left
    )  # fmt: skip


def titled(standings: Iterable[Standing]) -> Iterator[Run]:
    """The runs of finished cells, called as the study calls them: a run that was there before keeps its own name."""
    for standing in standings:
        if standing.run is not None:
            yield replace(standing.run, title=standing.cell.name)


def listed(standings: Iterable[Standing]) -> Iterator[Entry]:
    """The lines of cells that are done by the ledger alone, called as the study calls them."""
    for standing in standings:
        if standing.entry is not None and standing.run is None:
            yield standing.entry.but(name=standing.cell.name, cell=standing.cell.title())
