"""The examples of a task as arrays: what every stage with a task takes in."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers import Answer
from chartune.errors import DataError, LabelError
from chartune.metrics.tagging import Labelled
from chartune.notes.text_pair import Text, holds_pairs, read_texts
from chartune.store import Artefact
from chartune.tasks.dataset import read_dataset
from chartune.tasks.flow import unit
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepare import label_space, read_task, task_named
from chartune.tasks.soundness import who_left

SCORED: Final = ("validation", "test")
"""The splits that are scored."""
Labels = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True)
class TaskTable:
    """The examples of a task, sorted by admission."""

    frame: pl.DataFrame
    """subject_id, hadm_id, split, text, label; of pairs of texts `text_pair`, too."""
    task: str
    """Its name."""
    space: LabelSpace
    """What its labels mean."""
    unit: str = "admissions"
    """What a row is, in words (`chartune.tasks.flow.unit`)."""
    recipe: dict[str, Any] | None = None
    """What is read of a chart, as plain data (`chartune.tasks.inputs.Input`); None: texts as they are."""
    candidates: dict[str, Any] | None = None
    """Of relations: which pairs of entities are asked about, as plain data."""
    lost: str = ""
    """The filter that left nobody, or most of them out, as a sentence; empty: none is known."""

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of a split."""
        return np.flatnonzero((self.frame.get_column("split") == split).to_numpy())

    @property
    def texts(self) -> list[Text]:
        """What is read of each row."""
        return read_texts(self.frame)

    @property
    def of_pairs(self) -> bool:
        """Whether a row is a pair of texts."""
        return holds_pairs(self.frame)

    @property
    def form(self) -> Answer:
        """The form of its answer."""
        return self.space.form

    @property
    def outputs(self) -> int:
        """How many logits a head gives."""
        return self.form.outputs(len(self.space.labels))

    def labels(self, split: str) -> Labels:
        """Class numbers [n] i64; where several may apply which do, [n, L] float32 of 0 and 1; spans: [n] of lists."""
        column = self.frame.filter(pl.col("split") == split).get_column("label")
        return self.form.encoded(column, len(self.space.labels))

    def spans(self, split: str) -> list[list[Labelled]]:
        """The annotated spans of each row of a split, where the task asks for such."""
        return list(self.labels(split))

    def cases(self, split: str) -> NDArray[np.int64]:
        """How many rows of a split each label applies to, [outputs]."""
        return self.form.cases(self.labels(split), len(self.space.labels))

    def counted(self) -> NDArray[np.bool_]:
        """Which labels averages are over, [outputs]."""
        return self.form.counted(self.cases("train"))

    def must_be_learnable(self) -> None:
        """Every split needs a label that applies to some rows and not to others.

        Raises:
            LabelError: one has none; the message says which and how many rows it has, small numbers hidden, and which
                filter left none.
        """
        if self.frame.is_empty() and self.lost:
            raise LabelError(
                f"{self.task} needs {self.form.needs(self.unit)} in every split, but train has 0 {self.unit}: "
                f"{self.lost} Mend what it looks at in the raw data, or choose another task or filter."
            )
        if len(self.space.labels) < self.form.fewest_labels:
            raise LabelError(
                f"{self.task} needs {self.form.fewest_labels} labels or more, but the training {self.unit} have "
                f"{len(self.space.labels)}; "
                f"name another column of labels (--set data.source.label=…), or give more {self.unit}."
            )
        train = self.cases("train")
        for split in ("train", *SCORED):
            cases, rows = self.cases(split), len(self.rows(split))
            if not (self.counted() & self.form.scorable(cases, rows)).any():
                raise LabelError(
                    f"{self.task} needs {self.form.needs(self.unit)} in every split, but {split} has "
                    f"{self.form.holds(cases, train, rows, self.unit)}{self._where_they_went(rows)}; "
                    f"give more patients, or split them otherwise (--set data.splits.salt=…, or --splits FOLDER)."
                )

    def _where_they_went(self, rows: int) -> str:
        """Of a split without rows, the filter that left out most."""
        return f" ({self.lost.rstrip('.')})" if self.lost and not rows else ""

    def prior_logits(self) -> NDArray[np.float32]:
        """Logits that give every text the label frequencies of the training rows, [outputs]: where a head begins."""
        return self.form.prior_logits(self.cases("train"), len(self.rows("train")))


def read_table(data: Artefact, task: str, *, for_model: bool = False) -> TaskTable:
    """The examples of a prepared task; a beginning of its name will do, and nothing means the first.

    Args:
        data: prepared.
        task: its name.
        for_model: whether a base model is fine-tuned, which reads pairs of texts and learns places in a text, too.

    Raises:
        DataError: it asks for spans, or of two texts, which only a fine-tuned model reads.
    """
    dataset = read_dataset(data)
    name = task_named(dataset.tasks, task)
    frame, space = read_task(data, name), label_space(data, name)
    if holds_pairs(frame) and not for_model:
        raise DataError(
            f"this stage reads one text, but {name} is asked of pairs of texts; fine-tune a base model (`chartune "
            f"finetune --method lora`)."
        )
    if not space.form.whole_text and not for_model:
        raise DataError(
            f"this stage predicts what applies to a whole text, but {name} asks for spans in it; fine-tune a base "
            f"model (`chartune finetune --method lora`)."
        )
    recipe = (dataset.tasks[name].config or {}).get("reads")
    lost = who_left(dataset.tasks[name])
    sorted_ = space.form.examples(frame.sort("hadm_id"), space.labels)
    return TaskTable(sorted_, name, space, unit(dataset.source), recipe, dataset.tasks[name].candidates, lost)
