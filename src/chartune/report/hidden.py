"""Which scores are not shown: those of real patients that rest on fewer than ten of them, and what can be done.

The law: at least ten test rows and ten test patients; of a yes-or-no task, ten with the outcome and ten without it.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from chartune.runs import Run
from chartune.tasks.dataset import Dataset
from chartune.tasks.flow import SMALL, is_made_up, too_few, unit


def hides(run: Run, counts: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether too few rows or patients stand behind the test scores of a run on real patients.

    Args:
        run: of a task.
        counts: split → what is counted, as `dataset.json` tells of the task; empty: not at hand.

    Raises:
        RunError: its predictions are damaged.
    """
    return too_few(run.scores.get("test", {}), counts.get("test", {}), run.answer) or _few_patients(run)


def fewest(frame: pl.DataFrame) -> int:
    """Patients of a yes-or-no task with the outcome or without it, whichever are fewer; columns label, subject_id."""
    return min(frame.filter(pl.col("label") == label)["subject_id"].n_unique() for label in (0, 1))


def reason(answer: str | None, rows: str) -> str:
    """Why scores are hidden, without saying how few there are.

    Args:
        answer: `binary`, `multiclass` or `multilabel`.
        rows: what a row of the data is.
    """
    told = f"fewer than ten test {rows} or patients"
    return f"{told} with the outcome, or without it" if answer == "binary" else told


def warning(run: Run, dataset: Dataset) -> str:
    """What whoever has trained a run should know before asking for a report: that it hides the scores; empty: no.

    Args:
        run: finished.
        dataset: `dataset.json` of its data.
    """
    source, task = dataset.source, dataset.tasks.get(run.task or "")
    if run.task is None or is_made_up(source) or not hides(run, task.counts if task else {}):
        return ""
    way = _larger_test_part(dataset.splits.rule)
    return f"a report hides these scores: {reason(run.answer, unit(source))}. The way out: {way}"


def _few_patients(run: Run) -> bool:
    return run.answer == "binary" and run.has_predictions() and fewest(run.predictions("test")) < SMALL


def _larger_test_part(rule: Mapping[str, Any]) -> str:
    """More patients to ask about; of a split by hash, twice the share, as long as half is left to learn from."""
    if rule.get("kind") != "hash":
        return "put more patients into the test part, or prepare more of them"
    test = 2 * rule["test"]
    train = 1 - test - rule["validation"] - rule["calibration"]
    if train < 0.5 - 1e-9:
        return "more patients"
    return f"more patients, or a larger test part (--set data.splits.test={test:g} --set data.splits.train={train:g})"
