"""Counts: each is shown by its class of ten, so that no difference of two of them reveals a small one."""

from typing import Final, Protocol

SMALL: Final = 10
"""Fewer people than these could be known again; also how wide a class is."""
WIDE: Final = 2 * SMALL
"""How wide a class is of a cell that is a part of two wholes, or one of many parts."""
MOST_PARTS: Final = 8
"""Parts of a printed whole that classes of ten protect (see the package's docstring)."""
EXPLAINED: Final = (
    f"Counts of real patients, and of what they have, are shown by their class of ten: <{SMALL} is 1 to {SMALL - 1}, "
    f"30+ is 30 to 39. Who was left out by a filter is the difference of such numbers. Scores and curves that rest on "
    f"fewer than ten patients are not shown, others in fewer digits where these would tell a count. Perplexities of "
    f"unlabelled text have three digits after the point, whoever wrote it, and of fewer than ten patients no interval."
)


class Sourced(Protocol):
    """Whatever names a source."""

    @property
    def kind(self) -> str:
        """Its reader."""

    @property
    def version(self) -> str:
        """Its release."""


def is_made_up(source: Sourced) -> bool:
    """Whether the patients are fictional: by kind, or by version where their layout is that of a real source."""
    return "made-up" in (name.replace("_", "-") for name in (source.kind, source.version))


def lowest(count: int, width: int = SMALL) -> int:
    """The lowest number of its class: `37` → 30."""
    return count - count % width


def typical(count: int, exact: bool) -> int:
    """One number for all of a class, `37` → 35, 1 to 9 → 5, 0 → 0: results from it reveal no more."""
    return count if exact or count == 0 else lowest(count) + SMALL // 2


def amount(total: float, of: int, exact: bool) -> float:
    """A sum over so many texts, such as their words; of real patients the whole mean times the middle of their class.

    Divided by the length of a text, which whoever has seen one may know, the sum itself would reveal their number.
    """
    return total if exact or not of else typical(of, exact) * round(total / of)


def amount_shown(total: int, of: int, exact: bool) -> str:
    """An `amount` as it is printed: `1,140` words of 38 documents → `≈ 1,050`."""
    return f"{total:,}" if exact or not total else f"≈\N{NO-BREAK SPACE}{amount(total, of, exact):,}"


def shown(count: int | None, exact: bool, width: int = SMALL) -> str:
    """`1234` → `1,230+`; 1 to 9 → `<10`; 0 → `0`; None → `not measured`.

    Args:
        count: of people, or of what they have.
        exact: whether it is shown as it is: the patients are fictional, or it is for the analyst alone.
        width: of a class.
    """
    if count is None:
        return "not measured"
    if exact or count == 0:
        return f"{count:,}"
    return f"<{width}" if count < width else f"{lowest(count, width):,}+"


def part_of_whole(count: int | None, exact: bool, parts: int) -> str:
    """As `shown`, of one of so many parts whose sum is printed, too; of many parts none shows whether it is empty."""
    if count is None or exact or parts <= MOST_PARTS:
        return shown(count, exact)
    return crossed(count, exact)


def crossed(count: int, exact: bool) -> str:
    """As `shown`, of a cell of a cross table or one of many parts: a class of twenty that may be empty."""
    return f"<{WIDE}" if not exact and count < WIDE else shown(count, exact, WIDE)
