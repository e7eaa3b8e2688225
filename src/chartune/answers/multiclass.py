"""One of several classes: how well each is separated from the rest, how often the most likely one is right.

logits [n, K] ─▶ macro one-versus-rest AUROC, accuracy, and an AUROC per class
              ─▶ in reports: one-versus-one AUROC, balanced accuracy, F1s, ECE
"""

from typing import ClassVar, Final

import numpy as np

from chartune.answers.answer import AUROC, Answer
from chartune.answers.score import Rows, Score
from chartune.metrics.bootstrap import Resamples, Statistic
from chartune.metrics.calibration import expected_calibration_error
from chartune.metrics.classification import mean_statistic
from chartune.metrics.multiclass import cross_entropies, one_vs_one


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


def _calibration_error(rows: Rows) -> float:
    """Of the most likely class: whether it is right as often as its probability says (Guo et al., 2017)."""
    sure = np.exp(rows.decided.max(axis=1) - np.logaddexp.reduce(rows.decided, axis=1))
    return expected_calibration_error(rows.decided.argmax(axis=1) == rows.labels, np.clip(sure, 0, 1))


_PAIRS: Final = Score(
    "ovo_auroc", "One-vs-one AUROC", lambda r: one_vs_one(r.borne, r.ranked), counts="pairs",
    meaning="mean over pairs of classes",
)  # fmt: skip


class OneOf(Answer):
    """Which of several classes a row is of."""

    kind = "multiclass"
    loss = "cross-entropy"
    per_label = AUROC
    measures: ClassVar[tuple[Score, ...]] = (
        Score("auroc", "Macro AUROC", macro, counts="pairs", meaning="95 % interval", chance=0.5, at_once=macro_value),
        Score("accuracy", "Accuracy", accuracy, counts="rows", meaning="top-1"),
        Score("log_loss", "Log loss", lambda r: mean_statistic(cross_entropies(r.labels, r.decided)), counts="pairs",
              meaning="lower is better"),
    )  # fmt: skip
    further: ClassVar[tuple[Score, ...]] = (
        _PAIRS,
        Score("balanced_accuracy", "Balanced accuracy", lambda r: r.decisions["balanced_accuracy"], counts="rows",
              meaning="mean recall of the classes"),
        Score("f1_macro", "Macro F1", lambda r: r.decisions["f1_macro"], counts="rows", meaning="most likely class"),
        Score("f1_weighted", "Weighted F1", lambda r: r.decisions["f1_weighted"], counts="rows",
              meaning="by cases"),
        Score("ece", "ECE", _calibration_error, counts="pairs", meaning="of the most likely class; best 0"),
    )  # fmt: skip
    as_coded = (_PAIRS,)
