"""Journal: where the trials of searches are kept, so that a killed one goes on and optuna-dashboard can look at it.

    <store>/searches/<name>/journal.log     a file of optuna, private; one process at a time
    postgresql://user@host/database         for several processes; its password is never printed, logged or stored

A trial is written as it begins, with its point, and closed with its outcome. What a kill leaves open is taken up again:
of a file at once, of a database when it is this store's own, or when its heartbeat has stopped.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chartune.errors import ConfigError, StoreError
from chartune.search.extra import experimental, optuna
from chartune.search.proposal import coded, distributions
from chartune.search.space import Point, Space
from chartune.search.trial import Outcome, Trial

FILE: Final = "journal.log"
VARIABLE: Final = "CHARTUNE_SEARCH_STORAGE"
"""The variable of the environment that names the database."""
HEARTBEAT_SECONDS: Final = 30
STALE_SECONDS: Final = 120
"""Without a heartbeat for so long a trial is begun anew by somebody else."""
POINT, SETTINGS, OUTCOME, SAME_AS, OWNER = "point", "settings", "outcome", "same_as", "owner"


class Journal:
    """The trials of one search."""

    def __init__(self, storage: Any, name: str, space: Space, owner: str, *, lower_is_better: bool) -> None:
        """Open it, or begin it. Everything here raises StoreError where the storage cannot be reached.

        Args:
            storage: of optuna.
            name: of the search; the same in every process.
            space: what is searched.
            owner: who is writing; what an owner has left open is its own to take up.
            lower_is_better: whether low scores are.
        """
        room = optuna()
        self.space, self.owner, self._storage, self._name = space, owner, storage, name
        direction = room.study.StudyDirection.MINIMIZE if lower_is_better else room.study.StudyDirection.MAXIMIZE
        with reaching():
            try:
                self._study = storage.get_study_id_from_name(name)
            except KeyError:
                with contextlib.suppress(room.exceptions.DuplicatedStudyError):  # another process was faster
                    storage.create_new_study([direction], name)
                self._study = storage.get_study_id_from_name(name)

    def trials(self) -> list[Trial]:
        """All that have a point and are not abandoned, by number."""
        return [trial for frozen in self._frozen() if not _abandoned(frozen) and (trial := _trial(frozen))]

    def abandoned(self) -> list[Trial]:
        """Trials whose process has died; their settings are still to be tried."""
        return [trial for frozen in self._frozen() if _abandoned(frozen) and (trial := _trial(frozen))]

    def left_open(self) -> tuple[int, Point | None] | None:
        """The number of a trial that this owner has begun and not ended, and its point if it has one; None: none."""
        for frozen in self._frozen():
            if frozen.state.name == "RUNNING" and frozen.user_attrs.get(OWNER, self.owner) == self.owner:
                return frozen.number, frozen.user_attrs.get(POINT)
        return None

    def begin(self) -> int:
        """The number of a new trial. Those of others whose heartbeat has stopped are given up first."""
        with reaching():
            if self._beats:
                study = optuna().load_study(study_name=self._name, storage=self._storage)
                with experimental():
                    optuna().storages.fail_stale_trials(study)
            trial = self._storage.create_new_trial(self._study)
            self._storage.set_trial_user_attr(trial, OWNER, self.owner)
            return int(self._storage.get_trial_number_from_id(trial))

    def keep(self, number: int, point: Point) -> None:
        """Write down the point of a trial that has begun; done again after a kill, it changes nothing."""
        with reaching():
            trial, ways = self._id(number), distributions(self.space)
            self._storage.set_trial_user_attr(trial, SETTINGS, self.space.settings(point))
            for path, value in coded(self.space, point).items():
                self._storage.set_trial_param(trial, path, ways[path].to_internal_repr(value), ways[path])
            self._storage.set_trial_user_attr(trial, POINT, dict(point))

    def end(self, trial: Trial) -> None:
        """Close a trial with its outcome."""
        states = optuna().trial.TrialState
        outcome = replace(trial.outcome, score=None) if trial.outcome.failed else trial.outcome
        with reaching():
            known = self._id(trial.number)
            self._storage.set_trial_user_attr(known, SAME_AS, trial.same_as)
            self._storage.set_trial_user_attr(known, OUTCOME, vars(outcome))
            if outcome.failed:
                self._storage.set_trial_state_values(known, states.FAIL)
            else:
                self._storage.set_trial_state_values(known, states.COMPLETE, [outcome.score])

    @contextmanager
    def beating(self, number: int) -> Iterator[None]:
        """While a trial is evaluated: show that this process lives, where the storage keeps heartbeats."""
        if not self._beats:
            yield
            return
        done, trial = threading.Event(), self._id(number)
        beat = threading.Thread(target=self._beat, args=(trial, done), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()

    def _beat(self, trial: int, done: threading.Event) -> None:
        while True:
            with contextlib.suppress(*_broken()):  # the database may be away for a moment
                self._storage.record_heartbeat(trial)
            self._storage.remove_session()
            if done.wait(HEARTBEAT_SECONDS):
                return

    @property
    def _beats(self) -> bool:
        """Whether the storage keeps heartbeats."""
        return getattr(self._storage, "heartbeat_interval", None) is not None

    def _frozen(self) -> list[Any]:
        with reaching():
            frozen: list[Any] = self._storage.get_all_trials(self._study, deepcopy=False)
        return sorted(frozen, key=lambda trial: trial.number)

    def _id(self, number: int) -> int:
        known: int = self._storage.get_trial_id_from_study_id_trial_number(self._study, number)
        return known


def _abandoned(frozen: Any) -> bool:
    return frozen.state.name == "FAIL" and OUTCOME not in frozen.user_attrs


def _trial(frozen: Any) -> Trial | None:
    """As chartune sees it; None: it has no point yet."""
    known = frozen.user_attrs
    if POINT not in known:
        return None
    state = {"COMPLETE": "complete", "FAIL": "failed"}.get(frozen.state.name, "running")
    outcome = Outcome(**known[OUTCOME]) if OUTCOME in known and state != "running" else Outcome(None)
    return Trial(frozen.number, known[POINT], known[SETTINGS], state, outcome, known.get(SAME_AS))  # type: ignore[arg-type]


def must_be_database(url: str) -> str:
    """The address of a PostgreSQL database, if it can be one; the message never quotes it.

    Raises:
        ConfigError: it is of something else, or the driver is not installed.
    """
    if urlsplit(url).scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ConfigError(
            f"trials are kept in the store, or in a database by an address such as postgresql://user@host/database, "
            f"but the one given (--storage or {VARIABLE}) begins otherwise; leave it out, or correct it."
        )
    return url.replace("postgres://", "postgresql://", 1)


def database(url: str) -> Any:
    """Optuna's storage in a PostgreSQL database, with heartbeats.

    Raises:
        ConfigError: the address is none, or the driver is not installed.
        StoreError: the database cannot be reached.
    """
    known, room = must_be_database(url), optuna()
    try:
        with reaching("the database"), experimental():
            return room.storages.RDBStorage(
                known, engine_kwargs={"pool_pre_ping": True}, heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=STALE_SECONDS,
            )  # fmt: skip
    except ImportError:
        raise ConfigError(
            "PostgreSQL needs a driver, which is not installed; run `pip install 'chartune[postgresql]'`."
        ) from None


def journal_file(folder: Path) -> Any:
    """Optuna's storage in a file of a private folder, which only this process is writing; what a kill left is cleared.

    Raises:
        StoreError: it cannot be written.
    """
    file = folder / FILE
    with reaching(str(file)):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        file.with_name(f"{FILE}.lock").unlink(missing_ok=True)
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
        with os.fdopen(handle, "r+b") as opened:
            written = opened.read()
            opened.truncate(written.rfind(b"\n") + 1)
        kept = optuna().storages.journal
        return kept.JournalStorage(kept.JournalFileBackend(str(file), lock_obj=kept.JournalFileOpenLock(str(file))))


class Journals:
    """Where the journals of searches are: in files of their stores, or in one database."""

    def __init__(self, url: str | None = None) -> None:
        """Of a database, or None. An address may hold a password, and is shown nowhere.

        Raises:
            ConfigError: it is none of PostgreSQL.
        """
        self._url = must_be_database(url) if url else None

    def __repr__(self) -> str:
        return f"Journals({'a database' if self._url else 'files'})"

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Any]:
        """The storage of a search whose folder this is, as optuna has it; its connections end with it.

        Raises:
            StoreError: it cannot be reached.
        """
        storage = database(self._url) if self._url else journal_file(folder)
        try:
            yield storage
        finally:
            storage.remove_session()
            if self._url:
                storage.engine.dispose()


@contextmanager
def reaching(place: str = "their storage") -> Iterator[None]:
    """Whatever a storage raises becomes one error that quotes nothing of it: an address may hold a password.

    Raises:
        StoreError: the storage failed.
    """
    try:
        yield
    except _broken() as error:
        name = type(error).__name__
    else:
        return
    raise StoreError(
        f"the trials of a search must be written down, but {place} cannot be read or written ({name}); mend that and "
        f"give the same command again: the search goes on, and what a trial has trained is not lost."
    )


def _broken() -> tuple[type[BaseException], ...]:
    """What a storage raises when it cannot be reached, or holds what is none of its own."""
    from sqlalchemy.exc import SQLAlchemyError

    return (OSError, SQLAlchemyError, optuna().exceptions.StorageInternalError, ValueError)
