"""Holdings: what a store holds, how large, how old and how sensitive, and what needs what.

    runs/R ─needs─▶ data/D · runs/<clinical adapter> · its base model · tokens of D for that base
    runs/R.partial ─needs─▶ the same, as the attempt has written down; what cannot be known holds everything back

Read from manifests, run.json and leases; no weights and no texts are opened.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from chartune.artefact import MANIFEST, PARTIAL, Artefact
from chartune.errors import ChartuneError
from chartune.holder import Holder
from chartune.models.catalog import catalog
from chartune.runs.record import RUN
from chartune.runs.run import Run
from chartune.search.storages import RECORD, SEARCHES
from chartune.store import COMPILED, Store
from chartune.writing import remembered

KINDS: Final = (
    "runs", "predictions", "tokens", "readings", "audits", "events", "covariates", SEARCHES, "data", "frames",
    "backbones", "imported", COMPILED,
)  # fmt: skip
"""Shelves of a store, what is made from others first."""
PARENTS: Final = frozenset({"runs", "data", "frames", "backbones", "imported", "tokens"})
"""Kinds that others are made from."""
OF_DATA: Final = frozenset({"tokens", "readings"})
"""Kinds that are made from texts of prepared data alone, and go with them."""
OPEN: Final = frozenset({"backbones", "imported", COMPILED})
"""Kinds that hold nothing of patients."""
UNSIGNED: Final = frozenset({SEARCHES, COMPILED})
"""Kinds whose folders are written on, file by file, and never signed."""
REMOVED: Final = ".removed-"
"""Begins the name of what is being removed."""
BASE: Final = "base"
"""Stands for a kind where a base model is named by its content."""
MADE_FROM: Final = "made-from.json"
"""In an unfinished file of predictions: which run makes it."""
State = Literal["finished", "unfinished", "half removed"]
Key = tuple[str, str]
"""Kind and fingerprint."""


@dataclass(frozen=True)
class Holding:
    """A folder of a store."""

    kind: str
    """Its shelf."""
    fingerprint: str
    path: Path
    state: State
    sensitivity: str
    """As its manifest says; `restricted` where nothing says otherwise."""
    bytes: int
    changed: float
    """When anything in it was changed last, seconds since the epoch."""
    name: str = ""
    """What a person calls it; empty: it has no name."""
    needs: frozenset[Key] | None = frozenset()
    """What it is made from; a fingerprint may be empty, for all of a kind. None: that cannot be known."""
    of: tuple[str, str] | None = None
    """Of token arrays and readings the prepared data and the content hash of the base model; None: not known."""
    in_use: bool = False
    """Whether a living process of this machine writes it."""

    @property
    def key(self) -> Key:
        """Kind and fingerprint."""
        return self.kind, self.fingerprint

    def rests_on(self, other: "Holding") -> bool:
        """Whether it is made from the other one, or may be."""
        if other.state != "finished" or other.kind not in PARENTS or other is self:
            return False
        if self.needs is None:
            return True
        if other.kind == "tokens":
            return self.kind == "runs" and self._reads(other.of)
        return other.key in self.needs or (other.kind, "") in self.needs

    def _reads(self, of: tuple[str, str] | None) -> bool:
        """Whether a run was made from token arrays of these data and this base, or may have been."""
        needs = self.needs or frozenset()
        if of is None:
            return any(kind == BASE for kind, _ in needs)
        return ("data", of[0]) in needs and (BASE, of[1]) in needs


def holdings(store: Store) -> list[Holding]:
    """All that a store holds, restricted first, then by kind and age."""
    every = [holding for kind in KINDS for holding in _shelf(store.root / kind)]
    return sorted(every, key=_place)


def _place(one: Holding) -> tuple[bool, int, float, str]:
    return one.sensitivity in ("open", "counts"), KINDS.index(one.kind), one.changed, one.path.name


def _shelf(shelf: Path) -> Iterator[Holding]:
    for path in sorted(shelf.glob("*")):
        if path.is_symlink() or not path.is_dir():
            continue
        with contextlib.suppress(FileNotFoundError):  # removed, or finished, since it was listed
            if path.name.startswith(REMOVED):
                yield _holding(path, path.name, "half removed")
            elif path.suffix == PARTIAL:
                yield _holding(path, path.stem, "unfinished", needs=_begun(path))
            elif (path / MANIFEST).is_file() and "." not in path.name:
                yield _finished(path)
            elif shelf.name in UNSIGNED:
                yield _holding(path, path.name, "finished", name=str(remembered(path / RECORD).get("cell", "")))


def _holding(path: Path, fingerprint: str, state: State, **further: Any) -> Holding:
    files = [file.lstat() for file in (path, *path.rglob("*"))]
    size, changed = sum(file.st_size for file in files), max(file.st_mtime for file in files)
    known = {"sensitivity": "open" if path.parent.name in OPEN else "restricted"} | further
    in_use = state != "half removed" and is_held(path.with_name(f"{fingerprint}.lease"))
    return Holding(path.parent.name, fingerprint, path, state, bytes=size, changed=changed, in_use=in_use, **known)


def _finished(path: Path) -> Holding:
    artefact = Artefact(path.parent.name, path.name, path)
    try:
        manifest = artefact.manifest()
    except ChartuneError:
        return _holding(path, path.name, "finished", needs=None if artefact.kind == "runs" else frozenset())
    further: dict[str, Any] = {"sensitivity": manifest.sensitivity}
    if artefact.kind == "runs":
        further |= _of_run(Run(path))
    if artefact.kind == "data":
        further["needs"] = _frames(path)
    if artefact.kind in OF_DATA and manifest.model_extra:
        of = manifest.model_extra.get("data"), manifest.model_extra.get("backbone")
        further["of"] = of if all(isinstance(part, str) for part in of) else None
    return _holding(path, path.name, "finished", **further)


def _frames(data: Path) -> frozenset[Key]:
    """The frame in memory that prepared data were made from, where they were."""
    source = (remembered(data / "dataset.json").get("config") or {}).get("source") or {}
    folder = Path(str(source.get("file") or "")).parent
    return frozenset({("frames", folder.name)}) if folder.parent.name == "frames" else frozenset()


def _of_run(run: Run) -> dict[str, Any]:
    try:
        return {"name": run.name, "needs": _needs(run.about.to_json())}
    except ChartuneError:
        return {"name": run.signed_name, "needs": None}


def _begun(path: Path) -> frozenset[Key] | None:
    """What an unfinished attempt is made from."""
    if path.parent.name == "predictions":
        run = remembered(path / MADE_FROM).get("run")
        return frozenset({("runs", run)}) if isinstance(run, str) else frozenset()
    if path.parent.name != "runs":
        return frozenset()
    about = remembered(path / RUN)
    return _needs(about) if about else None


def _needs(about: Mapping[str, Any]) -> frozenset[Key]:
    """What a run is made from, by its run.json."""
    base = about.get("backbone") or {}
    row = catalog.get(str(base.get("name")))
    needs = {("runs", str(parent)) for parent in about.get("parents") or ()}
    needs |= {("data", str(about["data"]))} if about.get("data") else set()
    needs |= {(BASE, str(base["content_hash"]))} if base.get("content_hash") else set()
    needs |= {(row.shelf, row.converted)} if row and row.shelf else set()
    return frozenset(needs)


def is_held(lease: Path) -> bool:
    """Whether a living process of this machine holds a lease."""
    with contextlib.suppress(OSError):
        holder = Holder.read(lease.read_bytes())
        return holder is not None and holder.lives() is True
    return False
