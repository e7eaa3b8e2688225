"""Releases: which published data a folder holds, known by the rows of its tables; a made-up one declares itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chartune.sources.facts import is_listed
from chartune.sources.marker import marker
from chartune.sources.source import About

CREDENTIALED: Final = "PhysioNet Credentialed Health Data License 1.5.0"
TELLING: Final = 10_000
"""Rows from which on a table tells a release by itself: of a hundred patients any hospital can have an export."""
NEAR: Final = 0.01
"""How far a table may be from the released one, where another is as near."""


@dataclass(frozen=True)
class Release:
    """A published version of a dataset."""

    title: str
    """What it is called, such as `MIMIC-III 1.4`."""
    licence: str
    """Under which terms its text may be used."""
    rows: Mapping[str, int]
    """Table → its rows."""
    also: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Table → the rows that other pages of its publisher give."""

    def accepted(self) -> dict[str, tuple[int, ...]]:
        """Table → the counts that are no reason for a warning."""
        return {table: (count, *self.also.get(table, ())) for table, count in self.rows.items()}

    def fits(self, rows: Mapping[str, int]) -> bool:
        """Whether these tables are its own: one to the row, or two nearly; a small release: all to the row."""
        known = {table: self.rows[table] for table in rows if table in self.rows}
        large = {table: count for table, count in known.items() if count >= TELLING}
        near = [table for table, count in large.items() if abs(rows[table] - count) <= NEAR * count]
        exact = [table for table, count in known.items() if rows[table] == count]
        return len(near) > 1 or any(table in large for table in exact) or len(exact) == len(known) > 1

    def distance(self, rows: Mapping[str, int]) -> float:
        """How far these tables are from its own: the sum of their differences, each as a share."""
        return sum(abs(rows[table] - count) / max(count, 1) for table, count in self.rows.items() if table in rows)


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
    """The known ones, that with the strictest terms first."""
    patient_tables: tuple[str, ...]
    """Tables whose numbers of rows identify the release. Dictionaries of codes stand in any hospital."""

    def release(self, folder: Path, files: Iterable[Path], rows: Mapping[str, int | None]) -> Release | None:
        """The release that is nearest to tables with these rows; None: a made-up hospital, or nothing known is near.

        Args:
            folder: the source.
            files: all of it that is read.
            rows: table → its rows; null: not counted.
        """
        known = {table: count for table, count in rows.items() if count is not None and table in self.patient_tables}
        fitting = (
            []
            if marker(folder, files) is not None
            else [candidate for candidate in self.releases if candidate.fits(known)]
        )
        return min(fitting, key=lambda candidate: candidate.distance(known), default=None)

    def about(self, folder: Path, files: Iterable[Path], release: Release | None, title: str, licence: str) -> About:
        """What this folder holds; title and licence as its owner says, where they are not empty.

        Args:
            folder: the source.
            files: all of it that is read. Where `SHA256SUMS.txt` lists the first, it is a download of something
                published in this layout, and its terms are taken for the strictest.
            release: the one that it is.
            title: its owner's.
            licence: likewise.
        """
        read = list(files)
        manifest = marker(folder, read)
        if manifest is not None:
            called, terms = str(manifest.get("title", "Made-up hospital")), str(manifest.get("licence", "CC0 1.0"))
            return About(self.kind, "made-up", title or called, licence or terms)
        if release is not None:
            return About(self.kind, release.title, title or release.title, licence or release.licence)
        terms = self.releases[0].licence if is_listed(read[0]) else "unknown"
        return About(self.kind, self.version, title or f"a hospital in the {self.name} layout", licence or terms)
