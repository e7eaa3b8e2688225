"""Hashing: the SHA-256 of a file, remembered in this process for as long as nothing about the file differs.

    path ─stat─▶ stamp (size, times of content and inode, inode, device) ─known?─▶ Hashed(SHA-256, stamp, settled)
                                                                              └no─▶ read it

Artefacts, base models and raw files all ask here; those that remember on disk, too, do so of what is settled.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SETTLED_NS: Final = 2_000_000_000
"""A file that was changed less than this ago may change once more without a new time; its hash is not remembered."""
Stamp = tuple[int, int, int, int, int]
"""Size in bytes, times of change of content and of inode in nanoseconds, inode and device."""


@dataclass(frozen=True)
class Hashed:
    """A file as it was when it was hashed."""

    sha256: str
    """Hexadecimal."""
    stamp: Stamp
    """What it was before its first byte was read."""
    settled: bool
    """Whether the hash holds for as long as the stamp does: the file was not changed just before, nor meanwhile."""


_known: dict[Path, Hashed] = {}
"""Files that this process has hashed."""


def stamp_of(path: Path) -> Stamp:
    """What identifies a state of a file; a link is followed.

    Raises:
        OSError: there is none, or it may not be read.
    """
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def hashed(path: Path) -> Hashed:
    """A file's hash; read only where this process does not know it.

    Raises:
        OSError: it cannot be read.
    """
    path, stamp, now = path.absolute(), stamp_of(path), time.time_ns()
    known = _known.get(path)
    if known is not None and known.stamp == stamp:
        return known
    digest = sha256(path)
    made = Hashed(digest, stamp, stamp_of(path) == stamp and now - max(stamp[1], stamp[2]) > SETTLED_NS)
    if made.settled:
        _known[path] = made
    return made


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in blocks, whatever is known of it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
