"""Audit: a line for each request, with the hash of the line before it, on the disk before the request is answered.

{"event": "request", …, "before": sha256 of line 6}   line 7
{"event": "request", …, "before": sha256 of line 7}   line 8     whoever changes line 7 breaks line 8

Who asked which tasks of which weights, and when; no text, no id of a note. A line that cannot be written is an answer
that is not given. What a kill has torn was never answered: it is cut off, and a line says so.
"""

import fcntl
import hashlib
import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from chartune.errors import ConfigError, StoreError

NOTHING: Final = "0" * 64
"""Stands for the hash of the line before the first."""
MOST_BYTES: Final = 1 << 20
"""Of a line."""


class Chain(NamedTuple):
    """What a log holds."""

    lines: int
    head: str
    """Hash of the last line; of an empty log `NOTHING`."""
    torn: int
    """Bytes behind the last whole line."""


class AuditLog:
    """A log that one service writes; it goes on with what is there."""

    def __init__(self, file: Path) -> None:
        """Open it, and cut off what a kill has torn.

        Raises:
            ConfigError: it is no file, others may read it, another service writes it, or it ends in something else.
        """
        self.file, self._lock, self._denied, self._unclean = file, threading.Lock(), 0, False
        try:
            self._handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"--audit must be a file that can be written, but {file} cannot be ({error.strerror})."
            ) from None
        try:
            _must_be_private(self._handle, file)
            self._size, self._head = _end(self._handle, file)
            if torn := os.fstat(self._handle).st_size - self._size:
                os.ftruncate(self._handle, self._size)
                self.append("cut", bytes=torn)
        except BaseException:
            os.close(self._handle)
            raise

    def append(self, event: str, **about: Any) -> None:
        """Write a line, and have it put onto the disk.

        Args:
            event: what happened.
            about: names, counts and hashes.

        Raises:
            StoreError: the disk is full, or refuses; nothing is left of the line.
        """
        with self._lock:
            known = {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **about}
            known |= {"denied": self._denied, "before": self._head} if self._denied else {"before": self._head}
            line = json.dumps(known, ensure_ascii=True).encode()
            self._write(line + b"\n")
            self._size, self._head, self._denied = self._size + len(line) + 1, _hash(line), 0

    def _write(self, data: bytes) -> None:
        try:
            if self._unclean:
                os.ftruncate(self._handle, self._size)
            self._unclean, rest = True, memoryview(data)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.fdatasync(self._handle)
            self._unclean = False
        except OSError as error:
            with suppress(OSError):  # else before the next line
                os.ftruncate(self._handle, self._size)
            raise StoreError(
                f"a request must be written to the audit log before it is answered, but this failed "
                f"({error.strerror}); free some space."
            ) from None

    def deny(self) -> None:
        """Count a request without a key that is known; the next line says how many there were."""
        with self._lock:
            self._denied += 1

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def verified(file: Path, head: str | None = None) -> Chain:
    """Follow a log from its first line to its last.

    Args:
        file: the log; a service may be writing it.
        head: hash of a line, kept elsewhere, that it must hold; None: none is asked for.

    Raises:
        StoreError: a line is not what the next one says of it, or that line is not in the log.
        ConfigError: it cannot be read.
    """
    before, count, torn, seen = NOTHING, 0, 0, head is None
    for line in _lines(file):
        if not line.endswith(b"\n"):
            torn = len(line)
            break
        count, line = count + 1, line[:-1]
        if _before(line) != before:
            raise StoreError(
                f"every line of an audit log must name the hash of the line before it, but line {count} of {file} does "
                f"not: line {max(1, count - 1)} or {count} was changed or put in, or others between them taken out."
            )
        before = _hash(line)
        seen = seen or before == head
    if not seen:
        raise StoreError(
            f"{file} must hold the line with the hash {ascii(head)[1:13]}, but does not: its end was cut or changed."
        )
    return Chain(count, before, torn)


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with open(file, "rb") as opened:
            while line := opened.readline(MOST_BYTES):
                yield line
    except OSError as error:
        raise ConfigError(f"{file} must be an audit log, but cannot be read ({error.strerror}).") from None


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _before(line: bytes) -> str | None:
    """The hash that a line names; None: it is no line of a log."""
    try:
        known = json.loads(line)
    except (ValueError, RecursionError):
        return None
    before = known.get("before") if isinstance(known, dict) else None
    return before if isinstance(before, str) else None


def _end(handle: int, file: Path) -> tuple[int, str]:
    """Where the last whole line ends, and its hash. Raises ConfigError: it is no line of a log."""
    size = os.fstat(handle).st_size
    tail = os.pread(handle, 2 * MOST_BYTES, max(0, size - 2 * MOST_BYTES))
    whole = tail[: tail.rfind(b"\n") + 1]
    if not whole and size < MOST_BYTES:
        return 0, NOTHING  # empty, or nothing but a torn first line
    line = whole[:-1].rpartition(b"\n")[2]
    if _before(line) is None:
        raise ConfigError(
            f"--audit must be an audit log of this service, but {file} ends in something else; name another."
        )
    return size - (len(tail) - len(whole)), _hash(line)


def _must_be_private(handle: int, file: Path) -> None:
    known = os.fstat(handle)
    if not stat.S_ISREG(known.st_mode) or known.st_mode & 0o077:
        raise ConfigError(
            f"--audit must be a file that its owner alone may read, but the mode of {file} is "
            f"{stat.S_IMODE(known.st_mode):04o}; chmod 600 it."
        )
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(f"{file} must be written by one service, but another has it; name another file.") from None
