"""Shares: so many of so many, fit to be shown. A count from 1 to 9 of real patients is shown as "<10"."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, Protocol, Self, TypeVar, cast, runtime_checkable

from chartune.tasks.flow import SMALL

Count = int | Literal["<10"]
T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Some of all."""

    count: Count
    of: Count
    share: float | None
    """From 0 to 1; None: of nobody, or hidden with its count."""

    def hidden(self) -> Self:
        """As it is shown of real patients."""
        count, of = hidden_count(self.count), hidden_count(self.of)
        return replace(self, count=count, of=of, share=None if "<10" in (count, of) else self.share)

    @property
    def some(self) -> bool:
        """Whether there is anybody at all."""
        return self.count != 0

    def __str__(self) -> str:
        told = f"{shown(self.count)} of {shown(self.of)}"
        return told if self.share is None else f"{told} ({100 * self.share:.1f} %)"


@runtime_checkable
class Hides(Protocol):
    """Whatever knows how it is shown of real patients."""

    def hidden(self) -> Any:
        """The same, with small counts hidden."""


def share(count: int, of: int) -> Share:
    """`count` of `of`, both as they are."""
    return Share(count, of, count / of if of else None)


def hidden_count(count: Count) -> Count:
    """1 to 9 → `<10`."""
    return "<10" if isinstance(count, int) and 0 < count < SMALL else count


def shown(count: Count) -> str:
    """`1234` → `1,234`."""
    return count if isinstance(count, str) else f"{count:,}"


def enough(count: Count) -> bool:
    """Whether a count is large enough to say something."""
    return isinstance(count, int) and count >= SMALL


def hidden(tree: T) -> T:
    """A tree of frozen dataclasses and tuples with every small count in it hidden."""
    told: Any = tree
    if isinstance(tree, Hides):
        told = tree.hidden()
    elif isinstance(tree, tuple):
        told = tuple(hidden(one) for one in tree)
    elif is_dataclass(tree) and not isinstance(tree, type):
        told = replace(tree, **{field.name: hidden(getattr(tree, field.name)) for field in fields(tree)})
    return cast("T", told)
