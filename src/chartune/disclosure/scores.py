"""Scores: not shown where too few people stand behind them, else in digits that do not tell how many there are.

The law: at least ten rows and ten patients; of a yes-or-no task, ten with the outcome and ten without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from chartune.disclosure.counts import SMALL, lowest
from chartune.disclosure.rates import digits, share
from chartune.quantities import Estimate

TOLD: Final = frozenset({"labels_scored", "labels_all"})
"""Metrics that count labels and not people."""
MOST: Final = 3
"""Digits of a score behind which many stand."""


@dataclass(frozen=True)
class Behind:
    """Who stands behind the scores of a split."""

    answer: str | None
    """`binary`, `multiclass` or `multilabel`; None: unlabelled text, of which no row is scored."""
    rows: int | None = None
    positives: int | None = None
    """Rows with the outcome of a yes-or-no task."""
    negatives: int | None = None
    """Rows without it."""
    patients: tuple[int, ...] = ()
    """All; of a yes-or-no task also those with the outcome, and without it."""

    @property
    def few(self) -> bool:
        """Whether too few for anything to be shown."""
        if self.answer is None:
            return False
        known = [*self.patients, *(n for n in (self.rows, self.positives, self.negatives) if n is not None)]
        return any(number < SMALL for number in known)

    @property
    def digits(self) -> int:
        """After the point, of a score that ranks: a share of pairs of rows."""
        if self.positives is None or self.negatives is None:
            return max(2, digits(lowest(self.rows or 0) * SMALL, MOST))
        return max(2, digits(lowest(self.positives) * lowest(self.negatives), MOST))

    def hides(self, metric: str, estimate: Estimate) -> bool:
        """Whether a score is not shown although others of its split are: few were right, or few were wrong."""
        if metric != "accuracy" or self.rows is None:
            return self.few
        right = round(estimate.value * self.rows)
        return self.few or 0 < right < SMALL or 0 < self.rows - right < SMALL

    def precision(self, metric: str) -> int:
        """Digits after the point in which a metric is shown."""
        if self.answer is None:
            return MOST
        return digits(lowest(self.rows or 0), MOST) if metric in ("accuracy", "prevalence") else self.digits

    def release(self, metric: str, estimate: Estimate) -> Estimate:
        """A score as it is shown; ask `hides` first. No n; a prevalence is worked out of classes and has no ends."""
        if self.answer is None or metric in TOLD:
            return estimate
        if metric == "prevalence" and self.positives is not None and self.rows is not None:
            rate = share(self.positives, self.rows, exact=False)
            return Estimate(round(estimate.value, 1) if rate is None else round(rate, self.precision(metric)))
        return replace(estimate.rounded(self.precision(metric)), n=None)


def behind(
    answer: str | None,
    scores: Mapping[str, Estimate],
    counts: Mapping[str, int] | None = None,
    predicted: pl.DataFrame | None = None,
) -> Behind:
    """Who stands behind the scores of a split, by all that is at hand; where that differs, the fewest.

    Args:
        answer: of the task; None: it has none.
        scores: metric → Estimate of the split.
        counts: of the split in `dataset.json`: subjects, admissions, positives; None or empty: not at hand.
        predicted: its rows: subject_id, label; None: not at hand.
    """
    counts = counts or {}
    rows = [e.n for e in scores.values() if e.n is not None]
    rows += [counts["admissions"]] if "admissions" in counts else []
    people = [counts["subjects"]] if "subjects" in counts else []
    classes = _classes(scores, counts) if answer == "binary" else []
    if predicted is not None and not predicted.is_empty():
        rows.append(predicted.height)
        people.append(predicted["subject_id"].n_unique())
        if answer == "binary":
            without, with_outcome = (predicted.filter(pl.col("label") == label) for label in (0, 1))
            people += [with_outcome["subject_id"].n_unique(), without["subject_id"].n_unique()]
            classes.append((with_outcome.height, without.height))
    positives, negatives = (min(each, default=None) for each in ([one[n] for one in classes] for n in (0, 1)))
    return Behind(answer, min(rows, default=None), positives, negatives, tuple(people))


def fewest(every: Sequence[Behind]) -> Behind:
    """Of scores of the same split: who stands behind all of them."""
    known = ("rows", "positives", "negatives")
    least = {name: min((n for one in every if (n := getattr(one, name)) is not None), default=None) for name in known}
    people = tuple(sorted({n for one in every for n in one.patients}))
    return Behind(every[0].answer, least["rows"], least["positives"], least["negatives"], people)


def _classes(scores: Mapping[str, Estimate], counts: Mapping[str, int]) -> list[tuple[int, int]]:
    """Rows with the outcome and without it, as each source tells them."""
    rate = scores.get("prevalence")
    told = [(round(rate.value * rate.n), rate.n)] if rate and rate.n else []
    if "positives" in counts and "admissions" in counts:
        told.append((counts["positives"], counts["admissions"]))
    return [(positives, rows - positives) for positives, rows in told]
