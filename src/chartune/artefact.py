"""Artefact: a finished folder of the store, and the only way in which its files are read.

    opened(runs/<fingerprint>/adapter/x) ─▶ manifest.json of runs/<fingerprint> ─▶ SHA-256 as signed? ─▶ the path
                                                                                 └▶ no: StoreError, with a remedy

A file is hashed when it is opened, once per process and for as long as its size, times and inode stay as they are. What
is large is hashed once per machine: `<fingerprint>.verified.json` beside the folder remembers size, times and inode at
the last full check with the hash that was seen. That hash must still be the signed one, so that a damaged record costs
time and never lets damage pass.
"""

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chartune.errors import StoreError
from chartune.hashing import hashed, sha256, stamp_of
from chartune.writing import remembered, write_json

MANIFEST: Final = "manifest.json"
VERIFIED: Final = ".verified.json"
"""Ends the record beside a folder of its large files as they were at their last full check."""
SHELVES: Final = ("data", "events", "audits", "tokens", "backbones", "runs")
LARGE: Final = 256 * 2**20
"""Bytes from which the record is trusted in place of hashing again in every process."""
PARTIAL: Final = ".partial"
_DEPTH: Final = 3
"""How far below its artefact's folder a file may lie."""


class Entry(BaseModel):
    """A file of a manifest."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What an artefact is, and every file with size and SHA-256; signed by a hash over all of it."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: str
    fingerprint: str
    files: dict[str, Entry]
    sensitivity: str = "restricted"
    signature: str | None = None
    """SHA-256 over all other fields; None: written before manifests were signed."""


@dataclass(frozen=True)
class Artefact:
    """A finished folder of the store."""

    kind: str
    """Its shelf: `data`, `events`, `audits`, `tokens`, `backbones` or `runs`."""
    fingerprint: str
    """16 hexadecimal digits."""
    path: Path
    """The folder."""

    def manifest(self) -> Manifest:
        """Its `manifest.json`.

        Raises:
            StoreError: it is damaged; the message says how.
        """
        file = self.path / MANIFEST
        manifest, problem = _parsed(file)
        if manifest is None:
            raise self._damaged(file, problem)
        if (manifest.kind, manifest.fingerprint) != (self.kind, self.fingerprint):
            raise self._damaged(file, f"is that of {manifest.kind[:20]!r}/{manifest.fingerprint[:20]!r}")
        return manifest

    def content_hash(self) -> str:
        """SHA-256 over names and hashes of its files: changes with any byte of the content."""
        files = {name: entry.sha256 for name, entry in self.manifest().files.items()}
        return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()

    def size(self) -> int:
        """Bytes of all its files, as signed."""
        return sum(entry.bytes for entry in self.manifest().files.values())

    def holds(self, name: str) -> bool:
        """Whether a file is one of its, by the manifest: one that was lost counts, and `file` will say so."""
        return name in self.manifest().files

    def file(self, name: str) -> Path:
        """A file of it, ready to be read.

        Args:
            name: below the folder, such as `adapter/adapter_model.safetensors`.

        Raises:
            StoreError: it is gone, it was never signed, or its bytes are not those that were.
        """
        entry, path = self.manifest().files.get(name), self.path / name
        if entry is None:
            raise self._damaged(path, "is not among the files that it lists")
        self._must_equal(path, entry, full=False)
        return path

    def whole(self) -> Path:
        """Its folder, when a library is to read it by itself: every file checked, and none there that was not signed.

        Raises:
            StoreError: as `file`.
        """
        self._check(full=False)
        return self.path

    def verify(self) -> None:
        """Hash every file again, whatever is remembered.

        Raises:
            StoreError: a file is missing, its bytes are not those that were written, or it was never signed.
        """
        self._check(full=True)

    def _check(self, *, full: bool) -> None:
        files = self.manifest().files
        for name, entry in files.items():
            self._must_equal(self.path / name, entry, full=full)
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if not path.is_dir() and name not in files and name != MANIFEST:
                raise self._damaged(path, "is not among the files that it lists")

    def _must_equal(self, path: Path, entry: Entry, *, full: bool) -> None:
        if not path.is_file():
            raise self._damaged(path, "is missing")
        record = self.path.with_name(f"{self.path.name}{VERIFIED}")
        try:
            digest = sha256(path) if full else _digest(path, path.relative_to(self.path).as_posix(), entry, record)
        except OSError as error:
            raise self._damaged(path, f"cannot be read ({error.strerror})") from None
        if digest != entry.sha256:
            raise self._damaged(path, f"has the SHA-256 {digest[:12]}… in place of {entry.sha256[:12]}…")

    def _damaged(self, path: Path, why: str) -> StoreError:
        return StoreError(
            f"every file of an artefact must equal its manifest, but {path} {why}; bring back a copy of it, or "
            f"{self.again()}."
        )

    def again(self) -> str:
        """The command that makes it again."""
        if self.kind == "runs":
            kind = _kind_of_run(self.path / "stage.yaml")
            if kind == "evaluate":
                return f"remove {self.path} and run the same `chartune evaluate` command again"
            verb = "pretrain" if kind == "pretrain" else "finetune"
            return (
                f"copy its stage.yaml, remove {self.path} and run `chartune {verb} --config COPY --store "
                f"{self.path.parent.parent}` again"
            )
        verbs = {"data": "`chartune prepare`", "events": "`chartune prepare`", "audits": "`chartune audit-data`"}
        return f"remove {self.path} and run the same {verbs.get(self.kind, '')} command again".replace("  ", " ")


def opened(path: Path) -> Path:
    """A file of the store, ready to be read: every file of an artefact is opened here.

    What lies in no finished artefact (an unfinished one's folder, a folder of somebody's own) is handed back unchecked.

    Raises:
        StoreError: its artefact does not vouch for it.
    """
    artefact = artefact_of(path)
    return path if artefact is None else artefact.file(path.relative_to(artefact.path).as_posix())


def artefact_of(path: Path) -> Artefact | None:
    """The finished artefact in whose folder a file lies, or a folder is; None: it lies in none."""
    for folder in [path, *path.parents][: _DEPTH + 1]:
        if folder.suffix == PARTIAL:
            return None
        if (folder / MANIFEST).is_file():
            manifest = _parsed(folder / MANIFEST)[0]
            if folder.parent.name in SHELVES:
                return Artefact(folder.parent.name, folder.name, folder)
            if manifest is not None:  # a copy of an artefact, outside a store
                return Artefact(manifest.kind, manifest.fingerprint, folder)
    return None


def write_manifest(folder: Path, kind: str, fingerprint: str, about: dict[str, Any]) -> None:
    """Sign a folder: hash all its files, and write the manifest last.

    Args:
        folder: holds all files.
        kind: its shelf.
        fingerprint: its name.
        about: facts for the manifest beside the file list.
    """
    files = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted(p for p in folder.rglob("*") if p.is_file())
    }
    manifest = {"kind": kind, "fingerprint": fingerprint, **about, "files": files}
    write_json(folder / MANIFEST, {**manifest, "signature": _signature(manifest)})


def _signature(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _parsed(file: Path) -> tuple[Manifest | None, str]:
    """A manifest, or what is wrong with it."""
    try:
        data = json.loads(file.read_bytes())
        manifest = Manifest.model_validate(data)
    except OSError as error:
        return None, f"cannot be read ({error.strerror})"
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        return None, f"is no manifest ({'.'.join(map(str, wrong['loc']))[:60] or 'it'}: {wrong['msg']})"
    except (ValueError, RecursionError):
        return None, "is empty" if not file.stat().st_size else "is cut off or no JSON"
    if manifest.signature is not None and manifest.signature != _signature(
        {k: v for k, v in data.items() if k != "signature"}
    ):
        return None, "was changed after it was signed"
    return manifest, ""


def _digest(path: Path, name: str, entry: Entry, record: Path) -> str:
    """SHA-256 of a file; remembered while nothing about it changes, and beside its artefact when it is large."""
    large = entry.bytes >= LARGE
    if large and remembered(record).get(name) == [*stamp_of(path), entry.sha256]:
        return entry.sha256
    made = hashed(path)
    if large and made.settled and made.sha256 == entry.sha256:
        with contextlib.suppress(OSError):  # a store that may only be read is hashed in each process
            write_json(record, {**remembered(record), name: [*made.stamp, made.sha256]})
    return made.sha256


def _kind_of_run(stage: Path) -> str:
    """`kind` of a stage.yaml that may be damaged itself."""
    try:
        match = re.search(r"^kind: (\w+)$", stage.read_text("utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else "unknown"
