"""Numbers that travel with their unit: how long to train, how sure an estimate is, what a run has cost."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A share of a whole, from 0 to 1: never a count of steps."""


class Duration(BaseModel):
    """How long to train, in epochs or in optimizer steps."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    value: float = Field(gt=0, le=1e9)
    """How many; a count of steps is rounded up."""
    unit: Literal["epochs", "steps"] = "epochs"
    """`epochs`: passes over the training examples; `steps`: optimizer steps."""

    @classmethod
    def epochs(cls, value: float) -> Self:
        """So many passes over the training examples."""
        return cls(value=value, unit="epochs")

    @classmethod
    def steps(cls, value: int) -> Self:
        """So many optimizer steps."""
        return cls(value=value, unit="steps")

    def total_steps(self, steps_per_epoch: int) -> int:
        """The optimizer steps that this duration takes: at least one."""
        steps = self.value * (steps_per_epoch if self.unit == "epochs" else 1)
        return max(1, int(-(-steps // 1)))

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


@dataclass(frozen=True)
class Estimate:
    """A measured value with its interval: never a bare float in a table."""

    value: float
    """The point estimate."""
    low: float | None = None
    """Lower end of the interval; None: not measured."""
    high: float | None = None
    """Upper end of the interval; None: not measured."""
    n: int | None = None
    """How many rows the value rests on."""
    level: float = 0.95
    """The interval's nominal coverage."""

    def __str__(self) -> str:
        return self.with_interval(3)

    def with_interval(self, digits: int) -> str:
        """The value, and the ends of its interval if it has some, with so many digits after the point."""
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def rounded(self, digits: int) -> Self:
        """The same with so many digits after the point."""
        low, high = (None if end is None else round(end, digits) for end in (self.low, self.high))
        return replace(self, value=round(self.value, digits), low=low, high=high)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


@dataclass(frozen=True)
class Cost:
    """What a run has cost, and on what. None means "not measured", never zero."""

    seconds: float | None = None
    """Wall time of the whole stage, interrupted attempts included."""
    train_seconds: float | None = None
    """Wall time inside the training loop, evaluation excluded."""
    peak_bytes: int | None = None
    """Largest resident memory of the process (CPU) or allocated memory of the device (GPU)."""
    trainable_parameters: int | None = None
    """Parameters that received gradients, the head included."""
    total_parameters: int | None = None
    """All parameters in the forward pass."""
    tokens: int | None = None
    """Tokens seen in training, padding excluded."""
    artefact_bytes: int | None = None
    """Bytes of the weights that the run leaves behind."""
    device: str = "unknown"
    """The device that it was measured on."""
    details: dict[str, float] = field(default_factory=dict)
    """Further measured seconds by name, such as `evaluate`."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def human_bytes(count: float | None) -> str:
    """`1536` → `1.5 KiB`; None → `not measured`."""
    if count is None:
        return "not measured"
    for unit in _UNITS[:-1]:
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def same_unit(counts: Iterable[float | None]) -> Callable[[float | None], str]:
    """How to write bytes that stand below one another: all in one unit, that of ten times the least.

    Args:
        counts: of a column; None: not measured.
    """
    known = [count for count in counts if count]
    power = next((n for n in range(len(_UNITS) - 1, 0, -1) if 10 * min(known, default=0) >= 1024**n), 0)

    def written(count: float | None) -> str:
        if count is None:
            return "not measured"
        size = count / 1024**power
        return f"{size:,.{2 if power and size < 100 else 0}f} {_UNITS[power]}"

    return written


def human_seconds(seconds: float | None) -> str:
    """`75` → `1 min 15 s`; None → `not measured`."""
    if seconds is None:
        return "not measured"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
