"""What an attacker reads in the tables of a report: Table 1, missing data, operating points.

page ─tables─▶ caption → rows of cells ─read_*─▶ bounds and sums of `chartune.testing.attacker`
"""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from itertools import pairwise
from typing import Any, Final

from chartune.tasks.characteristics import OUTCOME
from chartune.testing.attacker import LARGEST, SPLITS, Attacker, Name, Term, interval

Row = list[tuple[str, str]]
"""Text and detail of each cell."""
RATES: Final = {"Flagged": (("tp", "fp"), ()), "Sensitivity": (("tp",), ("fn",)), "Specificity": (("tn",), ("fp",)),
                "PPV": (("tp",), ("fp",)), "NPV": (("tn",), ("fn",))}  # fmt: skip
"""Column → counts above the line of the rate, and those that are below it only."""
CELLS: Final = ("tp", "fp", "fn", "tn")


def tables(page: str) -> dict[str, list[Row]]:
    """Caption → rows of a page, the heading first."""
    found = {}
    for table in re.findall(r"<table.*?</table>", page, flags=re.DOTALL):
        caption = re.search(r"<caption[^>]*>(.*?)(?:<small>|</caption>)", table, flags=re.DOTALL)
        rows = re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)
        if caption:
            found[_plain(caption[1])] = [_cells(row) for row in rows]
    return found


def read_patients(attacker: Attacker, page: str, titles: Mapping[str, str]) -> int:
    """Table 1 and the missing data of each task; returns how many cells were read. titles: title → name of the task."""
    read = 0
    for caption, rows in tables(page).items():
        title, _, what = caption.rpartition(": ")
        if what == "characteristics of the patients":
            read += _read_levels(attacker, titles[title], rows)
        elif what == "missing data":
            read += _read_missing(attacker, titles[title], rows)
    add_sums(attacker)
    return read


def read_operating(attacker: Attacker, rows: Sequence[Row], part: str, rows_of: tuple[str, str]) -> int:
    """The operating points of one task; returns how many were shown.

    Args:
        attacker: who reads.
        rows: of the table, the heading first.
        part: the task.
        rows_of: test rows with the outcome, and without it, as printed elsewhere.
    """
    heading, shown = [title for title, _ in rows[0]], 0
    for with_it, printed in zip(("positives", "negatives"), rows_of, strict=True):
        attacker.learn(("split", part, "test", with_it), printed)
    for row in rows[1:]:
        cells = dict(zip(heading, (text for text, _ in row), strict=True))
        if cells["Flagged"] == "too few to show":
            continue
        shown += 1
        names: dict[str, Name] = {cell: ("cell", *row[0], cell) for cell in CELLS}
        for whole, parts in (("positives", ("tp", "fn")), ("negatives", ("fp", "tn"))):
            total: Name = ("split", part, "test", whole)
            terms: list[Term] = [(1.0, total), *((-1.0, names[cell]) for cell in parts)]
            attacker.constraints.append((terms, 0, 0))
        for rate, (above, below) in RATES.items():
            _read_rate(attacker, cells[rate], [names[c] for c in above], [names[c] for c in (below or ("fn", "tn"))])
    _between(attacker)
    return shown


def _read_rate(attacker: Attacker, printed: str, above: list[Name], below: list[Name]) -> None:
    """A share between two ends: above / (above + below)."""
    half = 0.5 * 10.0 ** -len(printed.partition(".")[2]) + 1e-9
    low, high = float(printed) - half, float(printed) + half
    for end, sign in ((low, 1.0), (high, -1.0)):
        terms = [*((sign * (1 - end), name) for name in above), *((-sign * end, name) for name in below)]
        attacker.constraints.append((terms, 0, LARGEST))


def _between(attacker: Attacker) -> None:
    """Who lies between two thresholds of one variant is the difference of two points."""
    cells = [name for name in {n for terms, _, _ in attacker.constraints for _, n in terms} if name[0] == "cell"]
    for first, second in pairwise(sorted(cells, key=lambda name: (name[1], name[3], name[2]))):
        if (first[1], first[3]) == (second[1], second[3]):
            gap = ("gap", *first[1:], second[2])
            attacker.known[gap] = (-LARGEST, LARGEST)
            attacker.constraints.append(([(1, first), (-1, second), (-1, gap)], 0, 0))


