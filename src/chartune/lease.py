"""Lease: the right to write an artefact, in a file that says who holds it.

    <fingerprint>.lease   {host, boot, namespace, pid, started, token}   its time of change is the heartbeat
    .guard                an empty file for all leases of a store; who judges or changes one holds its `flock`, and
    .guard.held           has made this file: a network disk may have no `flock`, or one that holds on one machine only

          ┌─ nobody ──────────────────────────────┐
    look ─┼─ a process of here: its number and its birth say whether it lives ─┬─ dead ─▶ replaced
          └─ any other: its heartbeat is watched ──────────────────────────────┴─ lives ─▶ waited for, or refused

Looking and replacing are one act under the guard: of many that find a dead holder, one takes its place. The guard is
never removed, so that two processes cannot hold two files of that name. No date is believed: clocks differ and are set.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from chartune.errors import InUse, StoreError
from chartune.holder import Holder
from chartune.log import say
from chartune.writing import storing, write_exclusively

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 5.0
STALE_SECONDS: Final = 60.0
"""So long a waiter watches a holder that it cannot ask (another host or container): no heartbeat meanwhile, and the
lease is taken over."""
GUARD_SECONDS: Final = 60.0
"""How long the guard is waited for; who holds it reads a small file."""
HELD: Final = ".held"
"""Ends the name of the file beside a guard."""
POLL_SECONDS: Final = (0.01, 0.2)
"""Between two checks: at first, and at last."""
ATTENTION_SECONDS: Final = 1.0
"""The most that counts as watched between two checks: a waiter that was asleep has not watched."""


@contextmanager
def leased(path: Path, guard: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a lease; a living holder is waited for, a dead one is replaced.

    Args:
        path: the lease's file; its folder is made if needed.
        guard: the file whose lock all leases of the store share.
        patience: seconds to wait for a living holder before giving up. A holder that cannot be asked whether it lives
            is watched for `STALE_SECONDS` first, whatever the patience.

    Raises:
        InUse: a living process holds it.
        StoreError: the folder cannot be written.
    """
    with storing(path, every=True):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = _taken(path, guard, patience)
    done = threading.Event()
    beat = threading.Thread(target=_heartbeat, args=(path, guard, own, done), daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        _release(path, guard, own)


@contextmanager
def guarded(guard: Path) -> Iterator[None]:
    """Be the only one, of all processes and threads of all hosts, between here and the end.

    The lock lets go when its process dies; the file beside it holds where locks do not reach.

    Raises:
        StoreError: somebody does not let go of it.
    """
    handle = os.open(guard, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle, guard)
        try:
            with _held(guard.with_name(f"{guard.name}{HELD}")):
                yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)  # a child that was forked meanwhile has the handle, too
    finally:
        os.close(handle)


def _lock(handle: int, guard: Path) -> None:
    deadline = time.monotonic() + GUARD_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"a store must be free for a moment to take a lease, but {guard} was locked for "
                    f"{GUARD_SECONDS:.0f} s; find the process that has stopped while it held it, and end it."
                ) from None
            time.sleep(POLL_SECONDS[0])
        except OSError:  # there are no locks here: the file alone guards
            return


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """Have made a file that nobody else can make meanwhile; one that a dead process has left is taken away."""
    own = json.dumps(asdict(Holder.here())).encode()
    watch, deadline = _Watch(), time.monotonic() + STALE_SECONDS + GUARD_SECONDS
    while not _made(file, own):
        seen = _look(file)
        if seen and watch.lives(seen) is False:
            _taken_away(file, seen)
        elif time.monotonic() >= deadline:
            raise StoreError(
                f"a store must be free for a moment to take a lease, but {file} was there for "
                f"{STALE_SECONDS + GUARD_SECONDS:.0f} s; if no process of chartune is left anywhere, remove it."
            )
        else:
            time.sleep(POLL_SECONDS[0])
    try:
        yield
    finally:
        seen = _look(file)
        if seen and seen[0] == own:
            file.unlink(missing_ok=True)


def _made(file: Path, content: bytes) -> bool:
    """Make a file; False: there is one. Of many that try one wins, on network disks, too."""
    try:
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    try:
        os.write(handle, content)
    finally:
        os.close(handle)
    return True


