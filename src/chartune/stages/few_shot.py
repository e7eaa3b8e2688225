"""Few-shot: so many training texts of each class, drawn by the seed of the run; a class that has fewer gives all.

training split ─by class, shuffled by (seed, class)─▶ the first n of each ─▶ training examples, in the table's order

The first n of a class are among the first m > n, so that a curve over n adds texts and exchanges none. The draw changes
the class frequencies; as with class weights, what tells them from those of the training split is added to the logits in
the loss, so that what the head says keeps the training split's prior (King and Zeng, 2001).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.errors import ConfigError
from chartune.models.losses import Balance
from chartune.stages.table import TaskTable


@dataclass(frozen=True)
class Few:
    """Which texts of the training split are learnt from."""

    per_class: int | None
    """Texts of each class at most; None: all are learnt from."""
    seed: int
    """Of the run."""

    def must_suit(self, table: TaskTable) -> None:
        """Raises ConfigError: no text of the task is of one class."""
        if self.per_class is not None and (table.form.several or not table.form.whole_text):
            raise ConfigError(
                f"`per_class` draws texts by their class, but a text of {table.task} may have several labels, or "
                f"spans; leave it out, or choose a task with one label for each text."
            )

    def places(self, table: TaskTable) -> NDArray[np.int64]:
        """Places in the training split of the texts that are learnt from, ascending, [n]. Raises as `must_suit`."""
        self.must_suit(table)
        labels = table.labels("train")
        if self.per_class is None:
            return np.arange(len(labels))
        classes = range(len(table.space.labels))
        drawn = [np.random.default_rng([self.seed, k]).permutation(np.flatnonzero(labels == k)) for k in classes]
        return np.sort(np.concatenate([rows[: self.per_class] for rows in drawn]))

    def count(self, table: TaskTable) -> int:
        """How many texts are learnt from."""
        return len(table.rows("train") if self.per_class is None else self.places(table))

    def balance(self, table: TaskTable) -> Balance:
        """What the loss adds to the logits of those texts: their prior against that of the training split."""
        labels = table.labels("train")[self.places(table)]
        prior = table.form.prior_logits(table.form.cases(labels, len(table.space.labels)), len(labels))
        return Balance(tuple((prior - table.prior_logits()).astype(np.float64).tolist()))


ALL: Final = Few(None, 0)
"""Every text is learnt from."""
