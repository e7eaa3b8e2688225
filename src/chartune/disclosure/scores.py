"""Scores: not shown where too few people stand behind them, else in digits that do not reveal how many there are.

The rule: at least ten rows and ten patients; of a binary task, ten with the outcome and ten without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from chartune.disclosure.counts import SMALL, lowest
from chartune.disclosure.rates import digits, share
from chartune.quantities import Estimate

MOST: Final = 3
"""Digits of a score behind which many stand."""


@dataclass(frozen=True)
class Behind:
    """Who stands behind the scores of a split."""

    rows: int | None = None
    positives: int | None = None
    """Rows with the outcome, where the label is binary."""
    negatives: int | None = None
    """Rows without it."""
    patients: tuple[int, ...] = ()
    """All; of one outcome also those with it, and without it."""
    shares: frozenset[str] = frozenset()
    """Metrics that are a share of the rows: times their number they count some."""
    of_labels: frozenset[str] = frozenset()
    """Metrics that count labels and not people."""
    scored: bool = True
    """Whether rows are scored; not those of unlabelled text."""

    @property
    def few(self) -> bool:
        """Whether too few for anything to be shown."""
        if not self.scored:
            return False
        known = [*self.patients, *(n for n in (self.rows, self.positives, self.negatives) if n is not None)]
        return any(number < SMALL for number in known)

    @property
    def thin(self) -> bool:
        """Whether so few patients stand behind it that the ends of an interval are those of one or two of them."""
        return any(number < SMALL for number in self.patients)

    @property
    def digits(self) -> int:
        """After the point, of a score that ranks: a share of pairs of rows."""
        if self.positives is None or self.negatives is None:
            return max(2, digits(lowest(self.rows or 0) * SMALL, MOST))
        return max(2, digits(lowest(self.positives) * lowest(self.negatives), MOST))

    def hides(self, metric: str, estimate: Estimate) -> bool:
        """Whether a score is not shown although others of its split are: few were right, or few were wrong."""
        if metric not in self.shares or self.rows is None:
            return self.few
        right = round(estimate.value * self.rows)
        return self.few or 0 < right < SMALL or 0 < self.rows - right < SMALL

    def precision(self, metric: str) -> int:
        """Digits after the point in which a metric is shown."""
        if not self.scored:
            return MOST
        return digits(lowest(self.rows or 0), MOST) if metric in self.shares else self.digits

    def release(self, metric: str, estimate: Estimate) -> Estimate:
        """A score as it is shown; ask `hides` first.

        No n: tokens of unlabelled text, cut off at one length, are a multiple of the texts. A prevalence is worked out
        of classes and has no ends, and neither has a perplexity behind which few patients stand: the ends are theirs.
        """
        if not self.scored:
            bare = replace(estimate.rounded(MOST), n=None)
            return replace(bare, low=None, high=None) if self.thin else bare
        if metric in self.of_labels:
            return estimate
        if metric == "prevalence" and self.positives is not None and self.rows is not None:
            rate = share(self.positives, self.rows, exact=False)
            return Estimate(round(estimate.value, 1) if rate is None else round(rate, self.precision(metric)))
        return replace(estimate.rounded(self.precision(metric)), n=None)


def behind(
    scores: Mapping[str, Estimate],
    counts: Mapping[str, int] | None = None,
    predicted: pl.DataFrame | None = None,
    *,
    one_outcome: bool = False,
    shares: frozenset[str] = frozenset(),
    of_labels: frozenset[str] = frozenset(),
    scored: bool = True,
) -> Behind:
    """Who stands behind the scores of a split, by all that is at hand; where that differs, the fewest.

    Args:
        scores: metric → Estimate of the split.
        counts: of the split in `dataset.json`: subjects, admissions, positives; None or empty: not at hand.
        predicted: its rows: subject_id, label; of unlabelled text its patients; None: not at hand.
        one_outcome: whether rows have one outcome or not, so that both kinds are counted.
        shares: metrics that are a share of the rows.
        of_labels: metrics that count labels.
        scored: whether rows are scored; not those of unlabelled text.
    """
    counts = counts or {}
    rows = [e.n for e in scores.values() if e.n is not None]
    rows += [counts["admissions"]] if "admissions" in counts else []
    people = [counts["subjects"]] if "subjects" in counts else []
    classes = _classes(scores, counts) if one_outcome else []
    if predicted is not None and not predicted.is_empty():
        rows += [predicted.height] if scored else []
        people.append(predicted["subject_id"].n_unique())
        if one_outcome:
            without, with_outcome = (predicted.filter(pl.col("label") == label) for label in (0, 1))
            people += [with_outcome["subject_id"].n_unique(), without["subject_id"].n_unique()]
            classes.append((with_outcome.height, without.height))
    positives, negatives = (min(each, default=None) for each in ([pair[n] for pair in classes] for n in (0, 1)))
    return Behind(min(rows, default=None), positives, negatives, tuple(people), shares, of_labels, scored)


def fewest(every: Sequence[Behind]) -> Behind:
    """Of scores of the same split: who stands behind all of them."""
    known = ("rows", "positives", "negatives")
    least = {
        name: min((n for split in every if (n := getattr(split, name)) is not None), default=None) for name in known
    }
    people = tuple(sorted({n for split in every for n in split.patients}))
    return replace(
        every[0], rows=least["rows"], positives=least["positives"], negatives=least["negatives"], patients=people
    )


def _classes(scores: Mapping[str, Estimate], counts: Mapping[str, int]) -> list[tuple[int, int]]:
    """Rows with the outcome and without it, from each source at hand."""
    rate = scores.get("prevalence")
    counted = [(round(rate.value * rate.n), rate.n)] if rate and rate.n else []
    if "positives" in counts and "admissions" in counts:
        counted.append((counts["positives"], counts["admissions"]))
    return [(positives, rows - positives) for positives, rows in counted]
