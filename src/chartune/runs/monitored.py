"""Monitored: what was seen of a run in use, a file beside its folder, which stays as it is.

runs/<fingerprint>.monitoring.json ─▶ windows of scored rows, each measure beside the run's own test split
"""

import json
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from chartune.errors import StoreError
from chartune.record import Record
from chartune.writing import write_json

MONITORING: Final = ".monitoring.json"
"""Ends the file beside a run's folder that holds what `chartune monitor` has seen last."""
LENGTH: Final = "length of a text"
TRUNCATED: Final = "texts that were cut"
UNKNOWN: Final = "words that no training text has"
SCORE: Final = "score"
"""What it is depends on the answer: `Monitored.score` says it."""
SHARES: Final = (TRUNCATED, UNKNOWN)
"""Measures that are a share."""


class Rule(Record):
    """When a window raises an alarm: a difference that is neither chance nor too small to matter."""

    window: int = 500
    """Rows of a window; windows follow one another without overlap, and what is left over is not judged."""
    level: float = 0.01
    """Chance that a window without any change raises an alarm, over all measures of its kind (Bonferroni)."""
    psi: float = 0.1
    """Smallest population stability index of inputs and scores."""
    ratio: float = 1.25
    """Smallest change of observed to expected, as a factor in either direction."""
    auroc: float = 0.05
    """Smallest fall of the AUROC."""


class Drifted(Record):
    """A measure of inputs or scores in a window."""

    measure: str
    own: float
    """Mean on the run's own rows; of lengths the median."""
    here: float
    psi: float
    p: float
    alarm: bool


class Returned(Record):
    """Outcomes of one label in a window, once they are known."""

    label: str
    rows: int
    cases: int
    few: bool
    """Whether there are too few cases, or rows without the outcome, to judge; then nothing below is measured."""
    ratio: float | None = None
    """Observed to expected."""
    own_ratio: float | None = None
    p_ratio: float | None = None
    ratio_alarm: bool = False
    auroc: float | None = None
    own_auroc: float | None = None
    p_auroc: float | None = None
    auroc_alarm: bool = False
    slope: float | None = None
    """Of the calibration; None: not determined."""
    own_slope: float | None = None


class Window(Record):
    """So many rows, in the order in which they were scored."""

    first: int
    """Number of its first row, counted from 1."""
    last: int
    drift: tuple[Drifted, ...]
    outcomes: tuple[Returned, ...] = ()

    @property
    def alarms(self) -> tuple[str, ...]:
        """What raises an alarm, in the order of the tables."""
        named = [one.measure for one in self.drift if one.alarm]
        named += [f"observed to expected of {one.label}" for one in self.outcomes if one.ratio_alarm]
        return (*named, *(f"AUROC of {one.label}" for one in self.outcomes if one.auroc_alarm))


class Monitored(Record):
    """What was seen of a run in use."""

    rule: Rule
    split: str
    """Whose rows are the baseline: test, or validation where that alone was scored."""
    own_rows: int
    rows: int
    """That were scored, those without a text left out."""
    returned: int = 0
    """Of these, how many have an outcome."""
    unmatched: int = 0
    """Outcomes whose row was not scored."""
    counts: str = "tokens"
    """What lengths count."""
    score: str = "score"
    """What the score is, such as `probability of died`."""
    missing: tuple[str, ...] = ()
    """What could not be measured, and why."""
    windows: tuple[Window, ...] = ()


def write_monitored(folder: Path, seen: Monitored) -> None:
    """Keep what was seen last of the run of this folder. Raises OSError: it cannot be written."""
    write_json(_beside(folder), seen.model_dump(mode="json"))  # with what was not given: defaults can change


def read_monitored(folder: Path) -> Monitored | None:
    """What was seen last of the run of this folder; None: nothing. Raises StoreError: its file is damaged."""
    path = _beside(folder)
    if not path.is_file():
        return None
    try:
        return Monitored.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError, OSError, ValidationError):
        raise StoreError(
            f"what was seen of a run in use must be as `chartune monitor` writes it, but {path} is not; remove it and "
            f"monitor again."
        ) from None


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{MONITORING}")
