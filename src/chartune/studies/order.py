"""Order: which cells of a study must have ended before another can begin, and which come first.

parents, the search whose settings it takes, the first cell of the same search ─▶ waits ─▶ order
"""

from collections.abc import Mapping
from typing import TypeAlias

from chartune.store import Store
from chartune.studies.cell import SEED
from chartune.studies.failures import is_begun
from chartune.studies.parents import Family

Waits: TypeAlias = Mapping[int, frozenset[int]]
"""Cell → the cells that must have ended before it begins, whether or not they are done then."""


def waits_of(family: Family) -> Waits:
    """For whom each cell waits: what it is built on, whose settings it takes, and who conducts the search it shares."""
    first: dict[tuple[str, str], int] = {}
    waits = {}
    for number, cell in family.cells.items():
        before = {*family.parents[number].values()}
        before |= {family.lenders[number]} if number in family.lenders else set()
        if cell.space is not None:  # cells that differ in their seed share one search
            axes = sorted((path, str(value)) for path, value in cell.axes.items() if path != SEED)
            conducts = first.setdefault((cell.stage, str(axes)), number)
            before |= {conducts} - {number}
        waits[number] = frozenset(before)
    return waits


def all_before(number: int, waits: Waits) -> list[int]:
    """The cells that one waits for, directly or through others, in their order."""
    before: set[int] = set()
    open_ones = [*waits[number]]
    while open_ones:
        one = open_ones.pop()
        if one not in before:
            before.add(one)
            open_ones += waits[one]
    return sorted(before)


def in_order(family: Family, waits: Waits, store: Store) -> list[int]:
    """The cells in the order of the study; those that a process has died at come last, with all that waits for them.

    So one that kills its process each time does not keep the others from being done.
    """
    last: set[int] = set()
    for number, cell in family.cells.items():
        if is_begun(family.study, cell, store) or last & waits[number]:
            last.add(number)
    return sorted(family.cells, key=lambda number: (number in last, number))
