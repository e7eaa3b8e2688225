"""Failures: why a cell of a study failed last, kept in the store until it is done.

studies/<cell>.json   {cell, why}
"""

import json
from pathlib import Path
from typing import Final

from chartune.config import fingerprint
from chartune.store import Store, storing, write_json
from chartune.studies.cell import Cell
from chartune.studies.study import Study
from chartune.writing import remembered

SHELF: Final = "studies"


def failed(study: Study, cell: Cell, store: Store, why: str) -> None:
    """Remember why a cell has failed. Raises StoreError: it cannot be written."""
    file = _file(study, cell, store)
    with storing(file):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(file, {"cell": cell.title(), "why": why})


def mended(study: Study, cell: Cell, store: Store) -> None:
    """Forget it: the cell is done."""
    _file(study, cell, store).unlink(missing_ok=True)


def failure(study: Study, cell: Cell, store: Store) -> str:
    """Why a cell has failed last; empty: it has not."""
    return str(remembered(_file(study, cell, store)).get("why") or "")


def _file(study: Study, cell: Cell, store: Store) -> Path:
    """By all that the cell says."""
    asked = {"data": study.data.model_dump(mode="json"), "cell": cell.title(), "final": cell.final,
             "asked": json.dumps(cell.asked, sort_keys=True, default=str)}  # fmt: skip
    if cell.space is not None:
        asked["space"] = cell.space.to_json()
    return store.root / SHELF / f"{fingerprint('cell', 1, asked)}.json"
