"""Begun: a run as it stands, finished or not, by its folder and its lease; nothing of it need be signed yet.

runs/<fingerprint>          finished
runs/<fingerprint>.partial  running: a living process holds its lease; else failed, if it was refused, or interrupted
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final, Literal

from pydantic import ValidationError

from chartune.artefact import PARTIAL
from chartune.errors import ChartuneError, ConfigError, Diverged, StoreError
from chartune.holder import Holder
from chartune.log import EVENTS, Event, EventLog
from chartune.runs.ledger import find_run
from chartune.runs.record import RUN, RunRecord
from chartune.runs.run import SHELF
from chartune.store import Store
from chartune.writing import remembered, write_json

RECENT: Final = 50
"""Steps by which the time left is judged."""
FAILED: Final = "failed.json"
"""Beside the checkpoints of a run that has failed."""
PAUSE: Final = 20.0
"""So many times the median step is no step: an evaluation, or a night between two attempts."""


@dataclass(frozen=True)
class Begun:
    """A run as it stands."""

    fingerprint: str
    about: RunRecord
    state: Literal["running", "interrupted", "failed", "finished"]
    host: str
    """The machine of the process that is at it; empty: this one, or none."""
    events: list[Event]
    """Its numbers so far, in order."""
    failure: str = ""
    """Of one that has failed the name of its error; else empty."""

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
        with suppress(FileNotFoundError):  # it has ended since
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
    failure = "" if lives else failure_of(path)
    state: Literal["running", "interrupted", "failed"] = "running" if lives else "failed" if failure else "interrupted"
    return Begun(path.stem, about, state, host, EventLog.read(path / EVENTS), failure)


@contextmanager
def attempted(folder: Path, learnt: Callable[[], bool]) -> Iterator[None]:
    """An attempt at a run, which forgets how the one before it has failed, and leaves how it has failed itself.

    Args:
        folder: of the run; removed when the attempt fails before anything was learnt.
        learnt: says whether there is a checkpoint.
    """
    (folder / FAILED).unlink(missing_ok=True)
    try:
        yield
    except ChartuneError as error:
        if learnt():
            with suppress(OSError):  # a full disk may be what has ended it
                write_json(folder / FAILED, {"error": type(error).__name__})  # its words may hold steps and rates
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def failure_of(folder: Path) -> str:
    """The name of the error with which a run has failed that has not ended; empty: with none."""
    return str(remembered(folder / FAILED).get("error", ""))[:40]


def not_ended(failure: str) -> str:
    """What is said of a run that nobody is at.

    Args:
        failure: the name of the error with which it has failed; empty: it was interrupted.
    """
    if failure == Diverged.__name__:
        return "diverged: its command diverges again, choose others"
    return f"failed ({failure}): see its message, then resume" if failure else ""


def _holder(lease: Path) -> tuple[str, bool]:
    """The other machine on which it is written, and whether it is; one that cannot be asked is believed its lease."""
    try:
        holder = Holder.read(lease.read_bytes())
    except OSError:
        return "", False
    lives = holder.lives() if holder else False
    return (holder.host if holder and lives is None else ""), lives is not False
