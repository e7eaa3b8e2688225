"""Lease: the right to write an artefact, in a file that says who holds it: host, process, heartbeat."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from chartune.errors import StoreError

HEARTBEAT_SECONDS: Final = 5.0
CLOCK_SECONDS: Final = 5.0
"""How far the birth time of a process may seem to move when the clock is set."""
STALE_SECONDS: Final = 60.0
"""A lease of another host is taken over when its heartbeat is older than this."""


def take(path: Path, patience: float) -> None:
    """Hold a lease; a living holder is waited for, a dead one's lease is taken over.

    Args:
        path: the lease's file.
        patience: seconds to wait for a living holder before giving up.

    Raises:
        StoreError: a living process holds it.
    """
    deadline = time.monotonic() + patience
    while not _take(path, refuse=time.monotonic() >= deadline):
        time.sleep(0.2)


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Keep a lease that was taken alive, and give it back at the end."""
    done = threading.Event()
    beat = threading.Thread(target=_heartbeat, args=(path, done), daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        if _holder(path).get("pid") == os.getpid():  # else another host has taken it for dead
            path.unlink(missing_ok=True)


def _take(path: Path, *, refuse: bool) -> bool:
    """Try to hold a lease. Returns whether it is held; with `refuse` a living holder is an error."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        holder = _holder(path)
        if _lives(holder, path):
            if refuse:
                raise StoreError(
                    f"one process at a time may write an artefact, but {path.name} is held by process "
                    f"{holder.get('pid', 'unknown')} on {holder.get('host', 'unknown')}; wait for it, or end "
                    f"it and try again."
                ) from None
            return False
        # Moved away, not unlinked: of two processes that find it dead, only one can move it.
        with contextlib.suppress(FileNotFoundError):
            os.rename(path, path.with_name(f"{path.name}.stale-{os.getpid()}"))
            path.with_name(f"{path.name}.stale-{os.getpid()}").unlink()
        return _take(path, refuse=refuse)
    with os.fdopen(handle, "w") as file:
        json.dump({"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}, file)
    return True


def _holder(path: Path) -> dict[str, Any]:
    """What a lease says; nothing when it is gone, or was being written when its process was killed."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _lives(holder: dict[str, Any], path: Path) -> bool:
    """Whether the holder of a lease is alive, as far as this host can tell."""
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return False
    if not {"host", "pid", "started"} <= holder.keys():
        return age < HEARTBEAT_SECONDS
    if holder["host"] == socket.gethostname():
        started = _started(holder["pid"])
        return started is not None and abs(started - holder["started"]) < CLOCK_SECONDS
    return age < STALE_SECONDS


def _started(pid: int) -> float | None:
    """When a process was born: a number reused by another process is not mistaken for it. None: no such process."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.create_time()
    return None


def _heartbeat(path: Path, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(OSError):  # a network disk may be away for a moment
            os.utime(path)
