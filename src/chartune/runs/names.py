"""Names of a run that it was given after it was signed: a file beside its folder, which stays as it is."""

import json
from pathlib import Path
from typing import Final

from chartune.errors import StoreError
from chartune.writing import write_json

NAMES: Final = ".names.json"
"""Ends the file beside a run's folder that lists the names given later, oldest first."""


def later_names(folder: Path) -> list[str]:
    """Names that the run of this folder was given after it was signed, oldest first.

    Raises:
        StoreError: their file is damaged.
    """
    path = _beside(folder)
    try:
        names = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    except (ValueError, RecursionError, OSError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StoreError(
            f"the names of a run must be a JSON list of texts, but {path} is none; remove it and name it again."
        )
    return names


def write_name(folder: Path, name: str) -> None:
    """Put a name last, once.

    Raises:
        StoreError: their file is damaged.
        OSError: it cannot be written.
    """
    write_json(_beside(folder), [*(earlier for earlier in later_names(folder) if earlier != name), name])


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{NAMES}")
