"""What was measured, as lines of one table."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure beside its target."""

    part: str
    what: str
    value: str
    target: str
    """Empty: nothing was asked."""
    holds: bool
    further: str


def at_most(value: float, most: float, form: str) -> tuple[str, bool]:
    """A target that must not be exceeded, and whether it holds."""
    return f"≤ {form.format(most)}", value <= most


def at_least(value: float, least: float, form: str) -> tuple[str, bool]:
    """A target that must be reached, and whether it is."""
    return f"≥ {form.format(least)}", value >= least


def show(rows: Sequence[Row]) -> None:
    """Print them."""
    print(f"\n{'':3}{'what':<68}{'measured':>14}  {'asked':<12}{'':9}further")
    for row in rows:
        holds = "" if not row.target else "holds" if row.holds else "MISSED"
        print(f"{row.part:3}{row.what:<68}{row.value:>14}  {row.target:<12}{holds:9}{row.further}")
