"""Conducting a study: its cells in order, each found or run; one that fails leaves a gap and does not stop the others.

checks ─▶ data ─▶ cells ─┬▶ found in the store, or listed in the ledger and its weights not asked for
                         ├▶ run(stage) ─▶ Run ─▶ a line of the ledger
                         └▶ refused ─▶ Gap, and what depends on it ─▶ Conducted(runs, listed, gaps) ─▶ report
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from chartune.errors import ChartuneError
from chartune.log import progress, say
from chartune.quantities import human_seconds
from chartune.report.claims import Asked
from chartune.report.released import NOT_FINAL, headline_text
from chartune.runner import run
from chartune.runs.run import Run
from chartune.search.storages import Journals
from chartune.stages.bases import find_or_make
from chartune.stages.identity import Identity
from chartune.stages.model_stage import ModelStage
from chartune.store import Store
from chartune.studies.cell import Cell
from chartune.studies.checks import must_be_sound, prepared
from chartune.studies.claim_runs import asked_claims, lock_claims
from chartune.studies.failures import is_begun, trying
from chartune.studies.ledger import Entry, append, entry_of, must_be_of, must_be_writable, read_entries
from chartune.studies.parents import Family, family_of
from chartune.studies.searching import Searched
from chartune.studies.standing import Standing, Survey, needed, survey
from chartune.studies.study import Study


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
    """What could not be done; the same study, given again, tries these only."""
    listed: tuple[Entry, ...] = ()
    """Cells that are done by the ledger alone, titled likewise."""
    searches: tuple[Searched, ...] = ()
    """Those of its searched cells, in their order."""
    claims: tuple[Asked, ...] = ()
    """Its claims, with the runs that decide them."""


def conduct(
    study: Study, store: Store, ledger: Path | None = None, journals: Journals = Journals()  # noqa: B008
) -> Conducted:  # fmt: skip
    """Run every cell in order; what is there already is found, and keeps its name.

    Args:
        study: what is asked.
        store: where data, models and runs are.
        ledger: gets a line for each finished cell, and may list cells that were done elsewhere; None: there is none.
        journals: where the trials of searches are kept.

    Raises:
        ConfigError: a cell cannot be done, as far as that is known before the first one starts; or the ledger is
            damaged or of other data.
        DataError: data cannot be prepared, or a cell cannot learn from them.
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

    known = set(entries)

    def keep(run: Run, cell: Cell, identity: Identity) -> None:
        if ledger and identity.fingerprint not in known:
            append(ledger, entry_of(run, cell, study.title, identity, store))
            known.add(identity.fingerprint)

    asked = Survey(family, store, entries, data, searches=dict(before.searches), keep=keep)
    return _conducted(asked, settled, journals)


def _make_bases(family: Family, store: Store) -> None:
    """Base models that chartune pretrains itself."""
    for number in family.cells:
        stage = family.stage(number, {})
        if isinstance(stage, ModelStage):
            find_or_make(stage.backbone, store)


def _conducted(asked: Survey, settled: Mapping[int, Standing], journals: Journals) -> Conducted:
    """Cell by cell. settled: cells that only the ledger lists, and whose weights nobody asks for."""
    family = asked.family
    with progress(family.study.title, total=len(family.cells)) as meter:
        for number in _in_order(family, asked.store):
            meter.show(family.cells[number].title())
            standing = settled.get(number) or asked.ask(number)
            if standing.run is None and number not in settled:
                standing = _tried(asked, number, standing, journals)
            asked.standings[number] = standing
            asked.keep_done(number)
            meter.advance()
    standings = [asked.standings[number] for number in family.cells]
    done = [standing for standing in standings if standing.state == "done"]
    gaps = [Gap(standing.cell.title(), standing.why) for standing in standings if standing.state != "done"]
    return Conducted(tuple(titled(done)), tuple(gaps), tuple(listed(done)), asked.every_search(), asked_claims(asked))


def _in_order(family: Family, store: Store) -> list[int]:
    """The cells in their order; those that a process has died at come last, with what depends on them.

    So one that kills its process each time does not keep the others from being done.
    """
    last: set[int] = set()
    lenders = family.lenders
    for number, cell in family.cells.items():
        if is_begun(family.study, cell, store) or last & {*family.parents[number].values(), lenders.get(number, -1)}:
            last.add(number)
    return sorted(family.cells, key=lambda number: (number in last, number))


def _tried(asked: Survey, number: int, standing: Standing, journals: Journals) -> Standing:
    """A cell that is not done: searched where it has a space, and run."""
    family, cell = asked.family, standing.cell
    unmade = [need for need in family.parents[number] if need not in asked.made(number)]
    if cell.borrows and asked.settled(number) is None:
        return replace(standing, state="missing", why=f"its settings are those of `{cell.borrows}`, which has none")
    if unmade:
        return replace(standing, state="missing", why=f"it depends on `{unmade[0]}`, which has no run")
    try:
        with trying(family.study, cell, asked.store):
            return _done(asked, number, journals)
    except ChartuneError as error:
        say(f"{cell.title()}: {error}")
        return replace(standing, state="failed", why=str(error), run=None, entry=None)


def _done(asked: Survey, number: int, journals: Journals) -> Standing:
    """A cell after its search, where it has a space, and its run."""
    family = asked.family
    if family.cells[number].space is not None:
        _search(asked, number, journals)
        standing = asked.ask(number)
        if standing.run is not None or (standing.only_listed and not family.children(number)):
            return standing
    finished = run(asked.stage(number), asked.store)
    _say(finished)
    return replace(asked.ask(number), state="done", run=finished)


def _search(asked: Survey, number: int, journals: Journals) -> None:
    """Choose the settings of a cell; a base model is made before."""
    stage = asked.family.stage(number, asked.made(number))
    if isinstance(stage, ModelStage):
        find_or_make(stage.backbone, asked.store)
    asked.searches[number] = asked.bench(number, (asked.data or {})[number]).search(journals)


def _say(finished: Run) -> None:
    """Say the primary score of a finished run, as it may be shown."""
    what = finished.headline
    task = f" on {finished.task}" if finished.task else ""
    score = f"{headline_text(finished, what.metric, False)}{'' if finished.final else NOT_FINAL}"
    say(f"{finished.name}{task}: {what.title} {score}, {human_seconds(finished.cost.seconds)}")


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
