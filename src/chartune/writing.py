"""Writing: how a file comes onto the disk. Aside, fsynced, renamed into place; a refusal is a clear error."""

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from chartune.errors import StoreError

REFUSALS: Final = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO,
    errno.ENAMETOOLONG, errno.ELOOP, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO, errno.EXDEV,
)  # fmt: skip
"""How an operating system says that it will not write."""

MOST_BYTES: Final = 64 << 20
"""Of what is kept to save time; more is taken for damaged."""
ASIDE: Final = ".chartune-"
"""Begins the name of what is being written."""


@contextmanager
def storing(place: Path, *, every: bool = False) -> Iterator[None]:
    """Turn an operating system's refusal to write into a clear error that names the place.

    Args:
        place: what is written; named if the system names nothing.
        every: take each OSError for such a refusal, where nothing but the store is touched: /proc says "no such
            file" of a folder that it will not make. Elsewhere a missing file may be anybody's.

    Raises:
        StoreError: full disk, read-only or foreign folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS and not every:
            raise
        reason = error.strerror or type(error).__name__
        remedy = "put this folder onto one disk" if error.errno == errno.EXDEV else "free some space"
        raise StoreError(
            f"the store must be writable and have room, but writing {error.filename or place} failed: {reason}; "
            f"{remedy} or choose another folder with --store (or CHARTUNE_STORE)."
        ) from error


def write_json(path: Path, data: Any) -> None:
    """Write JSON aside, fsync it and rename it into place: a reader sees the old file or the new one, never half."""
    write_bytes(path, (json.dumps(data, indent=2) + "\n").encode())


def remembered(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file that only saves time; empty: there is none, or it is damaged, or too large."""
    try:
        known = json.loads(path.read_bytes()) if path.is_file() and path.stat().st_size <= MOST_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a private file as `write_json` does; safetensors itself would hide a full disk behind its own error."""
    aside = path.with_name(f"{ASIDE}{secrets.token_hex(8)}.tmp")
    try:
        write_exclusively(aside, data)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_exclusively(path: Path, data: bytes) -> None:
    """Write a new private file and fsync it; whatever has its name already, a link too, is an error and not touched."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def fsync(path: Path) -> None:
    """Have the operating system put a file, or the names in a folder, onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
