"""The marker of a made-up hospital: a manifest that names its tables by their hashes, so that it vouches for no others.

    made-up/manifest.json   {"made_up": true, "tables": {"PATIENTS": {"file", "bytes", "sha256", "content_sha256"}, …}}

Fictional patients have no secrets, so nothing of them is hidden. Real tables that are put into a folder where a marker
is left over must not pass for fictional: the marker counts only if every file that is read is one that it lists.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from chartune.sources.facts import TableFacts, content_hash, file_facts
from chartune.sources.reading import sanitised
from chartune.store import Store
from chartune.writing import remembered

MADE_UP: Final = Path("made-up") / "manifest.json"
"""Stands in the folder of a made-up hospital, so that nobody takes its patients for real ones."""


def marker(folder: Path, files: Iterable[Path], truths: Iterable[str] = ()) -> dict[str, Any] | None:
    """What a made-up hospital says of itself; None: the folder has no marker, or one of other files than these.

    Args:
        folder: of the source.
        files: all raw files that are read; packed or unpacked.
        truths: entries of the marker whose files must be as it says, too, such as `oracle`.

    Raises:
        SchemaError: a file cannot be read.
    """
    manifest, read = remembered(folder / MADE_UP), list(files)
    listed = _listed(manifest)
    if not listed or not read or not all(_is_listed(file, listed) for file in read):
        return None
    known = [manifest.get(name) for name in truths]
    return manifest if all(isinstance(entry, Mapping) and _is_as_listed(folder, entry) for entry in known) else None


def marker_facts(folder: Path, store: Store) -> dict[str, TableFacts]:
    """The marker as a raw file, so that it is in the fingerprint of what is prepared; empty: the folder has none."""
    file = folder / MADE_UP
    return {MADE_UP.as_posix(): file_facts(file, store)} if file.is_file() else {}


def disowned(folder: Path, files: Iterable[Path]) -> tuple[str, ...]:
    """The warning that a marker stands in the folder and is of other files; empty: it is of these, or none is there."""
    if not (folder / MADE_UP).is_file() or marker(folder, files) is not None:
        return ()
    return (
        f"{MADE_UP.as_posix()}: it does not list these very files, so that their patients are taken for real ones; "
        f"remove it, or make the hospital again.",
    )


def _listed(manifest: Mapping[str, Any]) -> dict[str, int | None]:
    """Each hash of a table, packed and unpacked → its bytes."""
    tables = manifest.get("tables")
    rows = [row for row in tables.values() if isinstance(row, Mapping)] if isinstance(tables, Mapping) else []
    packed = {str(row["sha256"]): row.get("bytes") for row in rows if row.get("sha256")}
    return packed | {str(row["content_sha256"]): row.get("content_bytes") for row in rows if row.get("content_sha256")}


def _is_listed(file: Path, listed: Mapping[str, int | None]) -> bool:
    size = sanitised(file, file.stat).st_size
    # A large file of another size is not hashed.
    return size in listed.values() and listed.get(content_hash(file)) == size


def _is_as_listed(folder: Path, entry: Mapping[str, Any]) -> bool:
    file = folder / str(entry.get("file"))
    return file.is_file() and content_hash(file) == entry.get("sha256")