def _taken_away(file: Path, seen: tuple[bytes, int]) -> None:
    """Remove what a dead process has left. Of many that have seen it one removes it, and only if it is still that."""
    digest = hashlib.sha256(seen[0] + str(seen[1]).encode()).hexdigest()[:16]
    right = file.with_name(f"{file.name}-{digest}")
    if not _made(right, b""):
        time.sleep(POLL_SECONDS[0])
        return
    try:
        if _look(file) == seen:
            file.unlink(missing_ok=True)
    finally:
        right.unlink(missing_ok=True)


class _Watch:
    """What a waiter has seen of a holder. Alive is who moves; the time is the waiter's own, of watching only."""

    def __init__(self) -> None:
        self._seen: tuple[bytes, int] | None = None
        self._still = 0.0
        self._moved = False
        self._looked = time.monotonic()

    def lives(self, seen: tuple[bytes, int]) -> bool | None:
        """Whether the holder of the lease with this content and time of change lives; None: it is too early to say."""
        now = time.monotonic()
        self._still += min(now - self._looked, ATTENTION_SECONDS)
        self._looked = now
        if self._seen != seen:
            self._moved = self._seen is not None and self._seen[0] == seen[0]
            self._seen, self._still = seen, 0.0
        holder = Holder.read(seen[0])
        known = holder.lives() if holder else None
        if known is not None:
            return known
        return False if self._still >= STALE_SECONDS else self._moved or None


def _taken(path: Path, guard: Path, patience: float) -> Holder:
    """Wait until the lease is ours; returns what was written into it."""
    own, watch, pause = Holder.here(), _Watch(), POLL_SECONDS[0]
    deadline, announced = time.monotonic() + patience, False
    while True:
        with guarded(guard):
            seen = _look(path)
            lives = watch.lives(seen) if seen else False
            if lives is False:
                _write(path, own)
                return own
        if lives and time.monotonic() >= deadline:
            raise _refusal(path, seen)
        if not announced and pause == POLL_SECONDS[1]:
            say(f"waiting: {_named(seen)} is at {path.name.removesuffix('.lease')}, or was")
            announced = True
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS[1])


def _look(path: Path) -> tuple[bytes, int] | None:
    """A lease's content and time of change (opened, so that a network disk is up to date); None: nobody holds it."""
    try:
        with path.open("rb") as file:
            return file.read(65536), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None


def _write(path: Path, holder: Holder) -> None:
    """Put a lease into place whole. Under the guard: its name aside is nobody else's."""
    aside = path.with_name(f"{path.name}.aside")
    aside.unlink(missing_ok=True)
    write_exclusively(aside, json.dumps(asdict(holder)).encode())
    os.replace(aside, path)


def _heartbeat(path: Path, guard: Path, own: Holder, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(OSError, StoreError):  # a network disk may be away for a moment
            if not _renewed(path, guard, own):
                log.warning("%s was taken by another process", path)
                return


def _renewed(path: Path, guard: Path, own: Holder) -> bool:
    """Give a sign of life, and mend the lease if it was damaged; False: it is somebody else's."""
    with guarded(guard):
        seen = _look(path)
        holder = Holder.read(seen[0]) if seen else None
        if holder == own:
            os.utime(path)
        elif holder is None:
            _write(path, own)
        return holder in (own, None)


def _release(path: Path, guard: Path, own: Holder) -> None:
    """Give a lease back. One that somebody else has taken meanwhile, holding us for dead, stays theirs."""
    try:
        with guarded(guard):
            seen = _look(path)
            if seen and Holder.read(seen[0]) == own:
                path.unlink(missing_ok=True)
    except (OSError, StoreError) as error:  # what was done under it is done; a dead holder is replaced
        log.warning("%s could not be given back (%s)", path, type(error).__name__)


def _refusal(path: Path, seen: tuple[bytes, int] | None) -> InUse:
    return InUse(
        f"one process at a time may write an artefact, but {path.name} is held by {_named(seen)}; wait for it, or end "
        f"it and try again."
    )


def _named(seen: tuple[bytes, int] | None) -> str:
    holder = Holder.read(seen[0]) if seen else None
    return f"process {holder.pid} on {holder.host}" if holder else "process unknown on unknown"
