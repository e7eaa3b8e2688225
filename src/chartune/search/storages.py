"""Storages: where optuna keeps the trials of searches; what goes wrong there is said without quoting an address.

<store>/searches/<name>/journal.log     a file of optuna, private; one process at a time
postgresql://user@host/database         for several processes; its password is never printed, logged or stored
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chartune.errors import ConfigError, StoreError
from chartune.extras import installed
from chartune.search.extra import experimental, optuna

SEARCHES: Final = "searches"
"""The shelf of a store."""
FILE: Final = "journal.log"
RECORD: Final = "search.json"
"""The same trials as plain JSON, beside the journal."""
VARIABLE: Final = "CHARTUNE_SEARCH_STORAGE"
"""The variable of the environment that names the database."""
HEARTBEAT_SECONDS: Final = 30
STALE_SECONDS: Final = 120
"""Without a heartbeat for so long a trial is begun anew by somebody else."""
LOCK_SECONDS: Final = 600
"""So long the lock of a search is waited for; a proposal takes seconds."""
TOO_LATE: Final = "55P03"
"""How PostgreSQL says that a lock was not to be had in time."""
UNCHECKED: Final = (KeyError, TypeError, AttributeError, IndexError, AssertionError)
"""What optuna, which checks nothing, raises where a file holds other JSON, or somebody has removed a search."""


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
    known = must_be_database(url)
    with installed("postgresql", "PostgreSQL needs a driver"), reaching("the database"), experimental():
        return _tables_made(known)


def _tables_made(url: str) -> Any:
    """The storage, its tables made where they are not there; of two that make them at once one is refused at first."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for last in (False, False, True):
        try:
            return optuna().storages.RDBStorage(
                url, engine_kwargs={"pool_pre_ping": True}, heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=STALE_SECONDS,
            )  # fmt: skip
        except (IntegrityError, ProgrammingError):
            if last:
                raise
    raise AssertionError("the last try returns or raises")


@contextmanager
def locked(storage: Any, name: str) -> Iterator[None]:
    """Hold the lock of a search in a database; a file has one process at a time anyhow. A dead process holds none.

    Args:
        storage: of optuna.
        name: of the search.

    Raises:
        StoreError: the database cannot be reached, or another process does not release the lock.
    """
    engine = getattr(storage, "engine", None)
    if engine is None:
        yield
        return
    from sqlalchemy import text

    key = {"key": int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)}
    with ExitStack() as held:
        with reaching():
            connection = held.enter_context(engine.connect())
            connection.execute(text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
            free = _is_free(connection, text("SELECT pg_advisory_lock(:key)"), key)
        if not free:
            raise StoreError(
                f"processes of one search propose one after the other, but another one has been at it for "
                f"{LOCK_SECONDS} seconds, as one that was stopped; let it go on or end it, and give the same command "
                f"again."
            )
        yield
        with reaching():
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)


def _is_free(connection: Any, lock: Any, key: dict[str, int]) -> bool:
    """Whether the lock could be had in time."""
    from sqlalchemy.exc import OperationalError

    try:
        connection.execute(lock, key)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != TOO_LATE:
            raise
        return False
    return True


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
def reaching(place: str = f"{FILE} of the search, or their database,") -> Iterator[None]:
    """Whatever a storage raises becomes one error that quotes nothing of it: an address may hold a password.

    Raises:
        StoreError: the storage failed.
    """
    try:
        yield
    except broken() as error:
        name = type(error).__name__
    else:
        return
    raise StoreError(
        f"the trials of a search must be written down, but {place} cannot be read or written ({name}); mend that, or "
        f"remove a damaged file, and give the same command again: the search goes on, and what a trial has trained is "
        f"not lost."
    )


def broken() -> tuple[type[BaseException], ...]:
    """What a storage raises when it cannot be reached, or holds what is none of its own. Raises as `optuna`."""
    known = optuna().exceptions.StorageInternalError  # first: sqlalchemy comes with it
    from sqlalchemy.exc import SQLAlchemyError

    return (OSError, SQLAlchemyError, known, ValueError, *UNCHECKED)
