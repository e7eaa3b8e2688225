"""Submission: the cells of a study that are to be done, handed to Slurm; nothing is waited for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chartune.store import Store
from chartune.studies.conduct import Gap, opened_cells
from chartune.studies.failures import failed_before
from chartune.studies.job import write_job
from chartune.studies.order import waits_of
from chartune.studies.sitting import Sitting
from chartune.studies.slurm import submit
from chartune.studies.study import Study


@dataclass(frozen=True)
class Submitted:
    """What was handed to Slurm."""

    arrays: tuple[str, ...]
    """Their numbers; each begins when the one before it has ended."""
    cells: tuple[str, ...]
    """Titles of the cells in them."""
    gaps: tuple[Gap, ...]
    """Cells that have failed before, and what depends on them."""


def submitted(
    study: Study, store: Store, ledger: Path | None, flags: Sequence[str], workers: int | None, *, retry: bool
) -> Submitted:
    """Hand over every cell that is not done and that no other process of this machine is at.

    Args:
        study: what is asked.
        store: of data and runs, in a folder that all machines see.
        ledger: gets a line for each finished cell; None: there is none.
        flags: of `sbatch`.
        workers: how many cells of an array run at the same time; None: as many as there is room for.
        retry: whether cells that have failed before are handed over, too.

    Raises:
        ConfigError, DataError, RunError, StoreError: as of `conduct` and `submit`.
    """
    asked, settled = opened_cells(study, store, ledger)
    sitting, waits, todo = Sitting(asked, settled, retry=True), waits_of(asked.family), list[int]()
    gaps: dict[int, Gap] = {}
    for number, cell in asked.family.cells.items():
        standing = sitting.look(number)
        failed = "" if retry else failed_before(study, cell, store)
        lost = next((before for before in waits[number] if before in gaps), None)
        if standing is not None and standing.state == "done":
            continue
        if failed or lost is not None:
            gaps[number] = Gap(cell.title(), failed or f"it depends on `{asked.family.cells[lost or 0].title()}`")
        elif asked.standings[number].state != "running":
            todo.append(number)
    arrays = submit(write_job(asked, ledger), todo, waits, flags, workers) if todo else []
    titles = tuple(asked.family.cells[number].title() for number in todo)
    return Submitted(tuple(arrays), titles, tuple(gaps.values()))
