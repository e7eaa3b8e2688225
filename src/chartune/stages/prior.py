"""The prior: the label frequencies of the training split, alike for every row. What does anything beyond them add?

training labels ─▶ log-odds of each label, the same for every row ─▶ scores (AUROC 0.5, and a Brier score to beat)
"""

from typing import Any, Final, Literal

import numpy as np

from chartune.runs.run import Run
from chartune.stages.facts import source_facts, task_facts
from chartune.stages.scoring import score, write_predictions
from chartune.stages.stage import LearningStage, Outcome, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import prepare

REVISION: Final = 1


class Prior(LearningStage):
    """The frequencies of labels in the training split, half a row of each kind added."""

    kind: Literal["prior"] = "prior"
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the first."""


def prior(stage: Prior, store: Store) -> Run:
    """Count, or find it done.

    Raises:
        LabelError: a split lacks a class.
    """
    data = prepare(stage.data, store)
    table = read_table(data, stage.task)
    table.must_be_learnable()
    return perform(
        stage, store, data, kind="prior", revision=REVISION, name=stage.name or "Prior (training prevalence)",
        parts=parts_of(table.task),
        facts={"source": source_facts(read_dataset(data)), **task_facts(table), "backbone": None, "stack": None,
               "parents": [], "max_seq_len": None, "truncated_fraction": None},
        resolved=None, work=lambda work: _counted(stage, table, work),
    )  # fmt: skip


def parts_of(task: str) -> dict[str, Any]:
    """What determines a run beside stage and data."""
    return {"task": task}


def _counted(stage: Prior, table: TaskTable, work: Work) -> Outcome:
    logits = table.prior_logits()
    decided = {split: table.form.decide(np.tile(logits, (len(table.rows(split)), 1))) for split in stage.scored}
    write_predictions(work.folder, table, decided)
    return Outcome(score(table, decided, work.folder, words={}), trainable_parameters=len(logits))
