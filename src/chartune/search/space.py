"""Space: the settings that a search may choose, by dotted path; some depend on others.

    method.tokens:  [1, 5, 10, 15, 20]                                       numbers that rise: their order is used
    method.network: [mlp, lstm]                                              words: a choice without order
    method.layers:  {values: [1, 2, 4], when: {method.network: lstm}}        idle unless an earlier choice is met
    method.alpha:   {values: [0.5, 1, 2], times: method.rank}                a multiple of another setting
    optimisation.learning_rate: {low: 1.0e-5, high: 1.0e-2, log: true}       a range

A point has a value for every path, idle ones included, because a Gaussian process needs all of them. Its settings leave
out what is idle, so that points that mean the same are the same.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Final, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from chartune.config import Config
from chartune.errors import ConfigError

Point: TypeAlias = Mapping[str, Any]
"""Path → value, of every path of a space."""
Settings: TypeAlias = Mapping[str, Any]
"""Path → value, of the paths that are not idle."""
MOST: Final = 100_000
"""Points beyond which a space is not enumerated: no search comes to its end."""


_POWER: Final = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d{1,2}")


class Values(Config):
    """A setting that takes one of some values."""

    values: tuple[Any, ...] = Field(min_length=1)
    """Numbers that rise are an order, in equal steps for the sampler; all else are choices without one."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Path of an earlier setting → the value, or values, with which this one has an effect; nothing: always."""
    times: str | None = None
    """Path of an earlier setting by which the value is multiplied."""

    @field_validator("values", mode="before")
    @classmethod
    def _as_numbers(cls, values: Any) -> Any:
        """Also those that YAML 1.1 takes for words, as `1e-3` without a point: rates that are words have no order."""
        return [float(value) if isinstance(value, str) and _POWER.fullmatch(value) else value for value in values]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(map(_text, self.values))) < len(self.values):
            raise ValueError(f"each value must be named once, but {list(self.values)} repeats one")
        if self.times and not all(map(_is_number, self.values)):
            raise ValueError(f"multiples of `{self.times}` must be numbers, got {list(self.values)}")
        return self

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers that rise."""
        numbers = all(map(_is_number, self.values))
        return numbers and all(low < high for low, high in zip(self.values, self.values[1:], strict=False))

    @property
    def labels(self) -> tuple[str, ...]:
        """The values as texts, no two alike."""
        return tuple(map(_text, self.values))

    @property
    def listed(self) -> Sequence[Any]:
        """All values."""
        return self.values

    def at(self, share: float) -> Any:
        """The value at a share of the whole, from 0 to below 1."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


