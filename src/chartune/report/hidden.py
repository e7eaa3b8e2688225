"""Who stands behind the scores of a run on real patients, why these are not shown, and what can be done.

The rule is that of `chartune.disclosure`.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from chartune.disclosure import Behind, behind, is_made_up
from chartune.runs import Run
from chartune.runs.run import CHOOSING, SCORING
from chartune.tasks.dataset import Dataset
from chartune.tasks.flow import unit


def behind_run(run: Run, counts: Mapping[str, Mapping[str, int]] | None = None, split: str = "test") -> Behind:
    """Who stands behind the scores of a split of a run.

    Args:
        run: finished.
        counts: split → what is counted, as `dataset.json` has it of the task; None or empty: not at hand.
        split: `test` or `validation`.

    Raises:
        StoreError: its predictions, or its nats by patient, are damaged.
    """
    rows = run.predictions(split) if run.task and run.has_predictions() else None
    read = run.nll() if run.form is None else None
    rows = read.filter(pl.col("split") == split) if read is not None else rows
    scores, counted = run.scores.get(split, {}), (counts or {}).get(split)
    return run.form.behind(scores, counted, rows) if run.form else behind(scores, counted, rows, scored=False)


def scored_on(run: Run) -> str:
    """The split that a run is reported on: `test`, or `validation` where that alone was scored."""
    return SCORING if run.final else CHOOSING


def warning(run: Run, dataset: Dataset) -> str:
    """What whoever has trained a run should know before asking for a report: that it hides the scores; empty: no.

    Args:
        run: finished.
        dataset: `dataset.json` of its data.
    """
    source, task = dataset.source, dataset.tasks.get(run.task or "")
    if run.form is None or is_made_up(source) or not behind_run(run, task.counts if task else {}, scored_on(run)).few:
        return ""
    way = _larger_test_part(dataset.splits.rule)
    return f"a report hides these scores: {run.form.too_few(unit(source))}. The way out: {way}"


def _larger_test_part(rule: Mapping[str, Any]) -> str:
    """More patients to ask about; of a split by hash, twice the share, as long as half is left to learn from."""
    if rule.get("kind") != "hash":
        return "put more patients into the test split, or prepare more of them"
    test = 2 * rule["test"]
    train = 1 - test - rule["validation"] - rule["calibration"]
    if train < 0.5 - 1e-9:
        return "more patients"
    return f"more patients, or a larger test split (--set data.splits.test={test:g} --set data.splits.train={train:g})"
