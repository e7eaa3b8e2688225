"""Begun: a run as it stands, finished or not, by its folder and its lease; nothing of it need be signed yet.

runs/<fingerprint>          finished
runs/<fingerprint>.partial  running: a living process holds its lease; else interrupted
"""

import contextlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final, Literal

from pydantic import ValidationError

from chartune.artefact import PARTIAL
from chartune.errors import ConfigError, StoreError
from chartune.holder import Holder
from chartune.log import EVENTS, Event, EventLog
from chartune.runs.ledger import find_run
from chartune.runs.record import RUN, RunRecord
from chartune.runs.run import SHELF
from chartune.store import Store
from chartune.writing import remembered

RECENT: Final = 50
"""Steps by which the time left is judged."""
PAUSE: Final = 20.0
"""So many times the median step is no step: an evaluation, or a night between two attempts."""


@dataclass(frozen=True)
class Begun:
    """A run as it stands."""

    fingerprint: str
    about: RunRecord
    state: Literal["running", "interrupted", "finished"]
    host: str
    """The machine of the process that is at it; empty: this one, or none."""
    events: list[Event]
    """Its numbers so far, in order."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.about.name or self.fingerprint

    def seconds_left(self) -> float | None:
        """Until its steps are done, if it is not stopped early; None: not known, or none are left."""
        losses = [e for e in self.events if e.name == "loss" and e.split == "train"][-RECENT - 1 :]
        taken = [after.time - before.time for before, after in pairwise(losses)]
        taken = [seconds for seconds in taken if seconds > 0]
        if self.state == "finished" or not taken or not losses[-1].planned:
            return None
        usual = [seconds for seconds in taken if seconds <= PAUSE * median(taken)]
        return max(0, losses[-1].planned - losses[-1].step) * sum(usual) / len(usual)


def begun(store: Store, reference: str) -> Begun:
    """The run of this fingerprint, of one that begins so, or of this name; one that has not ended comes first.

    Raises:
        ConfigError: no run or several match.
        StoreError: its record is damaged.
    """
    folders = [path for path in sorted((store.root / SHELF).glob(f"*{PARTIAL}")) if path.is_dir()]
    matches = [path for path in folders if reference and _matches(path, reference)]
    if len(matches) > 1:
        raise ConfigError(
            f"a run must be named without ambiguity, but {reference!r} fits {len(matches)} that have not ended: "
            f"{', '.join(path.stem for path in matches[:5])}; give more digits of the fingerprint."
        )
    if matches:
        with contextlib.suppress(FileNotFoundError):  # it has ended since
            return _unfinished(matches[0])
        return begun(store, matches[0].stem)
    run = find_run(store, reference)
    return Begun(run.fingerprint, run.about.but(name=run.name), "finished", "", run.events())


def _matches(path: Path, reference: str) -> bool:
    return path.name.startswith(reference) or remembered(path / RUN).get("name") == reference


def _unfinished(path: Path) -> Begun:
    try:
        about = RunRecord.model_validate_json((path / RUN).read_bytes())
    except ValidationError:
        raise StoreError(
            f"{RUN} must describe a run, but {path / RUN} does not; start its stage again, which writes it."
        ) from None
    host, lives = _holder(path.with_name(f"{path.stem}.lease"))
    return Begun(path.stem, about, "running" if lives else "interrupted", host, EventLog.read(path / EVENTS))


def _holder(lease: Path) -> tuple[str, bool]:
    """The other machine on which it is written, and whether it is; one that cannot be asked is believed its lease."""
    try:
        holder = Holder.read(lease.read_bytes())
    except OSError:
        return "", False
    lives = holder.lives() if holder else False
    return (holder.host if holder and lives is None else ""), lives is not False
