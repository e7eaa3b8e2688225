"""Facts about raw files: size, SHA-256, rows. What was read must be known to the byte before its results are quoted."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from chartune.errors import SchemaError
from chartune.hashing import Stamp, hashed, stamp_of
from chartune.sources.reading import sanitised
from chartune.store import Store, storing, write_json
from chartune.writing import remembered

HASHES: Final = "hashes.json"
"""In the store's root: hashes of raw files by path, size, times of change and inode, so that a second look is quick."""
SUMS: Final = "SHA256SUMS.txt"
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class TableFacts:
    """A table as it was found, for the data card."""

    file: str
    """Its file name."""
    bytes: int
    """Its size on disk."""
    sha256: str
    """Hash of its bytes."""
    rows: int | None = None
    """Data rows; None: not counted."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def file_facts(file: Path, store: Store) -> TableFacts:
    """Name, size and hash of a raw file; checked against the `SHA256SUMS.txt` beside or above it that lists it.

    Raises:
        SchemaError: the file cannot be read, or its bytes are not those that were released.
    """
    digest = file_hash(file, store)
    released = _released(file)
    if released not in (None, digest):
        raise SchemaError(
            f"{file.name} must have the SHA-256 that {SUMS} lists ({str(released)[:12]}...), but has {digest[:12]}...; "
            f"get the file again, or take its line out of {SUMS} if the change is yours."
        )
    return TableFacts(file.name, file.stat().st_size, digest)


def must_be_unchanged(before: Mapping[str, TableFacts], after: Mapping[str, TableFacts]) -> None:
    """Refuse what was read of tables that changed meanwhile: it would be kept under the name of others.

    Raises:
        SchemaError: facts differ.
    """
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        raise SchemaError(changed_meanwhile(", ".join(changed)))


def changed_meanwhile(what: str) -> str:
    """The message that tables, or a file, were changed while they were read."""
    return (
        f"a table must stay as it is while it is read, but was changed meanwhile: {what}; run the command again when "
        f"nobody writes it."
    )


def content_hash(file: Path) -> str:
    """Hexadecimal SHA-256 of a file, read once per process. Raises SchemaError: it cannot be read."""
    return sanitised(file, lambda: hashed(file)).sha256


def file_hash(file: Path, store: Store) -> str:
    """Hexadecimal SHA-256 of a file, remembered in the store until the file is another one or has been touched.

    The time of the last change of its inode counts, too: a program can set back the time of change of the content. What
    was changed just now, or while it was read, is not remembered.
    """
    memory, key = store.root / HASHES, _key(file, sanitised(file, lambda: stamp_of(file)))
    known = _remembered(memory)
    if key not in known:
        made = sanitised(file, lambda: hashed(file))
        if made.settled:
            with storing(memory, every=True):
                store.root.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_json(memory, {**known, _key(file, made.stamp): made.sha256})
        return made.sha256
    return known[key]


def _key(file: Path, stamp: Stamp) -> str:
    return "|".join(map(str, (file.absolute(), *stamp)))


def _remembered(memory: Path) -> dict[str, str]:
    """What is remembered; entries of another form, as of an older version, are not believed and cost only time."""
    entries = remembered(memory).items()
    return {key: digest for key, digest in entries if key.count("|") >= 5 and _HEX.fullmatch(str(digest))}


def is_listed(file: Path) -> bool:
    """Whether a `SHA256SUMS.txt` beside or above a raw file lists it: it is of a download that somebody published."""
    return _released(file) is not None


def _released(file: Path) -> str | None:
    """The hash that the release lists for this file; None where it lists none."""
    for folder in (file.parent, file.parent.parent):  # MIMIC-IV has one list above hosp/ and icu/
        name, lines = file.relative_to(folder).as_posix(), _lines(folder / SUMS)
        listed = next((line[0].lower() for line in lines if len(line) == 2 and line[1].lstrip("*./") == name), None)
        if listed:
            return listed
    return None


def _lines(sums: Path) -> list[list[str]]:
    if not sums.is_file():
        return []
    return [line.split() for line in sanitised(sums, lambda: sums.read_text("utf-8", errors="replace")).splitlines()]
