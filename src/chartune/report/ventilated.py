"""The cohort of prolonged ventilation beside the published ones: how many were ventilated for two days, and were read.

attrition ─┬ `ventilated long enough` ─▶ 9,483 of Huang et al. (2020), 45.3 % of them prolonged
           └ the last filter ─▶ 7,287 with notes of two days, or 7,079 with an admission note (Gema et al., 2023)
"""

from typing import Final

from chartune.disclosure import TOO_FEW, is_made_up, share, shown
from chartune.published import COLUMNS, ventilated_cohort
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, percent
from chartune.tasks.dataset import Dataset, TaskEntry

STEP: Final = "ventilated long enough"
"""The filter of the task that says who was on a machine for two days."""
NOTE: Final = (
    "Printed: MIMIC-III 1.4. What is prolonged is counted here of those who are read, there of all who were ventilated "
    "for two days; the cohort in hindsight (presets `paper-text`, `paper-code`) is the published one."
)


def ventilated_table(dataset: Dataset, *, exact: bool = False) -> Table | None:
    """Our counts beside the published ones; None: another source than MIMIC-III, or the task was not asked.

    Args:
        dataset: `dataset.json`.
        exact: whether the analyst has asked for exact counts of real patients.
    """
    asked = [task for name, task in dataset.tasks.items() if COLUMNS.get(name) == "PMV"]
    if not asked or dataset.source.kind != "mimic3":
        return None
    exact = exact or is_made_up(dataset.source)
    columns = (Column("Prolonged ventilation", "admissions", numeric=False), Column("Here"), Column("Printed"))
    rows = tuple(row for task in asked for row in _rows(task, exact))
    return Table("Ventilated patients beside the published cohorts", columns, rows, NOTE, cards=False)


def ventilated_lines(dataset: Dataset, *, exact: bool = False) -> list[str]:
    """The same as lines; arguments as of `ventilated_table`."""
    table = ventilated_table(dataset, exact=exact)
    rows = table.rows if table else ()
    return [f"  {step.text}: {ours.text}; printed {printed.text} ({printed.detail})" for step, ours, printed in rows]


def _rows(task: TaskEntry, exact: bool) -> list[tuple[Cell, ...]]:
    printed = {row.step: row for row in ventilated_cohort()}
    reads = str(((task.config or {}).get("reads") or {}).get("kind"))
    counts = {step.step: step.admissions for step in task.attrition}
    last = task.attrition[-1].admissions if task.attrition else None
    first = printed["ventilated"]
    rows: list[tuple[Cell, ...]] = [
        (Cell("ventilated for two days or more"), Cell(shown(counts.get(STEP), exact)),
         Cell(f"{first.admissions:,}", first.where)),
    ]  # fmt: skip
    if reads in printed:
        rows.append((Cell("with the text that is read"), Cell(shown(last, exact)),
                     Cell(f"{printed[reads].admissions:,}", printed[reads].where)))  # fmt: skip
    if first.prolonged is not None:
        rows.append((Cell("of them prolonged"), Cell(_prolonged(task, exact)),
                     Cell(percent(first.prolonged, 3), f"of {first.admissions:,}")))  # fmt: skip
    return rows


def _prolonged(task: TaskEntry, exact: bool) -> str:
    """The share of the longer class where there are two."""
    every = [split for split in task.counts.values() if "positives" in split]
    if not every:
        return NOT_MEASURED
    rate = share(sum(s["positives"] for s in every), sum(s["admissions"] for s in every), exact)
    return TOO_FEW if rate is None else percent(rate, 3 if exact else 2)
