"""Shares: so many of so many, fit to be shown: of real patients the classes of the counts (`chartune.disclosure`)."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, Protocol, Self, TypeVar, cast, runtime_checkable

from chartune.disclosure import SMALL, lowest
from chartune.disclosure import share as as_shown

Count = int | Literal["<10"]
T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Some of all."""

    count: Count
    of: Count
    share: float | None
    """From 0 to 1; None: of nobody, or hidden with its count."""
    rounded: bool = False
    """Whether the counts are the lowest of their classes."""

    def hidden(self) -> Self:
        """As it is shown of real patients."""
        if self.rounded or isinstance(self.count, str) or isinstance(self.of, str):
            return self
        rate = as_shown(self.count, self.of, exact=False)
        return replace(self, count=hidden_count(self.count), of=hidden_count(self.of), share=rate, rounded=True)

    @property
    def some(self) -> bool:
        """Whether there is anybody at all."""
        return self.count != 0

    def __str__(self) -> str:
        counts = f"{shown(self.count, self.rounded)} of {shown(self.of, self.rounded)}"
        return counts if self.share is None else f"{counts} ({100 * self.share:.1f} %)"


@runtime_checkable
class Hides(Protocol):
    """Whatever knows how it is shown of real patients."""

    def hidden(self) -> Any:
        """The same, with small counts hidden."""


def share(count: int, of: int) -> Share:
    """`count` of `of`, both as they are."""
    return Share(count, of, count / of if of else None)


def hidden_count(count: Count) -> Count:
    """1 to 9 → `<10`; else the lowest count of its class."""
    return "<10" if isinstance(count, int) and 0 < count < SMALL else count if isinstance(count, str) else lowest(count)


def shown(count: Count, rounded: bool) -> str:
    """`1234` → `1,234`; the lowest count of a class: `1230` → `1,230+`."""
    return count if isinstance(count, str) else f"{count:,}{'+' if rounded and count else ''}"


def enough(count: Count) -> bool:
    """Whether a count is large enough to say something."""
    return isinstance(count, int) and count >= SMALL


def hidden(tree: T) -> T:
    """A tree of frozen dataclasses and tuples with every small count in it hidden."""
    suppressed: Any = tree
    if isinstance(tree, Hides):
        suppressed = tree.hidden()
    elif isinstance(tree, tuple):
        suppressed = tuple(hidden(item) for item in tree)
    elif is_dataclass(tree) and not isinstance(tree, type):
        suppressed = replace(tree, **{field.name: hidden(getattr(tree, field.name)) for field in fields(tree)})
    return cast("T", suppressed)
