"""Trial: one point of a search, what it means, and how it scored."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from chartune.search.space import Point, Settings

State = Literal["running", "complete", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What evaluating settings has given."""

    score: float | None
    """On the validation split; None, or not a number: it has failed."""
    run: str = ""
    """Fingerprint of the run."""
    tokens: int | None = None
    """Training tokens, padding excluded."""
    seconds: float | None = None
    """Wall time of the run."""
    why: str = ""
    """Of a failure."""

    @property
    def failed(self) -> bool:
        """Whether there is no score."""
        return self.score is None or not math.isfinite(self.score)


@dataclass(frozen=True)
class Trial:
    """A trial, as the journal has it."""

    number: int
    """In the order in which they were begun, repeated ones included."""
    point: Point
    """Every path of the space, idle ones included."""
    settings: Settings
    """What the point means."""
    state: State = "running"
    outcome: Outcome = field(default_factory=lambda: Outcome(None))
    same_as: int | None = None
    """The number of the earlier trial of the same settings, whose outcome it repeats; None: there was none."""

    @property
    def counts(self) -> bool:
        """Whether it is a trial of the budget: not where it repeats another one."""
        return self.same_as is None

    @property
    def score(self) -> float | None:
        """On the validation split; None: it has failed, or is not done."""
        return self.outcome.score if self.state == "complete" else None

    @property
    def tokens(self) -> int | None:
        """Training tokens that it has taken."""
        return self.outcome.tokens

    @property
    def seconds(self) -> float | None:
        """Wall time that it has taken."""
        return self.outcome.seconds

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Trial":
        """The inverse of `to_json`; what a later version has written besides is left out.

        Raises:
            ValueError: the data describe no trial.
        """
        return _reader().validate_python(data)


@cache
def _reader() -> TypeAdapter[Trial]:
    return TypeAdapter(Trial)


def ranked(trials: Sequence[Trial], *, lower_is_better: bool) -> list[Trial]:
    """The trials with a score, repeated ones left out, best first; of equal ones the earlier."""
    scored = [(trial.score, trial) for trial in trials if trial.counts and trial.score is not None]
    return [
        trial for _, trial in sorted(scored, key=lambda pair: pair[0] if lower_is_better else -pair[0])
    ]  # sorting is stable
