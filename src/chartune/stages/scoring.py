"""What every stage with a task does at both ends: take the examples in, hand the scored rows out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.errors import LabelError
from chartune.metrics.auroc import auroc_estimate
from chartune.metrics.classification import binary_scores, sigmoid
from chartune.quantities import Estimate
from chartune.sources.made_up import is_made_up, oracle_probability
from chartune.store import Artefact
from chartune.tasks.frames import write_frame
from chartune.tasks.prepare import read_task

SCORED: Final = ("validation", "test")


@dataclass(frozen=True)
class TaskTable:
    """The examples of a task, sorted by admission."""

    frame: pl.DataFrame
    """subject_id, hadm_id, split, text, label."""
    task: str
    """Its name."""

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of a split."""
        return np.flatnonzero((self.frame.get_column("split") == split).to_numpy())

    def labels(self, split: str) -> NDArray[np.int64]:
        """Labels of a split, [n]."""
        return self.frame.filter(pl.col("split") == split).get_column("label").to_numpy().astype(np.int64)

    def must_be_learnable(self) -> None:
        """Each split needs both classes.

        Raises:
            LabelError: one does not have them; the message says which and how many.
        """
        for split in ("train", *SCORED):
            labels = self.labels(split)
            if len(np.unique(labels)) < 2:
                raise LabelError(
                    f"{self.task} needs both classes in every split, but {split} has {int(labels.sum())} positives "
                    f"among {len(labels)} admissions; use more admissions or another split."
                )


def read_table(data: Artefact, task: str) -> TaskTable:
    """The examples of a prepared task."""
    return TaskTable(read_task(data, task).sort("hadm_id"), task)


def write_predictions(folder: Path, table: TaskTable, logits: Mapping[str, NDArray[np.float64]]) -> None:
    """Write predictions.parquet: split, subject_id, hadm_id, label, logit, probability; never text."""
    parts = [
        table.frame[table.rows(split)].select("split", "subject_id", "hadm_id", "label")
        .with_columns(pl.Series("logit", values), pl.Series("probability", sigmoid(values)))
        for split, values in logits.items()
    ]  # fmt: skip
    write_frame(pl.concat(parts), folder / "predictions.parquet")


def score(
    table: TaskTable, logits: Mapping[str, NDArray[np.float64]], *, words: Mapping[str, NDArray[np.int32]], source: Any
) -> dict[str, dict[str, Estimate]]:
    """Scores by split, with patient-bootstrap intervals; on a made-up hospital also the best reachable AUROC.

    Args:
        table: the examples.
        logits: log-odds by split, [n] each, in the order of the table.
        words: how many words of each text were read, by split, where the oracle is to be asked.
        source: where the data came from.
    """
    scores = {}
    for split, values in logits.items():
        part = table.frame[table.rows(split)]
        subjects = part.get_column("subject_id").to_numpy()
        scores[split] = binary_scores(part.get_column("label").to_numpy(), values, subjects)
        if split in words and is_made_up(source.folder):
            read = part.select("hadm_id").with_columns(pl.Series("words", words[split].astype(np.int32)))
            truth = part.select("hadm_id").join(
                oracle_probability(source.folder, read), on="hadm_id", how="left", maintain_order="left"
            )
            best = auroc_estimate(part.get_column("label").to_numpy(), truth.get_column("p_death").to_numpy(), subjects)
            scores[split]["oracle_auroc"] = best
    return scores
