"""Attempt: one cell of a study that is not done: searched where it has a space, and run; why it fails is kept.

asked ─unable?─▶ what it depends on has no run · it has failed before, and nobody asks for it again
      └tried──▶ search ─▶ run ─▶ done · failed · running: another process is at it
"""

from dataclasses import replace

from chartune.errors import ChartuneError, InUse
from chartune.log import say
from chartune.quantities import human_seconds
from chartune.report.released import NOT_FINAL, headline_text
from chartune.runner import run
from chartune.runs.run import Run
from chartune.search.storages import Journals
from chartune.stages.bases import find_or_make
from chartune.stages.model_stage import ModelStage
from chartune.studies.failures import failed_before, trying
from chartune.studies.order import Waits, all_before
from chartune.studies.standing import Standing, Survey


def unable(asked: Survey, number: int, *, retry: bool) -> Standing | None:
    """The standing of a cell that is not to be tried; None: it is.

    Args:
        asked: in which this cell and all that it waits for have been asked.
        number: of the cell.
        retry: whether cells that have failed before are tried again.
    """
    family, standing = asked.family, asked.standings[number]
    cell = standing.cell
    unmade = [need for need in family.parents[number] if need not in asked.made(number)]
    if cell.borrows and asked.settled(number) is None:
        return replace(standing, state="missing", why=f"its settings are those of `{cell.borrows}`, which has none")
    if unmade:
        return replace(standing, state="missing", why=f"it depends on `{unmade[0]}`, which has no run")
    why = "" if retry else failed_before(family.study, cell, asked.store)
    return replace(standing, state="failed", why=why) if why else None


def tried(asked: Survey, number: int, journals: Journals) -> Standing:
    """The standing of a cell after it was tried; `running`: another process is at it, or at its search."""
    standing = asked.standings[number]
    cell = standing.cell
    try:
        with trying(asked.family.study, cell, asked.store):
            return _done(asked, number, journals)
    except InUse as error:
        return replace(standing, state="running", why=str(error), run=None, entry=None)
    except ChartuneError as error:
        say(f"{cell.title()}: {error}")
        return replace(standing, state="failed", why=str(error), run=None, entry=None)


def attempted(asked: Survey, number: int, waits: Waits, journals: Journals) -> Standing:
    """The standing of a cell after it was tried in a process that has not seen what was done before it."""
    for earlier in (*all_before(number, waits), number):
        asked.ask(earlier)
    standing = asked.standings[number]
    if standing.run is None:
        standing = unable(asked, number, retry=True) or tried(asked, number, journals)
    asked.standings[number] = standing
    asked.keep_done(number)
    return standing


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
