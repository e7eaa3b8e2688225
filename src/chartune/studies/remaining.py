"""Remaining: how much time the cells of a study that are not done would still take, one after the other.

cell not done ─▶ cells alike that are done? ─measured─▶ their mean time        cells alike differ in their seed alone
                 └ none ─planned─▶ as its plan says, or not known              a running one ─▶ less what it has taken
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import time as now
from typing import Any

from chartune.artefact import PARTIAL
from chartune.errors import ChartuneError
from chartune.planning.plan import Plan
from chartune.quantities import human_seconds
from chartune.runs.run import SHELF
from chartune.studies.cell import SEED, Cell
from chartune.studies.forecast import forecast
from chartune.studies.standing import Standing, Survey


@dataclass(frozen=True)
class Remaining:
    """What the cells that are neither done nor failed would take."""

    seconds: float
    """Of those whose time is known."""
    measured: int
    """Cells whose time is that of cells alike."""
    planned: int
    """Cells whose time is planned."""
    unknown: int
    """Cells whose time is not known."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"seconds_left": self.seconds, "measured": self.measured, "planned": self.planned,
                "unknown": self.unknown}  # fmt: skip

    def as_text(self) -> str:
        """In a line; empty: nothing remains."""
        if not self.measured + self.planned + self.unknown:
            return ""
        counts = {"measured on cells alike": self.measured, "planned": self.planned, "not known": self.unknown}
        basis = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        known = f"about {human_seconds(self.seconds)}" if self.measured + self.planned else "time not known"
        return f"left for one worker: {known} ({basis})"


def remaining(asked: Survey) -> Remaining:
    """How much is left of a study. Makes nothing; failed cells are not counted, which are tried on request only.

    Args:
        asked: the standing of every cell.
    """
    measured = _measured(asked)
    plans: dict[str, Plan | ChartuneError] = {}
    left, counts = 0.0, {"measured": 0, "planned": 0, "unknown": 0}
    for number, standing in asked.standings.items():
        if standing.state in ("done", "failed"):
            continue
        seconds, basis = measured.get(_alike(standing.cell)), "measured"
        if seconds is None:
            seconds, basis = forecast(asked, number, plans).seconds, "planned"
        counts["unknown" if seconds is None else basis] += 1
        left += max(0.0, (seconds or 0.0) - _taken(asked, standing))
    return Remaining(left, **counts)


def _measured(asked: Survey) -> Mapping[str, float]:
    """Cells alike → the mean time of those that are done."""
    taken: dict[str, list[float]] = {}
    for standing in asked.standings.values():
        cost = standing.run.cost.to_json() if standing.run else standing.entry.cost if standing.entry else {}
        if standing.state == "done" and cost.get("seconds") is not None:
            taken.setdefault(_alike(standing.cell), []).append(float(cost["seconds"]))
    return {alike: fmean(seconds) for alike, seconds in taken.items()}


def _alike(cell: Cell) -> str:
    """One text for cells of a stage that differ in their seed alone; a search is that of one cell."""
    axes = {path: value for path, value in cell.axes.items() if path != SEED or cell.space is not None}
    return f"{cell.stage} {sorted((path, str(value)) for path, value in axes.items())}"


def _taken(asked: Survey, standing: Standing) -> float:
    """Seconds since a running cell was begun."""
    if standing.state != "running" or standing.identity is None:
        return 0.0
    folder: Path = asked.store.root / SHELF / f"{standing.identity.fingerprint}{PARTIAL}"
    try:
        return max(0.0, now() - (folder / "stage.yaml").stat().st_mtime)
    except OSError:
        return 0.0
