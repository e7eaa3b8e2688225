"""Table 1 of P1: how many admissions and classes each task has, beside what was printed.

The published counts are those of MIMIC-III 1.4 with the split lists of CORe. Another source has no such table; under
another split the printed row is a mark and nothing more.
"""

from typing import Final

from chartune.disclosure import is_made_up, shown
from chartune.published import PublishedDataset, dataset_of
from chartune.report.table import Cell, Column, Table, count
from chartune.tasks.dataset import Dataset, TaskEntry

SPLITS: Final = ("train", "validation", "test")
OTHER_SPLIT: Final = "These data are split otherwise than the paper's. "
NOTE: Final = (
    "Printed: Gema et al. (2023), Table 1, MIMIC-III 1.4 with the lists of CORe. The paper swaps two cells: it prints "
    "2 classes for length of stay and 4 for prolonged ventilation, and means 4 and 2, as its text and its code say. "
    "1,266 and 711 are the categories of the whole tables of codes, the procedures read as numbers, so that 61 of them "
    "have lost a zero (`--preset paper-code` makes both again)."
)


def table_one(dataset: Dataset) -> Table | None:
    """The counts of prepared data beside the published ones; None for another source, or tasks not of the paper.

    Args:
        dataset: `dataset.json`.
    """
    rows = [(name, task, printed) for name, task in dataset.tasks.items() if (printed := dataset_of(name))]
    if not rows or dataset.source.kind != "mimic3":
        return None
    note = NOTE if dataset.splits.rule.get("kind") == "imported" else OTHER_SPLIT + NOTE
    fictional = is_made_up(dataset.source)
    columns = (
        Column("Task", numeric=False),
        Column("Classes"),
        *(Column(split.capitalize(), "admissions") for split in SPLITS),
    )
    return Table(
        "Beside Table 1 of Gema et al. (2023)",
        columns,
        tuple(_row(task, printed, fictional) for _, task, printed in rows),
        note,
        cards=False,
    )


def _row(task: TaskEntry, printed: PublishedDataset, fictional: bool) -> tuple[Cell, ...]:
    counts = task.counts
    meant = f", meant {printed.meant:,}" if printed.meant != printed.classes else ""
    ours = (counts.get(split, {}).get("admissions") for split in SPLITS)
    return (
        Cell(task.title, f"printed as {printed.name}"),
        Cell(count(len(task.labels)), f"printed {printed.classes:,}{meant}"),
        *(
            Cell(shown(own, fictional), f"printed {theirs:,}")
            for own, theirs in zip(ours, printed.admissions, strict=True)
        ),
    )
