"""The store: where artefacts live, each in a folder named for the fingerprint of what determines it.

    <root>/<kind>/<fingerprint>/            finished: its manifest.json lists every file with size and SHA-256
    <root>/<kind>/<fingerprint>.partial/    being written (a run keeps its checkpoints there and can be resumed)
    <root>/<kind>/<fingerprint>.lease       who is writing it: host, process, heartbeat

Files are written aside and fsynced, the manifest comes last, the folder is renamed into place. A folder without a
manifest therefore does not exist as far as anybody else can see. Everything is private to its owner (0700, 0600),
because prepared text is as sensitive as the chart that it came from.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from chartune.errors import StoreError

MANIFEST: Final = "manifest.json"
HEARTBEAT_SECONDS: Final = 5.0
WAIT_SECONDS: Final = 600.0
"""How long a shared artefact, such as token arrays, is waited for while another process makes it."""
CLOCK_SECONDS: Final = 5.0
"""How far the birth time of a process may seem to move when the clock is set."""
STALE_SECONDS: Final = 60.0
"""A lease of another host is taken over when its heartbeat is older than this."""
REFUSALS: Final = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO,
    errno.ENAMETOOLONG, errno.ELOOP, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO,
)  # fmt: skip
"""How an operating system says that it will not write."""


@dataclass(frozen=True)
class Artefact:
    """A finished folder of the store."""

    kind: str
    """Its shelf: `data`, `events`, `audits`, `tokens`, `backbones` or `runs`."""
    fingerprint: str
    """16 hexadecimal digits."""
    path: Path
    """The folder."""

    def manifest(self) -> dict[str, Any]:
        """Its `manifest.json`: what it is, and its files with size and SHA-256."""
        return json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    def content_hash(self) -> str:
        """SHA-256 over names and hashes of its files: changes with any byte of the content."""
        files = self.manifest()["files"]
        return hashlib.sha256(
            json.dumps({n: f["sha256"] for n, f in files.items()}, sort_keys=True).encode()
        ).hexdigest()

    def verify(self) -> None:
        """Hash every file again.

        Raises:
            StoreError: a file is missing or its bytes are not those that were written.
        """
        for name, entry in self.manifest()["files"].items():
            file = self.path / name
            if not file.is_file() or sha256(file) != entry["sha256"]:
                raise StoreError(
                    f"every file of an artefact must equal its manifest, but {file} does not; "
                    f"remove {self.path} and run the command again."
                )


class Store:
    """A folder of artefacts. Made on first use; the same question finds the same answer."""

    def __init__(self, root: Path | str) -> None:
        try:
            self.root = Path(root).expanduser().absolute()
        except RuntimeError:
            raise StoreError(
                f"the store must be a folder, but the home folder in {root} is not known; write its whole path."
            ) from None

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def open(self) -> "Store":
        """Make the folder if needed and prove that it can be written.

        Raises:
            StoreError: it cannot be made or written.
        """
        with storing(self.root, every=True):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("# patients' words and what was learnt from them never enter a repository\n*\n")
            probe = self.root / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        return self

    def find(self, kind: str, fingerprint: str) -> Artefact | None:
        """The finished artefact, or None."""
        path = self.root / kind / fingerprint
        return Artefact(kind, fingerprint, path) if (path / MANIFEST).is_file() else None

    def artefacts(self, kind: str) -> list[Artefact]:
        """All finished artefacts of a kind, oldest first."""
        shelf = self.root / kind
        found = [
            Artefact(kind, p.parent.name, p.parent) for p in shelf.glob(f"*/{MANIFEST}") if "." not in p.parent.name
        ]
        return sorted(found, key=lambda artefact: (artefact.path.stat().st_mtime, artefact.fingerprint))

    def partial(self, kind: str, fingerprint: str) -> Path:
        """The folder in which an unfinished artefact is kept between attempts; made if needed, private."""
        path = self.root / kind / f"{fingerprint}.partial"
        with storing(path):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def publish(self, kind: str, fingerprint: str, about: dict[str, Any]) -> Artefact:
        """Sign the partial folder (hashes of all files last) and rename it into place.

        Args:
            kind: its shelf.
            fingerprint: its name.
            about: facts for the manifest beside the file list.
        """
        partial, final = self.partial(kind, fingerprint), self.root / kind / fingerprint
        if (
            final / MANIFEST
        ).is_file():  # another process has finished it meanwhile: the same question, the same answer
            shutil.rmtree(partial)
            return Artefact(kind, fingerprint, final)
        with storing(final):
            (partial / MANIFEST).unlink(missing_ok=True)  # of an attempt that was killed while signing
            files = {}
            for folder in (p for p in partial.rglob("*") if p.is_dir()):
                folder.chmod(0o700)
            for file in sorted(p for p in partial.rglob("*") if p.is_file()):
                file.chmod(0o600)
                _fsync(file)
                files[file.relative_to(partial).as_posix()] = {"bytes": file.stat().st_size, "sha256": sha256(file)}
            write_json(partial / MANIFEST, {"kind": kind, "fingerprint": fingerprint, **about, "files": files})
            shutil.rmtree(final, ignore_errors=True)
            os.replace(partial, final)
            _fsync(final.parent)
        return Artefact(kind, fingerprint, final)

    def obtain(
        self, kind: str, fingerprint: str, write: Callable[[Path], None], about: dict[str, Any], *, resume: bool = False
    ) -> Artefact:
        """The artefact, made by `write` in its folder if nobody has done it; waits for whoever is at it.

        With `resume` an interrupted attempt is left, and `write` goes on from it; who is at it is not waited for.

        Raises:
            StoreError: the disk is full or the store cannot be written; nothing half-written stays behind.
        """
        if found := self.find(kind, fingerprint):
            return found
        with self.lease(kind, fingerprint, patience=0.0 if resume else WAIT_SECONDS):
            if found := self.find(kind, fingerprint):
                return found
            if not resume:
                shutil.rmtree(self.partial(kind, fingerprint))
            folder = self.partial(kind, fingerprint)
            try:
                with storing(folder):
                    write(folder)
                    return self.publish(kind, fingerprint, about)
            except BaseException as error:
                # What is wrong now will be wrong again; only an interruption is worth continuing.
                if not resume or isinstance(error, Exception):
                    shutil.rmtree(folder, ignore_errors=True)
                raise

    @contextmanager
    def lease(self, kind: str, fingerprint: str, *, patience: float = 0.0) -> Iterator[None]:
        """Hold the right to write an artefact; a second process is refused, a dead one's lease is taken over.

        Args:
            kind: its shelf.
            fingerprint: its name.
            patience: seconds to wait for a living holder before giving up.

        Raises:
            StoreError: a living process holds it.
        """
        path = self.root / kind / f"{fingerprint}.lease"
        deadline = time.monotonic() + patience
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            while not _take(path, refuse=time.monotonic() >= deadline):
                time.sleep(0.2)
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
        raise StoreError(
            f"the store must be writable and have room, but writing {error.filename or place} failed: {reason}; "
            f"free some space or choose another folder with --store (or CHARTUNE_STORE)."
        ) from error


def write_json(path: Path, data: Any) -> None:
    """Write JSON aside, fsync it and rename it into place: a reader sees the old file or the new one, never half."""
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        write_bytes(aside, (json.dumps(data, indent=2) + "\n").encode())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a private file and fsync it; safetensors itself would hide a full disk behind an error of its own."""
    with open(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
