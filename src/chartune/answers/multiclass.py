"""One of several classes: how well each is separated from the rest, how often the most likely one is right.

logits [n, K] ─▶ macro one-versus-rest AUROC, accuracy, and an AUROC per class
"""

import numpy as np

from chartune.answers.answer import AUROC, Answer
from chartune.answers.score import Rows, Score
from chartune.metrics.bootstrap import Resamples, Statistic
from chartune.metrics.classification import mean_statistic
from chartune.metrics.multiclass import cross_entropies


def macro(rows: Rows) -> Resamples:
    """The plain mean over labels of the AUROC of each; a draw's mean is over the labels that it defines."""
    return rows.draws.macro(rows.which)


def macro_value(rows: Rows) -> float:
    """The same on the rows as they are; NaN: no label can be scored."""
    values = rows.areas[0][rows.counted]
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def accuracy(rows: Rows) -> Statistic:
    """The share of rows whose most likely class is theirs."""
    return mean_statistic((rows.decided.argmax(axis=1) == rows.labels).astype(np.float64))


class OneOf(Answer):
    """Which of several classes a row is of."""

    kind = "multiclass"
    loss = "cross-entropy"
    per_label = AUROC
    measures = (
        Score("auroc", "Macro AUROC", macro, counts="pairs", meaning="95 % interval", chance=0.5, at_once=macro_value),
        Score("accuracy", "Accuracy", accuracy, counts="rows", meaning="top-1"),
        Score("log_loss", "Log loss", lambda r: mean_statistic(cross_entropies(r.labels, r.decided)), counts="pairs",
              meaning="lower is better"),
    )  # fmt: skip
