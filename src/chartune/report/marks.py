"""What the papers printed, as marks beside our numbers: other patients, other models, and never an opponent.

On a made-up hospital the marks are kept out of the figures, because fictional patients cannot be compared with
anybody; the printed table is still there, folded.
"""

from typing import Final

from chartune.disclosure import is_made_up
from chartune.published import ERRATA, PublishedScore, downstream, pretraining, remark, taylor2024
from chartune.quantities import human_seconds
from chartune.report.table import Cell, Column, Table, count
from chartune.tasks.dataset import Dataset

WARNING: Final = "Other patients, other models: a mark, not an opponent."


def drawable(task: str, dataset: Dataset) -> list[PublishedScore]:
    """The printed scores that may stand below ours in a figure: none for fictional patients, or an unknown source."""
    return downstream(task) if dataset.source.kind and not is_made_up(dataset.source) else []


def published_table(task: str, title: str) -> Table | None:
    """What Gema et al. (2023) printed for a task of this title; None when they did not ask it."""
    printed = downstream(task)
    if not printed:
        return None
    columns = (Column("Model, in the paper's words", numeric=False), Column("AUROC", "as printed"), Column("Where"))
    rows = tuple((Cell(row.model), Cell(f"{row.auroc:.4f}"), Cell(row.table)) for row in printed)
    remarks = [WARNING, remark(task), ERRATA if any(row.disputed for row in printed) else ""]
    return Table(
        f"{title}: printed by Gema et al. (2023)",
        columns,
        rows,
        " ".join(part for part in remarks if part),
        cards=False,
    )


def of_taylor(task: str, source: str, title: str) -> Table | None:
    """What the repository of Taylor et al. (2024) has of a task; None: they did not ask it.

    Args:
        task: its name.
        source: the kind of the source that it is asked of.
        title: of the task.
    """
    column = taylor2024.column_of(task, source)
    rows = tuple(
        (Cell(f"{row.model}, {row.method}", row.runs), Cell(row.metric),
         Cell(f"{row.value:.3f}", "" if row.std is None else f"std {row.std:.3f}"))
        for row in taylor2024.scores(column) if column
    )  # fmt: skip
    if not rows:
        return None
    columns = (Column("Model and method", numeric=False), Column("Score", numeric=False), Column("Value"))
    note = f"{taylor2024.LABEL} ({taylor2024.REPOSITORY}, {taylor2024.COMMITS['p2_scores.csv']}). {WARNING}"
    return Table(f"{title}: Taylor et al. (2024), {taylor2024.LABEL}", columns, rows, note, cards=False)


def published_pretraining() -> Table:
    """Table 2 of Gema et al. (2023): other data, other tokenizers, so not even the unit is the same."""
    columns = (
        Column("Base and method, in the paper's words", numeric=False), Column("Test perplexity"),
        Column("Train perplexity"), Column("Trained parameters"), Column("Time", "one A100-80GB"),
    )  # fmt: skip
    rows = tuple(
        (Cell(f"{row.base}, {row.method}"), Cell(f"{row.test_perplexity:.3f}"), Cell(f"{row.train_perplexity:.3f}"),
         Cell(count(row.trainable_parameters)), Cell(human_seconds(row.seconds)))
        for row in pretraining()
    )  # fmt: skip
    note = f"Published, other data: 2,653,149 notes of MIMIC-IV, perplexity per token of other tokenizers. {WARNING}"
    return Table("Printed by Gema et al. (2023), Table 2", columns, rows, note, cards=False)
