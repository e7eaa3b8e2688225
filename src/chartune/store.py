"""The store: where artefacts live, each in a folder named for the fingerprint of what determines it.

    <root>/<kind>/<fingerprint>/            finished: its manifest.json lists every file with size and SHA-256
    <root>/<kind>/<fingerprint>.partial/    being written (a run keeps its checkpoints there and can be resumed)
    <root>/<kind>/<fingerprint>.lease       who is writing it: host, process, heartbeat (see chartune.lease)

Files are written aside and fsynced, the manifest comes last, the folder is renamed into place. A folder without a
manifest therefore does not exist as far as anybody else can see. Everything is private to its owner (0700, 0600),
because prepared text is as sensitive as the chart that it came from.
"""

import contextlib
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from chartune.artefact import MANIFEST, PARTIAL, Artefact, opened, write_manifest
from chartune.errors import StoreError
from chartune.hashing import sha256
from chartune.lease import leased
from chartune.outputs import swept
from chartune.writing import ASIDE, REFUSALS, fsync, storing, write_bytes, write_json

__all__ = [
    "MANIFEST", "REFUSALS", "Artefact", "Store", "opened", "sha256", "storing", "write_bytes", "write_json",
]  # fmt: skip

WAIT_SECONDS: Final = math.inf
"""How long a shared artefact, such as prepared data, is waited for while a living process makes it."""
DEFAULT: Final = "chartune-store"
"""Where a store is when nobody says."""
VARIABLE: Final = "CHARTUNE_STORE"
"""The variable of the environment that names it."""
COMPILED: Final = "compiled"
"""The shelf of machine code, which is made again where it is missing."""
GUARD: Final = ".guard"
"""In the store's root: whoever judges or changes a lease holds its lock."""


class Store:
    """A folder of artefacts. Made on first use; the same question finds the same answer."""

    def __init__(self, root: Path | str) -> None:
        try:
            self.root = Path(root).expanduser().absolute()
        except RuntimeError:
            raise StoreError(
                f"the store must be a folder, but the home folder in {root} is not known; write its whole path."
            ) from None
        _must_be_a_folder(self.root)

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
                write_bytes(ignore, b"# patients' words and what was learnt from them never enter a repository\n*\n")
            swept(self.root)
            with tempfile.NamedTemporaryFile(dir=self.root, prefix=".probe-"):
                pass
        return self

    def find(self, kind: str, fingerprint: str) -> Artefact | None:
        """The finished artefact, or None."""
        path = self.root / kind / fingerprint
        return Artefact(kind, fingerprint, path) if (path / MANIFEST).is_file() else None

    def artefacts(self, kind: str) -> list[Artefact]:
        """All finished artefacts of a kind, oldest first."""
        shelf = self.root / kind
        artefacts = []
        for manifest in shelf.glob(f"*/{MANIFEST}"):
            folder = manifest.parent
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                if "." not in folder.name:
                    artefacts.append((folder.stat().st_mtime, folder.name, Artefact(kind, folder.name, folder)))
        return [artefact for *_, artefact in sorted(artefacts, key=lambda row: row[:2])]

    def partial(self, kind: str, fingerprint: str) -> Path:
        """The folder in which an unfinished artefact is kept between attempts; made if needed, private."""
        path = self.root / kind / f"{fingerprint}{PARTIAL}"
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
        if (final / MANIFEST).is_file():  # finished by another process meanwhile: the same question, the same answer
            shutil.rmtree(partial)
            return Artefact(kind, fingerprint, final)
        with storing(final):
            (partial / MANIFEST).unlink(missing_ok=True)  # of an attempt that was killed while signing
            for aside in list(partial.rglob(f"{ASIDE}*.tmp")):  # of one that was killed while writing
                aside.unlink()
            for folder in (p for p in partial.rglob("*") if p.is_dir()):
                folder.chmod(0o700)
            for file in (p for p in partial.rglob("*") if p.is_file()):
                file.chmod(0o600)
                fsync(file)
            write_manifest(partial, kind, fingerprint, about)
            shutil.rmtree(final, ignore_errors=True)
            os.replace(partial, final)
            fsync(final.parent)
        return Artefact(kind, fingerprint, final)

    def obtain(
        self, kind: str, fingerprint: str, write: Callable[[Path], None], about: dict[str, Any], *, resume: bool = False
    ) -> Artefact:
        """The artefact, made by `write` in its folder if nobody has done it; waits for whoever is at it.

        With `resume` an interrupted attempt is left, and `write` goes on from it.

        Raises:
            StoreError: the disk is full or the store cannot be written; nothing half-written stays behind.
        """
        if artefact := self.find(kind, fingerprint):
            return artefact
        with self.lease(kind, fingerprint, patience=WAIT_SECONDS):
            if artefact := self.find(kind, fingerprint):
                return artefact
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
            InUse: a living process holds it.
        """
        with leased(self.root / kind / f"{fingerprint}.lease", self.root / GUARD, patience):
            yield


def _must_be_a_folder(root: Path) -> None:
    """Refuse what no store can be, before it is reported as empty; what is not there may yet be made."""
    try:
        if stat.S_ISDIR(root.stat().st_mode):
            return
        why = "is none"
    except FileNotFoundError:
        if not root.is_symlink():
            return
        why = "is a link that leads nowhere"
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    raise StoreError(
        f"the store must be a folder, but {root} {why}; choose another folder with --store (or CHARTUNE_STORE)."
    )


def store_at(place: Store | Path | str | None = None) -> Store:
    """A store itself, or that at a path; None: as `CHARTUNE_STORE` says, else `DEFAULT` in the working folder."""
    return place if isinstance(place, Store) else Store(place or os.environ.get(VARIABLE) or DEFAULT)
