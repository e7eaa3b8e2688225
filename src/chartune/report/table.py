"""What a table is made of: each value with what qualifies it, "not measured" where nothing was."""

from collections.abc import Sized
from dataclasses import dataclass, replace
from typing import Final

NOT_MEASURED: Final = "not measured"


@dataclass(frozen=True)
class Cell:
    """One value, and smaller beneath it what qualifies it."""

    text: str
    detail: str = ""
    """Lines are separated by line breaks."""
    strong: bool = False
    """Whether it stands out from its row, and the intervals allow that."""
    link: str = ""
    """Id of the place on the page that says where its row comes from; empty: none."""


@dataclass(frozen=True)
class Column:
    """A heading, and what it means."""

    title: str
    meaning: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the first column names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """What a reader needs beneath the caption."""
    cards: bool = True
    """Whether a phone shows each row as a card; else the table scrolls sideways inside its own box."""


def told_apart(table: Table | None, name: str, every: Sized) -> Table | None:
    """The table with the first letters of a name behind its caption, where there are several like it.

    Args:
        table: None: None.
        name: of the data that it is of.
        every: all data that have one.
    """
    if table is None or len(every) < 2:
        return table
    return replace(table, caption=f"{table.caption} ({name[:8]})")


def estimated(value: float, low: float | None, high: float | None, digits: int = 3, *, signed: bool = False) -> Cell:
    """A value with its interval beneath; without ends, it is said that there is no interval."""
    sign = "+" if signed else ""
    if low is None or high is None:
        return Cell(minus(f"{value:{sign}.{digits}f}"), "no interval")
    return Cell(minus(f"{value:{sign}.{digits}f}"), span(low, high, digits, signed=signed))


def span(low: float, high: float, digits: int = 3, *, signed: bool = False) -> str:
    """`0.700 to 0.900`."""
    sign = "+" if signed else ""
    return minus(f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}")


def count(number: float | None) -> str:
    """`8388608` → `8,388,608`; None → `not measured`."""
    return NOT_MEASURED if number is None else f"{number:,.0f}"


def percent(share: float, digits: int) -> str:
    """`0.1275` → `12.8 %` with so many significant digits; the unit never breaks from its number."""
    return f"{100 * share:.{digits}g}\N{NO-BREAK SPACE}%"


def minus(text: str) -> str:
    """With a typographic minus, which does not break from its digits."""
    return text.replace("-", "−")


def listed(names: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`; empty: nothing."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def clipped(name: str) -> str:
    """A name that fits into a figure: its first 44 characters."""
    return name if len(name) <= 44 else f"{name[:43]}…"
