"""Conducting a study: its cells in order, each found or run; one that fails leaves a gap and does not stop the others.

cells ─▶ references filled in ─▶ run(stage) ─▶ Run ──┐
└─ refused ─▶ Gap, and what depends on it ─▶ Conducted(runs, gaps) ─▶ report
"""

from dataclasses import dataclass
from typing import Any

from chartune.errors import ChartuneError
from chartune.log import progress, say
from chartune.quantities import human_seconds
from chartune.runner import run
from chartune.runs.record import ADAPTER
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.study import Cell, Study, reference
from chartune.tasks.prepare import prepare


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
    """In the order of the study."""
    gaps: tuple[Gap, ...]
    """What could not be done; the same study, given again, tries these only."""


def conduct(study: Study, store: Store) -> Conducted:
    """Run every cell in order; what is there already is found.

    Raises:
        DataError: the data cannot be prepared; nothing of the study can be done then.
        ConfigError: a reference means no cell, or several.
    """
    cells = dict(enumerate(study.cells()))
    parents = {n: {need: reference(cell, need, cells) for need in cell.needs()} for n, cell in cells.items()}
    prepare(study.data, store)
    done: dict[int, Run] = {}
    gaps: list[Gap] = []
    with progress(study.title, total=len(cells)) as meter:
        for number, cell in cells.items():
            meter.show(cell.title())
            missing = [need for need, parent in parents[number].items() if parent not in done]
            if missing:
                gaps.append(Gap(cell.title(), f"it depends on `{missing[0]}`, which has no run"))
            else:
                made = {need: str(done[parent].path / ADAPTER) for need, parent in parents[number].items()}
                outcome = _tried(study, cell, made, store)
                if isinstance(outcome, Run):
                    done[number] = outcome
                else:
                    gaps.append(outcome)
            meter.advance()
    return Conducted(tuple(done.values()), tuple(gaps))


def _tried(study: Study, cell: Cell, made: dict[str, str], store: Store) -> Run | Gap:
    stage: Any = study.stage(cell, made)
    try:
        finished = run(stage, store)
    except ChartuneError as error:
        say(f"{cell.title()}: {error}")
        return Gap(cell.title(), str(error))
    what = finished.headline
    task = f" on {finished.task}" if finished.task else ""
    score = finished.estimate(what.metric)
    say(f"{finished.name}{task}: {what.title} {score}, {human_seconds(finished.cost.seconds)}")
    return finished
