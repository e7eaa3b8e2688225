"""A relation, or none: which of several classes holds between two entities; the first class is that none does.

logits [n, 1 + K] ─▶ F1, precision and recall over the K relations (micro), accuracy, macro F1, macro AUROC

A pair that is said to have no relation and has none counts for nothing in F1, precision and recall (Uzuner et al.,
2011). Micro F1 over all classes, the first included, is accuracy; so Taylor et al. (2024) score relations.
"""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chartune.answers.multiclass import OneOf
from chartune.answers.score import Rows, Score
from chartune.metrics.bootstrap import Statistic

Marks = NDArray[np.float64]


def _counts(rows: Rows) -> tuple[Marks, Marks, Marks]:
    """Which rows are rightly said to have their relation, have one, and are said to have one, [n] each."""
    said, has = rows.decided.argmax(axis=1), rows.labels
    right = (said == has) & (has > 0)
    return right.astype(np.float64), (has > 0).astype(np.float64), (said > 0).astype(np.float64)


def _share(part: Marks, *wholes: Marks) -> Statistic:
    """The part of the mean of some wholes; NaN of nothing."""
    whole = np.mean(wholes, axis=0)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        of = weights @ whole
        return np.asarray(np.divide(weights @ part, of, out=np.full(np.shape(of), np.nan), where=of > 0))

    return statistic


def _f1(rows: Rows) -> Statistic:
    right, has, said = _counts(rows)
    return _share(right, has, said)


def _precision(rows: Rows) -> Statistic:
    right, _, said = _counts(rows)
    return _share(right, said)


def _recall(rows: Rows) -> Statistic:
    right, has, _ = _counts(rows)
    return _share(right, has)


def _score(metric: str, title: str, of: Callable[[Rows], Statistic], meaning: str) -> Score:
    return Score(metric, title, of, counts="pairs", meaning=meaning)


class Related(OneOf):
    """Which relation holds; class 0 is that none does."""

    kind = "relation"
    measures: ClassVar[tuple[Score, ...]] = (
        _score("f1", "Relation F1", _f1, "micro, without no relation"),
        _score("precision", "Precision", _precision, "of predicted relations"),
        _score("recall", "Recall", _recall, "of annotated relations"),
        *(score for name in ("accuracy", "auroc", "log_loss") for score in OneOf.measures if score.metric == name),
    )
