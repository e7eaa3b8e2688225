"""Problems of many cells said together: each once, with how many cells it hits."""

from collections.abc import Sequence
from typing import Final

MOST: Final = 3
"""Cells that are named for one problem."""


def together(problems: Sequence[tuple[str, str]]) -> str:
    """All problems of a study as text. problems: title of a cell, and what is wrong with it."""
    cells: dict[str, list[str]] = {}
    for title, why in problems:
        cells.setdefault(why, []).append(title)
    lines = [f"{_where(titles)}: {why}" for why, titles in cells.items()]
    return lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} problems", *(f"- {line}" for line in lines)])


def noted(lines: Sequence[tuple[str, str, str]]) -> list[str]:
    """A line for each cell with its note; a note of several cells once, below them, where their lines say enough.

    Args:
        lines: title of a cell, its line, and its note; empty: there is none.
    """
    cells: dict[str, list[str]] = {}
    for title, line, note in lines:
        if note and line != title:
            cells.setdefault(note, []).append(title)
    shared = {note: titles for note, titles in cells.items() if len(titles) > 1}
    each = [
        line if not note or (note in shared and line != title) else f"{line}: {note}" for title, line, note in lines
    ]
    return [*each, *(f"{_where(titles)}: {note}" for note, titles in shared.items())]


def _where(titles: Sequence[str]) -> str:
    """The first cells by title, and how many there are."""
    named = ", ".join(f"`{title}`" for title in titles[:MOST])
    if len(titles) == 1:
        return named
    return f"{len(titles)} cells ({named}{', …' if len(titles) > MOST else ''})"
