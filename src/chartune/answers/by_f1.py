"""One of several classes, chosen and compared by macro F1: as Taylor et al. (2024) do for ICD-9 triage.

The scores are those of one of several classes (`chartune.answers.multiclass`); only the first is another.
"""

from typing import ClassVar

import numpy as np

from chartune.answers.multiclass import OneOf
from chartune.answers.score import Rows, Score
from chartune.metrics.bootstrap import Statistic
from chartune.metrics.decisions import decision_statistics


def _macro_f1(rows: Rows) -> Statistic:
    """Of the most likely class, over the classes that some rows have and others have not."""
    every = rows.whole or rows
    said = np.equal.outer(every.decided.argmax(axis=1), np.flatnonzero(every.which))
    return decision_statistics(every.borne[:, every.which], said)["f1_macro"]


class OneOfByF1(OneOf):
    """Which of several classes a row is of, where errors in each class weigh the same."""

    kind = "multiclass-f1"
    measures: ClassVar[tuple[Score, ...]] = (
        Score("f1_macro", "Macro F1", _macro_f1, counts="rows", meaning="most likely class"), *OneOf.measures,
    )  # fmt: skip
    further: ClassVar[tuple[Score, ...]] = tuple(score for score in OneOf.further if score.metric != "f1_macro")
