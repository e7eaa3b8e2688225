"""Table 1: who the patients of a task are, by split and by outcome; and of whom something is not known.

Of real patients a cell is a class of twenty rows with the share of its middle, and a quartile stands only where ten
rows lie on either side (`chartune.disclosure`).
"""

from collections.abc import Iterator
from typing import Final

from chartune.disclosure import SMALL, TOO_FEW, WIDE, crossed, is_made_up, lowest, quartiles, shown
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, percent
from chartune.tasks.characteristics import OUTCOME
from chartune.tasks.dataset import Characteristic, Dataset, TaskEntry
from chartune.tasks.flow import unit

_OF_REAL: Final = f"Cells of real patients are classes of twenty (<{WIDE} may be none), with the share of their middle."


def patient_tables(dataset: Dataset, name: str, title: str) -> tuple[Table, ...]:
    """Table 1 of a task and its table of missing data; empty: the data were prepared without a look at it.

    Args:
        dataset: `dataset.json`.
        name: of the task.
        title: of its section.
    """
    task, exact = dataset.tasks.get(name), is_made_up(dataset.source)
    if task is None or not task.characteristics:
        return ()
    rows = unit(dataset.source)
    return _characteristics(task, title, exact, rows), _missing(task, title, exact, rows)


def _characteristics(task: TaskEntry, title: str, exact: bool, rows: str) -> Table:
    cells = [_counted(task, exact, rows)]
    for known in task.characteristics:
        cells += list(_levels(known, task, exact)) if known.levels else [_quartiles(known, task, exact)]
    note = (
        f"Number of {rows} and share of the column, or median with lower and upper quartile. Outcomes over all splits."
    )
    return Table(
        f"{title}: characteristics of the patients", _columns(task), tuple(cells),
        note if exact else f"{note} {_OF_REAL}", cards=False,
    )  # fmt: skip


def _missing(task: TaskEntry, title: str, exact: bool, rows: str) -> Table:
    cells = [
        (Cell(known.name.capitalize()), *(_missed(known, task, group, exact) for group in task.groups))
        for known in task.characteristics
    ]
    note = (
        f"Number of {rows} of which it is not known. Nothing was imputed, and no model reads any of this but the text."
    )
    return Table(f"{title}: missing data", _columns(task), tuple(cells), note, cards=False)


def _columns(task: TaskEntry) -> tuple[Column, ...]:
    def column(group: str) -> Column:
        title = group.removeprefix(OUTCOME)
        return Column(title.capitalize(), "all splits" if group.startswith(OUTCOME) else "")

    return (Column("Characteristic", numeric=False), *(column(group) for group in task.groups))


def _counted(task: TaskEntry, exact: bool, rows: str) -> tuple[Cell, ...]:
    """How many there are of each group, as the flow has it."""
    counted = (Cell(shown(of["admissions"], exact), f"{shown(of['subjects'], exact)} patients")
               for of in task.groups.values())  # fmt: skip
    return (Cell(rows.capitalize()), *counted)


def _levels(known: Characteristic, task: TaskEntry, exact: bool) -> Iterator[tuple[Cell, ...]]:
    for level, counts in known.levels.items():
        cells = (_level(counts.get(group, 0), of["admissions"], exact) for group, of in task.groups.items())
        yield (Cell(level.capitalize(), known.name), *cells)


def _level(count: int, whole: int, exact: bool) -> Cell:
    """A cell of the cross table; the share is that of what is shown."""
    if not exact and count < WIDE:
        return Cell(crossed(count, exact))
    share = _share(count, whole, exact)
    return Cell(crossed(count, exact), "" if share is None else f"{100 * share:.0f}\N{NO-BREAK SPACE}%")


def _share(count: int, whole: int, exact: bool) -> float | None:
    """Of real patients that of the middles of both classes, of a hundred and more: of fewer it would be far off."""
    if exact:
        return count / whole if whole else None
    if lowest(whole) < SMALL**2:
        return None
    return min(1.0, (lowest(count, WIDE) + (WIDE - 1) / 2) / (lowest(whole) + (SMALL - 1) / 2))


def _quartiles(known: Characteristic, task: TaskEntry, exact: bool) -> tuple[Cell, ...]:
    return (
        Cell(known.name.capitalize(), known.unit),
        *(_spread(known, group, of, exact) for group, of in task.groups.items()),
    )


def _spread(known: Characteristic, group: str, of: dict[str, int], exact: bool) -> Cell:
    if group not in known.quartiles:
        return Cell(NOT_MEASURED)
    rows = min(of["subjects"], of["admissions"] - known.missing.get(group, 0))
    low, middle, high = quartiles(known.quartiles[group], rows, exact)
    if middle is None:
        return Cell(TOO_FEW)
    return Cell(f"{middle:,g}", f"{low:,g} to {high:,g}" if low is not None and high is not None else "")


def _missed(known: Characteristic, task: TaskEntry, group: str, exact: bool) -> Cell:
    count, whole = known.missing.get(group, 0), task.groups[group]["admissions"]
    return Cell(shown(count, exact), percent(count / whole, 2) if exact and count else "")
