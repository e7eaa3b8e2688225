"""Two ledgers side by side: every cell that either has, with its score in both.

A ledger keeps no patients, so that nothing is paired: a difference is that of two numbers, and has no interval. Cells
of one fingerprint are one run.
"""

from collections.abc import Mapping
from statistics import fmean
from typing import Any, Final

from chartune.quantities import Estimate
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, minus
from chartune.studies.ledger import Entry

MISSING: Final = "–"
SAME: Final = "same run"
_NOTE: Final = (
    "Cells are matched by title, name and task. A ledger keeps no patients: differences are of the scores as they "
    "stand there, and say nothing of chance; compare the stores for paired ones."
)

Key = tuple[str, str]


def ledgers_table(ours: Mapping[str, Entry], theirs: Mapping[str, Entry], names: tuple[str, str]) -> Table:
    """A row for each cell of either; names: what the ledgers are called."""
    columns = (Column("Cell", numeric=False), Column("Score", numeric=False), Column("A", names[0]),
               Column("B", names[1]), Column("A − B", "not paired"))  # fmt: skip
    rows = tuple(
        (Cell(row["cell"], row["task"]), Cell(row["title"]), Cell(row["a"] or MISSING), Cell(row["b"] or MISSING),
         Cell(_text(row["difference"])))
        for row in ledgers_json(ours, theirs)
    )  # fmt: skip
    return Table(f"A: {names[0]}; B: {names[1]}", columns, rows, _NOTE, cards=False)


def ledgers_json(ours: Mapping[str, Entry], theirs: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """As plain JSON, in the order of the cells of A, then of B."""
    first, second = _by_cell(ours), _by_cell(theirs)
    return [_row(key, first.get(key, []), second.get(key, [])) for key in dict.fromkeys((*first, *second))]


def _by_cell(entries: Mapping[str, Entry]) -> dict[Key, list[Entry]]:
    """Title with name, and task → the lines of these."""
    found: dict[Key, list[Entry]] = {}
    for entry in entries.values():
        title = entry.cell if entry.name in ("", entry.cell) else f"{entry.cell}: {entry.name}"
        found.setdefault((title, entry.task or entry.kind), []).append(entry)
    return found


def _row(key: Key, ours: list[Entry], theirs: list[Entry]) -> dict[str, Any]:
    known = (ours or theirs)[0]
    same = {entry.fingerprint for entry in ours} == {entry.fingerprint for entry in theirs}
    return {
        "cell": key[0], "task": key[1], "metric": known.metric, "title": known.title, "a": _said(ours),
        "b": _said(theirs), "difference": SAME if same else _difference(ours, theirs),
    }  # fmt: skip


def _said(entries: list[Entry]) -> str | None:
    """The score of a cell as it stands there; None: the ledger has no such cell."""
    return "; ".join(entry.text(entry.split) for entry in entries) or None


def _difference(ours: list[Entry], theirs: list[Entry]) -> float | None:
    """Of the means, in as many digits as both have; None: one is missing, hidden, or of another split or score."""
    means = [_mean(entries) for entries in (ours, theirs)]
    if None in means or len({(entry.split, entry.metric) for entry in (*ours, *theirs)}) > 1:
        return None
    digits = min(_digits(entry) for entry in (*ours, *theirs))
    return round(float(means[0] or 0) - float(means[1] or 0), digits)


def _mean(entries: list[Entry]) -> float | None:
    scores = [entry.score(entry.split) for entry in entries]
    known = [score.value for score in scores if isinstance(score, Estimate)]
    return fmean(known) if known and len(known) == len(scores) else None


def _digits(entry: Entry) -> int:
    """Digits after the point in which a score stands there; 3 of one that is kept as measured."""
    score = entry.score(entry.split)
    if entry.exact or not isinstance(score, Estimate):
        return 3
    return len(f"{score.value:g}".partition(".")[2])


def _text(difference: float | str | None) -> str:
    if difference is None:
        return NOT_MEASURED
    return difference if isinstance(difference, str) else minus(f"{difference:+g}")
