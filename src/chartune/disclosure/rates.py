"""Rates of people: k of n reveals both where n is small, so a rate says no more than the classes of k and n."""

from math import floor, log10
from typing import Final

from chartune.disclosure.counts import SMALL, lowest

TOO_FEW: Final = "too few to show"
"""Stands in place of what rests on fewer than ten."""
MIDDLE: Final = (SMALL - 1) / 2
"""From the lowest number of a class to its middle."""


def share(part: int, whole: int, exact: bool) -> float | None:
    """`part / whole`; of real patients that of the middles of their classes, None where either is small.

    Args:
        part: of the whole.
        whole: may be 0: None.
        exact: as for `shown`.
    """
    if not whole or exact:
        return part / whole if whole else None
    if whole < SMALL or 0 < part < SMALL:
        return None
    return (lowest(part) + MIDDLE) / (lowest(whole) + MIDDLE) if part else 0.0


def percent(rate: float, exact: bool, whole: int | None = None) -> str:
    """A share of test texts, in percent; of real patients in tens, so that no denominator is revealed.

    Where fewer than ten bear it, or do not, it is shown of a hundred and more only, of whom "<10 %" may be any number
    up to nine: of 12 it would be one.

    Args:
        rate: of them.
        exact: as for `shown`.
        whole: how many they are; None: unknown.
    """
    if exact or rate in (0, 1):
        return f"{100 * rate:.3g}\N{NO-BREAK SPACE}%"
    part = round(rate * (whole or 0))
    if not whole or (min(part, whole - part) < SMALL and lowest(whole) < SMALL**2):
        return TOO_FEW
    if not 0.1 <= rate <= 0.9:
        return f"{'<10' if rate < 0.1 else '>90'}\N{NO-BREAK SPACE}%"
    return f"≈\N{NO-BREAK SPACE}{10 * round(10 * rate)}\N{NO-BREAK SPACE}%"


def magnitude(amount: float | None, exact: bool, texts: int | None = None) -> float | None:
    """What is in proportion to a number of texts, such as tokens or steps; of real patients its first digit.

    In full it reveals their number to whoever knows the batch size, or that all texts are cut off at one length; of
    fewer than ten texts the first digit does, too, and nothing is shown.

    Args:
        amount: not below 0; None: not measured.
        exact: as for `shown`.
        texts: how many they are; None: unknown.
    """
    if exact or not amount:
        return amount
    if texts is not None and texts < SMALL:
        return None
    return round(amount, -floor(log10(amount)))


def quartiles(
    values: tuple[float, float, float], rows: int, exact: bool
) -> tuple[float | None, float | None, float | None]:
    """Lower quartile, median, upper quartile; of real patients whole numbers, each with ten rows on either side.

    Args:
        values: of so many rows.
        rows: or their patients, whichever are fewer.
        exact: as for `shown`.
    """
    if exact:
        return values
    low, middle, high = (round(value) for value in values)
    enough, plenty = lowest(rows) >= 2 * SMALL, lowest(rows) >= 4 * SMALL
    return (low if plenty else None, middle if enough else None, high if plenty else None)


def digits(denominator: int, most: int = 3) -> int:
    """Digits after the point in which a share of so many may be shown.

    With these a share of any count of the denominator's class is possible, so that the digits exclude none. Of an AUROC
    the denominator is the product of those with and without the outcome.
    """
    return max(0, min(most, len(str(denominator)) - 1)) if denominator > 0 else 0
