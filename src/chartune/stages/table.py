"""The examples of a task as arrays: what every stage with a task takes in."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.disclosure import shown
from chartune.errors import DataError, LabelError
from chartune.store import Artefact
from chartune.tasks.dataset import read_dataset
from chartune.tasks.flow import unit
from chartune.tasks.labels import ENOUGH_CASES, LabelSpace
from chartune.tasks.prepare import label_space, read_task, task_named

SCORED: Final = ("validation", "test")
"""The splits that are scored."""
BESIDE: Final = ("hypothesis", "head_start", "start")
"""Columns of tasks on two texts, or on places in a text."""
Labels = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True)
class TaskTable:
    """The examples of a task, sorted by admission."""

    frame: pl.DataFrame
    """subject_id, hadm_id, split, text, label."""
    task: str
    """Its name."""
    space: LabelSpace
    """What its labels mean."""
    unit: str = "admissions"
    """What a row is, in words (`chartune.tasks.flow.unit`)."""
    reads: str = "admission-note"
    """Kind of its input (`chartune.tasks.inputs.Input`)."""

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of a split."""
        return np.flatnonzero((self.frame.get_column("split") == split).to_numpy())

    @property
    def outputs(self) -> int:
        """How many logits a head gives: two for a binary task, else one per label."""
        return max(2, len(self.space.labels)) if self.space.answer != "multilabel" else len(self.space.labels)

    def labels(self, split: str) -> Labels:
        """Class numbers [n] i64; of a multilabel task which labels apply, [n, L] float32 of 0 and 1."""
        column = self.frame.filter(pl.col("split") == split).get_column("label")
        if self.space.answer != "multilabel":
            return column.to_numpy().astype(np.int64)
        matrix = np.zeros((len(column), len(self.space.labels)), dtype=np.float32)
        for row, numbers in enumerate(column):
            matrix[row, numbers.to_numpy()] = 1
        return matrix

    def cases(self, split: str) -> NDArray[np.int64]:
        """How many rows of a split each label applies to, [L]."""
        labels = self.labels(split)
        if labels.ndim == 2:
            return np.asarray(labels.sum(axis=0), dtype=np.int64)
        return np.bincount(labels.astype(np.int64), minlength=self.outputs)

    def scored(self) -> NDArray[np.bool_]:
        """Which labels of a multilabel task count in averages, [L]: those with enough training cases."""
        return self.cases("train") >= ENOUGH_CASES

    def must_be_learnable(self) -> None:
        """Every split needs a label that applies to some rows and not to others.

        Raises:
            LabelError: one has none; the message says which and how many rows it has, small numbers hidden.
        """
        if len(self.space.labels) < 2 and self.space.answer != "multilabel":
            raise LabelError(
                f"{self.task} needs two labels or more, but the training {self.unit} have {len(self.space.labels)}; "
                f"name another column of labels (--set data.source.label=…), or give more {self.unit}."
            )
        for split in ("train", *SCORED):
            cases, rows = self.cases(split), len(self.rows(split))
            counted = self.scored() if self.space.answer == "multilabel" else np.ones(len(cases), dtype=bool)
            if not (counted & (cases > 0) & (cases < rows)).any():
                raise LabelError(
                    f"{self.task} needs {self._law()} in every split, but {split} has {self._counted(cases, rows)}; "
                    f"give more patients, or split them otherwise (--set data.splits.salt=…, or --splits FOLDER)."
                )

    def _law(self) -> str:
        match self.space.answer:
            case "binary":
                return f"{self.unit} with and without the outcome"
            case "multiclass":
                return f"{self.unit} of two classes or more"
            case _:
                return f"a label that applies to some {self.unit} and not to others"

    def _counted(self, cases: NDArray[np.int64], rows: int) -> str:
        told = f"{shown(rows, exact=False)} {self.unit}"
        if self.space.answer == "binary":
            return f"{shown(int(cases[1]), exact=False)} positives among {told}"
        learnt = f", {int(self.scored().sum())} of them with {ENOUGH_CASES} training cases or more"
        return f"{told} ({len(self.space.labels)} labels{learnt if self.space.answer == 'multilabel' else ''})"

    def prior_logits(self) -> NDArray[np.float32]:
        """Logits that give every text the label frequencies of the training rows, [outputs]: where a head begins."""
        share = (self.cases("train") + 0.5) / (len(self.rows("train")) + 1)
        logits = np.log(share / (1 - share)) if self.space.answer == "multilabel" else np.log(share)
        return logits.astype(np.float32)


def read_table(data: Artefact, task: str) -> TaskTable:
    """The examples of a prepared task; a beginning of its name will do, and nothing means the first.

    Raises:
        DataError: it asks for spans, or of two texts, which no stage reads yet.
    """
    dataset = read_dataset(data)
    name = task_named(dataset.tasks, task)
    frame = read_task(data, name)
    beside = [column for column in BESIDE if column in frame.columns and frame[column].count()]
    if dataset.tasks[name].answer == "spans" or beside:
        raise DataError(
            f"a stage reads one text and tells what applies to it, but {name} asks for spans or of two parts; such "
            f"tasks can be prepared, audited and exported, and not learnt yet."
        )
    reads = (dataset.tasks[name].config or {}).get("reads", {}).get("kind", TaskTable.reads)
    return TaskTable(frame.sort("hadm_id"), name, label_space(data, name), unit(dataset.source), reads)
