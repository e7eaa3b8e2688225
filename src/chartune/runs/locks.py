"""Locks: claims of a study, written into the store before a test split is scored; runs name those that were there.

claims/<hash>.json   {study, locked (UTC), claims, …}      never changed, never written again
run.json             claims: the hashes that were there when this run began to score the test split
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from chartune.errors import StoreError
from chartune.store import Store, storing, write_json
from chartune.writing import remembered

SHELF: Final = "claims"
LOCKED: Final = "locked"
DIGITS: Final = 16


def lock(store: Store, content: Mapping[str, Any]) -> str:
    """Write claims into the store, unless they are there; their hash.

    Args:
        store: of the runs that they are about.
        content: the claims and all that they mean, as plain JSON.

    Raises:
        StoreError: it cannot be written, or what was locked under that hash has been changed since.
    """
    name = hash_of(content)
    file = _file(store, name)
    if remembered(file) and hash_of(_content(file)) != name:
        raise StoreError(
            f"claims that are locked must stay as they were written, but {file} no longer holds those that it is named "
            f"after; put the file back as it was, or remove it: claims are then locked anew, and what was scored "
            f"without them stays exploratory."
        )
    if not remembered(file):
        with storing(file):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(file, {LOCKED: datetime.now(UTC).isoformat(timespec="seconds"), **content})
    return name


def hash_of(content: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of the SHA-256 of claims as canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(canonical.encode()).hexdigest()[:DIGITS]


def locked(store: Store) -> tuple[str, ...]:
    """The hashes of all claims that a store holds, each as it was written."""
    files = sorted((store.root / SHELF).glob("*.json"))
    return tuple(file.stem for file in files if _content(file) and hash_of(_content(file)) == file.stem)


def locked_at(store: Store, name: str) -> str:
    """When claims were locked, UTC, ISO 8601; empty: they are not, or have been changed since."""
    file = _file(store, name)
    return str(remembered(file).get(LOCKED) or "") if hash_of(_content(file)) == name else ""


def _content(file: Path) -> dict[str, Any]:
    return {key: value for key, value in remembered(file).items() if key != LOCKED}


def _file(store: Store, name: str) -> Path:
    return store.root / SHELF / f"{name}.json"
