"""Releases: which published data a folder holds, told by the rows of its tables; a made-up hospital says so itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chartune.sources.source import About

CREDENTIALED: Final = "PhysioNet Credentialed Health Data License 1.5.0"
MADE_UP: Final = Path("made-up") / "manifest.json"
"""Stands in the folder of a made-up hospital, so that nobody takes its patients for real ones."""


@dataclass(frozen=True)
class Release:
    """A published version of a dataset."""

    title: str
    """What it is called, such as `MIMIC-III 1.4`."""
    licence: str
    """Under which terms its text may be used."""
    rows: Mapping[str, int]
    """Table → its rows."""


@dataclass(frozen=True)
class Layout:
    """A way to lay out a hospital's tables, and what has been published in it."""

    kind: str
    """Its reader."""
    name: str
    """Such as `MIMIC-III 1.4`, for a hospital that has published nothing."""
    version: str
    """Such as `1.4 layout`."""
    releases: tuple[Release, ...]
    """The known ones."""

    def release(self, rows: Mapping[str, int | None]) -> Release | None:
        """The release whose tables have these rows; None: no known one."""
        fits = (one for one in self.releases if all(one.rows.get(table) == count for table, count in rows.items()))
        return next(fits, None) if rows else None

    def about(self, folder: Path, rows: Mapping[str, int | None], title: str, licence: str) -> About:
        """What this folder holds; title and licence as its owner says, where they are not empty."""
        told = made_up(folder)
        if told is not None:
            called, terms = str(told.get("title", "Made-up hospital")), str(told.get("licence", "CC0 1.0"))
            return About(self.kind, "made-up", title or called, licence or terms)
        found = self.release(rows)
        called, terms = (found.title, found.licence) if found else (f"a hospital in the {self.name} layout", "unknown")
        return About(self.kind, found.title if found else self.version, title or called, licence or terms)


def made_up(folder: Path) -> dict[str, Any] | None:
    """What a made-up hospital says of itself; None: the folder is none."""
    try:
        told = json.loads((folder / MADE_UP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