class Range(Config):
    """A setting that takes any number between two."""

    low: float
    """The lowest value."""
    high: float
    """The highest one."""
    log: bool = False
    """Whether its logarithm is what matters, as of a learning rate."""
    integer: bool = False
    """Whether it takes whole numbers only."""
    when: dict[str, Any] = Field(default_factory=dict)
    """As of `Values`."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"`low` must be below `high`, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range on a logarithmic scale must lie above 0, got `low` {self.low:g}")
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"a range of whole numbers must end at whole numbers, got {self.low:g} and {self.high:g}")
        return self

    @property
    def listed(self) -> Sequence[int] | None:
        """All values; None: there are endlessly many."""
        return range(int(self.low), int(self.high) + 1) if self.integer else None

    def at(self, share: float) -> float:
        """The value at a share of the whole, from 0 to below 1."""
        if self.log:
            low, high = (math.log(end) for end in (self.low, self.high))
            return self._whole(min(max(math.exp(low + share * (high - low)), self.low), self.high))
        return self._whole(self.low + share * (self.high - self.low))

    def _whole(self, value: float) -> float:
        return round(value) if self.integer else value


Dimension: TypeAlias = Values | Range


@dataclass(frozen=True)
class Space:
    """What a search may choose."""

    dimensions: Mapping[str, Dimension]
    """By path, in the order written."""

    @classmethod
    def parse(cls, data: Any) -> Self:
        """The space that plain data describe.

        Args:
            data: path → list of values, or the fields of `Values` or `Range`.

        Raises:
            ValueError: they describe none; the message names the path.
        """
        if not isinstance(data, Mapping) or not data:
            raise ValueError("a space must map paths to values, such as `method.rank: [2, 4, 8]`")
        dimensions: dict[str, Dimension] = {}
        for path, entry in data.items():
            if not isinstance(path, str) or not path:
                raise ValueError(f"a space must map paths to values, but {path!r} is no path")
            dimension = _dimension(path, entry)
            for other in (*dimension.when, *filter(None, [getattr(dimension, "times", None)])):
                if other not in dimensions:
                    raise ValueError(f"`{path}` depends on `{other}`, which must stand before it in the space")
            dimensions[path] = dimension
        return cls(dimensions)

    def settings(self, point: Point) -> dict[str, Any]:
        """What a point means: idle settings left out, multiples worked out. Points that mean the same give the same."""
        made: dict[str, Any] = {}
        active: set[str] = set()
        for path, dimension in self.dimensions.items():
            if all(other in active and _meets(point[other], wanted) for other, wanted in dimension.when.items()):
                active.add(path)
                factor = getattr(dimension, "times", None)
                made[path] = point[path] if factor is None else _product(point[path], made.get(factor, 1))
        return made

    def at(self, shares: Iterator[float]) -> dict[str, Any]:
        """The point at one share of the whole for each path, in the order of the space."""
        return {path: dimension.at(next(shares)) for path, dimension in self.dimensions.items()}

    @property
    def first(self) -> dict[str, Any]:
        """The point of the first values, or the lowest ones."""
        return {
            path: one.values[0] if isinstance(one, Values) else one.at(0.0) for path, one in self.dimensions.items()
        }

    def corners(self) -> Iterator[dict[str, Any]]:
        """Points in which every value, and both ends of every range, stand once with each choice before them first."""
        yield self.first
        for path, one in self.dimensions.items():
            ends = one.values if isinstance(one, Values) else (one.at(0.0), one.at(1.0))
            for value in ends[1:]:
                yield self._active(path, {**self.first, path: value})

    def _active(self, path: str, point: dict[str, Any]) -> dict[str, Any]:
        """The point with the conditions of a path met."""
        for other, wanted in self.dimensions[path].when.items():
            point = self._active(other, {**point, other: wanted[0] if isinstance(wanted, list | tuple) else wanted})
        return point

    @cached_property
    def points(self) -> tuple[dict[str, Any], ...] | None:
        """One point for each different meaning, in order; None: there are endlessly many, or too many to count."""
        listed = [values for one in self.dimensions.values() if (values := one.listed) is not None]
        if len(listed) < len(self.dimensions) or math.prod(map(len, listed)) > MOST:
            return None
        distinct: dict[str, dict[str, Any]] = {}
        for values in product(*listed):
            point = dict(zip(self.dimensions, values, strict=True))
            distinct.setdefault(key_of(self.settings(point)), point)
        return tuple(distinct.values())

    @property
    def size(self) -> int | None:
        """How many different settings there are; None: not counted."""
        return None if self.points is None else len(self.points)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, in full."""
        return {path: one.model_dump(mode="json") for path, one in self.dimensions.items()}


def key_of(settings: Settings) -> str:
    """One text for equal settings."""
    return json.dumps(settings, sort_keys=True, default=str)


def _dimension(path: str, entry: Any) -> Dimension:
    if not isinstance(entry, list | tuple | Mapping):
        raise ValueError(f"`{path}` must be a list of values or a range, such as `{{low: 1, high: 9}}`, got {entry!r}")
    fields = dict(entry) if isinstance(entry, Mapping) else {"values": list(entry)}
    kind = Range if {"low", "high"} & fields.keys() else Values
    try:
        return kind.parse(fields)
    except ConfigError as error:
        raise ValueError(f"`{path}` of a space: {error}") from None


def _meets(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list | tuple) else bool(value == wanted)


def _product(value: Any, factor: Any) -> Any:
    """Whole where it is whole: a rank is."""
    made = value * factor
    return int(made) if isinstance(made, float) and made.is_integer() else made


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
