"""Holder: a process, so written down that nobody takes another one for it, nor it for dead while it lives.

A process number is given again after its process has died, and means another process in another container, on another
host, and after the next start of the machine. A process is known by all of these and by the moment of its birth.
"""

import contextlib
import errno
import json
import os
import secrets
import socket
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Self

import psutil

UNKNOWN: Final = "unknown"
"""A namespace in which no process can be asked."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease."""

    host: str
    """Name of its machine."""
    boot: str
    """Of its machine's start, as Linux names it; empty elsewhere."""
    namespace: str
    """In which process numbers and their times mean something (Linux: of this container); empty elsewhere."""
    pid: int
    """Its process number."""
    started: float
    """When the process was born: clock ticks since boot on Linux, else seconds since the epoch as its kernel says."""
    token: str
    """Of this very lease: a process may hold several, one after the other."""

    @classmethod
    def here(cls) -> Self:
        """This process, with a new token."""
        pid, started = os.getpid(), 0.0
        with contextlib.suppress(PermissionError):
            started = born(pid) or 0.0
        return cls(socket.gethostname(), _boot(), _namespace(), pid, started, secrets.token_hex(8))

    @classmethod
    def read(cls, content: bytes) -> Self | None:
        """The holder that a lease names; None: it is damaged, or of an older version."""
        try:
            entries = json.loads(content)
            holder = cls(**{field.name: entries[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        numbers = isinstance(holder.pid, int) and isinstance(holder.started, int | float) and holder.pid > 0
        return holder if numbers else None

    def lives(self) -> bool | None:
        """Whether it is alive; None: it cannot be asked from here.

        Its number means something on this start of this machine and in this container only. A name alone is not
        enough: hosts share names, and copies of a virtual machine the name of their boot.
        """
        here = (socket.gethostname(), _boot(), _namespace())
        if (self.host, self.boot, self.namespace) != here or self.namespace == UNKNOWN:
            return None
        try:
            return born(self.pid) == self.started
        except PermissionError:
            return None


def born(pid: int) -> float | None:
    """When a process was born: its number may have been given to another one. None: no such process, or a dead one.

    Raises:
        PermissionError: there is a process of that number, but nothing is known of it.
    """
    if sys.platform != "linux":
        return _born_elsewhere(pid)
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        if _hidden(pid):
            raise PermissionError(errno.EPERM, "a process is hidden") from None
        return None
    return None if status[0] in "ZXx" else float(status[19])


def _born_elsewhere(pid: int) -> float | None:
    """On a system whose kernel keeps the time of birth itself (macOS): setting the clock does not move it."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.AccessDenied:
        raise PermissionError(errno.EPERM, "a process is hidden") from None
    except (psutil.NoSuchProcess, OverflowError):
        return None


def _hidden(pid: int) -> bool:
    """Whether there is a process that /proc does not show: another user's (`hidepid`), or of a system without it."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _boot() -> str:
    """The name of this start of the machine; empty where the system has none."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def _namespace() -> str:
    """Where process numbers and their times are counted; empty where the system has no such places."""
    if sys.platform != "linux":
        return ""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):  # /proc shows the numbers of another container
            return UNKNOWN
        return " ".join(os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "time"))
    except OSError:
        return UNKNOWN
