"""Final cells: those of a study whose test split is scored.

    final: [tfidf, {stage: lora, rank: 8}]     all cells of one stage, and those of another with this setting
    nothing named                              all cells where nothing is to be chosen, else none

What a final cell is built on is final, too. The other cells are scored on the validation split, by which they are
chosen; named later, they score the test split with the weights that they have.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chartune.errors import ConfigError
from chartune.studies.cell import Cell, reference

STAGE: Final = "stage"
DESIGN: Final = frozenset({"seed", "task"})
"""Axes that are no choice: all their values are reported."""


def final_cells(cells: Mapping[int, Cell], named: Sequence[str | Mapping[str, Any]]) -> set[int]:
    """The numbers of the final cells.

    Args:
        cells: all cells by number.
        named: as `Study.final`.

    Raises:
        ValueError: `named` means no cell.
    """
    if not named:
        chosen = set() if any(set(cell.axes) - DESIGN for cell in cells.values()) else set(cells)
    else:
        chosen = {number for entry in named for number in meant(cells, entry, "`final`")}
    for number in sorted(chosen, reverse=True):  # parents stand before: each is met after all that are built on it
        chosen |= _below(number, cells)
    return chosen


def _below(number: int, cells: Mapping[int, Cell]) -> set[int]:
    """The cells that one is built on, and those below them."""
    below: set[int] = set()
    for need in cells[number].needs():
        try:
            parent = reference(cells[number], need, cells)
        except ConfigError:  # said by the checks, with all other problems
            continue
        below |= {parent, *_below(parent, cells)}
    return below


def meant(cells: Mapping[int, Cell], entry: str | Mapping[str, Any], field: str) -> list[int]:
    """The cells that an entry means: those of a stage, or with some settings.

    Args:
        cells: all cells by number.
        entry: a stage's name, or `{stage: …, axis: value}`.
        field: where it stands, for messages.

    Raises:
        ValueError: it means no cell.
    """
    wanted = {STAGE: entry} if isinstance(entry, str) else dict(entry)
    stage = wanted.pop(STAGE, None)
    own = {number: cell for number, cell in cells.items() if cell.stage == stage}
    known = ", ".join(dict.fromkeys(cell.stage for cell in cells.values()))
    if not own:
        raise ValueError(f"{field} must name stages of the study ({known}), but names {str(stage)[:40]!r}")
    meant = [number for number, cell in own.items() if all(_agrees(cell, *pair) for pair in wanted.items())]
    if not meant:
        axes = ", ".join(dict.fromkeys(path for cell in own.values() for path in cell.axes)) or "none"
        raise ValueError(
            f"{field} must mean cells of `{stage}` by axes of its grid ({axes}), but none has "
            f"{', '.join(f'{path}={value}' for path, value in wanted.items())}"
        )
    return meant


def _agrees(cell: Cell, path: str, value: Any) -> bool:
    """Whether an axis of a cell, by its path or the last word of it, has a value."""
    return any(axis == path or axis.rpartition(".")[2] == path for axis in cell.axes if cell.axes[axis] == value)
