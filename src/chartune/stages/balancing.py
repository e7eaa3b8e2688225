"""Balancing: what the training loss makes of rare classes, so that its logits still mean the training prior.

head ─▶ logits under the training prior ─ + log weight ─▶ logits as if weighted ─weighted loss─▶ gradient

Class k weighs N/(K·n_k) in the loss (King and Zeng, 2001); a label that n of N texts have, N/(2n) where it applies and
N/(2(N − n)) elsewhere. What minimises a weighted loss are the log-odds of the prior plus log weight: added before the
loss is computed, it need not be undone by anybody who reads the head (Saerens et al., 2002).

Logit adjustment (Menon et al., 2021) adds the log-prior in the loss, and undone adds it again: the loss of the undone
logits is then the plain one, so that nothing is left to do. Its decisions are argmax(logit − log prior).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chartune.models.losses import UNBALANCED, Balance
from chartune.stages.table import TaskTable

Balancing = Literal["none", "classes", "classes-if-single", "logit-adjusted"]


@dataclass(frozen=True)
class Balanced:
    """How a training is balanced."""

    loss: Balance = UNBALANCED
    """What the loss does to logits and cells."""
    classes: NDArray[np.float32] | None = None
    """What a text of each class weighs, [K]; None: 1, or many labels apply to a text."""

    def texts(self, labels: NDArray[np.int64] | NDArray[np.float32]) -> NDArray[np.float32]:
        """What each text weighs in the loss, [n]. labels: class numbers [n]; of many labels [n, L]."""
        if self.classes is None:
            return np.ones(len(labels), dtype=np.float32)
        return self.classes[labels.astype(np.int64)]


def balanced(how: Balancing, table: TaskTable) -> Balanced:
    """How a task is balanced by the label frequencies of its training split.

    Args:
        how: `classes-if-single` leaves tasks of many labels alone.
        table: the examples.
    """
    several = table.form.several
    if how in ("none", "logit-adjusted") or (how == "classes-if-single" and several):
        return Balanced()
    rows, cases = len(table.rows("train")), table.cases("train")
    present, absent = np.maximum(cases, 1), np.maximum(rows - cases, 1)
    if several:
        with_label, without = rows / (2 * present), rows / (2 * absent)
        return Balanced(Balance(_plain(np.log(with_label / without)), _plain(with_label), _plain(without)))
    weights = rows / (len(cases) * present)
    return Balanced(Balance(_plain(np.log(weights))), weights.astype(np.float32))


def _plain(numbers: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(numbers.tolist())