def _read_levels(attacker: Attacker, part: str, rows: list[Row]) -> int:
    groups, read = [title.lower() for title, _ in rows[0][1:]], 0
    for group, (admissions, patients) in zip(groups, rows[1][1:], strict=True):
        attacker.learn(_whole(part, group), admissions)
        attacker.learn((*_whole(part, group)[:3], "subjects"), patients.split()[0])
    outcomes = [_whole(part, group) for group in groups if group not in SPLITS]
    if outcomes:
        splits = [_whole(part, group) for group in groups if group in SPLITS]
        terms: list[Term] = [*((1.0, name) for name in splits), *((-1.0, name) for name in outcomes)]
        attacker.constraints.append((terms, 0, 0))
    for row in rows[2:]:
        level, known = row[0]
        if known in ("years", "days", "words"):
            continue
        for group, (text, _) in zip(groups, row[1:], strict=True):
            low, high = wide(text)
            attacker.bound(("level", part, known, level.lower(), group), low, high)
            read += 1
    return read


def _read_missing(attacker: Attacker, part: str, rows: list[Row]) -> int:
    groups = [title.lower() for title, _ in rows[0][1:]]
    for row in rows[1:]:
        for group, (text, _) in zip(groups, row[1:], strict=True):
            attacker.learn(("missing", part, row[0][0].lower(), group), text)
    return len(rows[1:]) * len(groups)


def wide(printed: str) -> tuple[float, float]:
    """The values that a cell of a cross table can stand for: a class of twenty, which may be empty."""
    low, high = interval(printed)
    return (0, high) if printed.startswith("<") else (low, low + 19)


def _whole(part: str, group: str) -> Name:
    """The rows of a split, or of a class over all splits."""
    return ("split" if group in SPLITS else "outcome", part, group, "admissions")


def true_levels(dataset: Mapping[str, Any]) -> dict[Name, int]:
    """The true counts of a `dataset.json`, by the names under which `read_patients` learns them."""
    truth: dict[Name, int] = {}
    for part, task in dataset["tasks"].items():
        for group, of in task["groups"].items():
            name = _whole(part, group.removeprefix(OUTCOME))
            truth |= {name: of["admissions"], (*name[:3], "subjects"): of["subjects"]}
        for known in task["characteristics"]:
            truth |= {("missing", part, known["name"], group.removeprefix(OUTCOME)): n
                      for group, n in known.get("missing", {}).items()}  # fmt: skip
            truth |= {("level", part, known["name"], level, group.removeprefix(OUTCOME)): n
                      for level, of in known.get("levels", {}).items() for group, n in of.items()}  # fmt: skip
    return truth


def add_sums(attacker: Attacker) -> None:
    """Levels and those without one add up to their group; splits and outcomes to the same."""
    levels = [name for name in attacker.known if name[0] == "level"]
    for part, known, group in dict.fromkeys((n[1], n[2], n[4]) for n in levels):
        whole = _whole(part, group)
        parts = [n for n in levels if (n[1], n[2], n[4]) == (part, known, group)]
        terms = [(1.0, whole), *((-1.0, name) for name in (*parts, ("missing", part, known, group)))]
        attacker.constraints.append((terms, 0, 0))
    for part, known, level in dict.fromkeys((n[1], n[2], n[3]) for n in levels):
        same = [n for n in levels if n[1:4] == (part, known, level)]
        splits = [n for n in same if n[4] in SPLITS]
        outcomes = [n for n in same if n[4] not in SPLITS]
        if outcomes:
            terms = [*((1.0, name) for name in splits), *((-1.0, name) for name in outcomes)]
            attacker.constraints.append((terms, 0, 0))


def _cells(row: str) -> Row:
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
    split = (re.match(r"(.*?)(?:<small>(.*?)</small>)?$", cell, flags=re.DOTALL) for cell in cells)
    return [(_plain(found[1]), _plain(found[2] or "")) for found in split if found]


def _plain(text: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", text)).replace("\N{NO-BREAK SPACE}", " ").strip()
