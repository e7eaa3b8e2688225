"""Failures: why a cell of a study failed last, kept in the store until it is done; and which cell killed its process.

studies/<cell>.json   {cell, why}      it has failed, or its worker has died: tried again on request only
                      {cell, holder…}  a process is at it, or has died at it with the whole study: tried again, last

What is wrong with the machine, such as a full disk or another process at the same run, is not held against a cell.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from chartune.config import fingerprint
from chartune.errors import ChartuneError, StoreError
from chartune.holder import Holder
from chartune.store import Store, storing, write_json
from chartune.studies.cell import Cell
from chartune.studies.study import Study
from chartune.writing import remembered

SHELF: Final = "studies"
DIED: Final = "its process died, perhaps for want of memory; it is tried again after the other cells"


@contextmanager
def trying(study: Study, cell: Cell, store: Store) -> Iterator[None]:
    """Try a cell: who is at it is kept, should the process die; then why it has failed, and nothing once it is done.

    After an interruption, or an error of the store, which are not the cell's fault, what was known before is known
    again.

    Raises:
        StoreError: it cannot be written.
    """
    file = _file(study, cell, store)
    before = remembered(file)
    _write(file, {"cell": cell.title(), **asdict(Holder.here())})
    try:
        yield
    except (StoreError, KeyboardInterrupt, SystemExit):
        if before:
            _write(file, before)
        else:
            file.unlink(missing_ok=True)
        raise
    except ChartuneError as error:
        _write(file, {"cell": cell.title(), "why": str(error)})
        raise
    file.unlink(missing_ok=True)


def record_death(study: Study, cell: Cell, store: Store, why: str) -> None:
    """Keep that the worker of a cell has died at it, while the study goes on. why: how it died."""
    _write(_file(study, cell, store), {"cell": cell.title(), "why": why})


def failed_before(study: Study, cell: Cell, store: Store) -> str:
    """Why a cell has failed when it was tried last; empty: it has not, or its process died with the whole study."""
    return str(remembered(_file(study, cell, store)).get("why") or "")


def failure(study: Study, cell: Cell, store: Store) -> str:
    """Why a cell has failed last; empty: it has not."""
    holder = _holder(study, cell, store)
    if holder is not None:
        return DIED if holder.lives() is False else ""
    return failed_before(study, cell, store)


def is_begun(study: Study, cell: Cell, store: Store) -> bool:
    """Whether a process has begun a cell and not ended it: it is at it, or has died."""
    return _holder(study, cell, store) is not None


def _holder(study: Study, cell: Cell, store: Store) -> Holder | None:
    return Holder.read(json.dumps(remembered(_file(study, cell, store))).encode())


def _write(file: Path, known: Mapping[str, Any]) -> None:
    with storing(file):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(file, known)


def _file(study: Study, cell: Cell, store: Store) -> Path:
    """Where the state of a cell is kept, by a hash of all that the cell says."""
    asked = {"data": study.data.model_dump(mode="json"), "cell": cell.title(), "final": cell.final,
             "asked": json.dumps(cell.asked, sort_keys=True, default=str)}  # fmt: skip
    if cell.space is not None:
        asked["space"] = cell.space.to_json()
    return store.root / SHELF / f"{fingerprint('cell', 1, asked)}.json"
