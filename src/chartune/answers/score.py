"""Score: a number that says how well rows were answered, how it is computed, named and displayed.

    Score("accuracy", "Accuracy", accuracy, counts="rows", meaning="top-1")
                                     │
    Rows ─accuracy─▶ Statistic: row weights [B, n] ─▶ values [B] ─draws of patients─▶ Estimate

A new score is such a function, and a line in the list of its answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.areas import LabelDraws, areas, label_draws
from chartune.metrics.bootstrap import Resamples, Statistic, resample
from chartune.metrics.decisions import decision_statistics
from chartune.quantities import Estimate

DRAWS: Final = 1000
"""Of patients, for an interval."""
Counts = Literal["pairs", "rows", "labels"]
"""What one could count with a score: pairs of rows; rows, because it is a share of them; or labels and no people."""


@dataclass(frozen=True)
class Metric:
    """A number in `scores.json` and what people call it."""

    metric: str
    """Its name there, such as `auroc`."""
    title: str
    """Such as `Macro AUROC`."""

    @property
    def worded(self) -> str:
        """The title inside a sentence: its first word is small, unless it is an abbreviation."""
        return self.title if self.title[:2].isupper() else f"{self.title[:1].lower()}{self.title[1:]}"


@dataclass(frozen=True)
class Rows:
    """What was asked of some rows, and what a model said."""

    labels: NDArray[Any]
    """Class numbers [n], or which labels apply [n, L]."""
    decided: NDArray[Any]
    """What `Answer.decide` gives, [n] or [n, L]."""
    borne: NDArray[np.bool_]
    """Which labels each row has, [n, L]."""
    ranked: NDArray[np.floating]
    """Higher means more likely to have the label, [n, L]."""
    counted: NDArray[np.bool_]
    """Which labels averages are over, if they can be scored, [L]."""
    subject_ids: ArrayLike = ()
    """The patient of each row, [n]; empty: there is no resampling."""
    resamples: int = DRAWS
    seed: int = 0
    patients: ArrayLike = ()
    """Who is drawn from, where others count, too, [p]; empty: the patients of these rows."""
    flagged: NDArray[np.bool_] | None = None
    """Which labels each row is said to have at even odds, [n, L]; None: that is not asked."""
    flagged_as_chosen: NDArray[np.bool_] | None = None
    """The same at the threshold that was chosen on other rows; None: there is none."""
    whole: "Rows | None" = None
    """With all labels, where these are some of them."""

    @cached_property
    def which(self) -> NDArray[np.bool_]:
        """Counted labels that some rows have and others have not, [L]."""
        return np.asarray(self.counted & self.borne.any(axis=0) & ~self.borne.all(axis=0))

    @cached_property
    def areas(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """AUROC and AUPRC of each label on the rows as they are, [L] each; NaN: not both classes."""
        return areas(self.borne, self.ranked)

    @cached_property
    def draws(self) -> LabelDraws:
        """The AUROC of each label, on the rows and on each draw; worked out once for all scores."""
        return label_draws(
            self.borne, self.ranked, self.subject_ids, resamples=self.resamples, seed=self.seed, patients=self.patients
        )  # fmt: skip

    @cached_property
    def decisions(self) -> Mapping[str, Statistic]:
        """F1s and balanced accuracy at even odds, over the labels `which`."""
        return decision_statistics(self.borne[:, self.which], self._known(self.flagged))

    @cached_property
    def decisions_as_chosen(self) -> Mapping[str, Statistic]:
        """The same at the chosen threshold."""
        return decision_statistics(self.borne[:, self.which], self._known(self.flagged_as_chosen))

    def _known(self, flagged: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        if flagged is None:
            raise AssertionError("decisions are of rows that were flagged")
        return flagged[:, self.which]

    def scorable(self) -> "Rows":
        """The same, with the columns `which` alone: draws over many labels take long."""
        kept = self.which
        flagged, chosen = (each if each is None else each[:, kept] for each in (self.flagged, self.flagged_as_chosen))
        return replace(
            self, borne=self.borne[:, kept], ranked=self.ranked[:, kept], counted=kept[kept], flagged=flagged,
            flagged_as_chosen=chosen, whole=self,
        )  # fmt: skip


@dataclass(frozen=True)
class Score(Metric):
    """A metric of rows, and how it is measured."""

    of: Callable[[Rows], Statistic | Resamples | float]
    """A function of row weights, drawn with all others of the answer; or draws of its own; or a bare value, which then
    has no interval."""
    counts: Counts = field(kw_only=True)
    """Decides in how many digits it is shown of real patients, and when it is hidden."""
    meaning: str = ""
    """What stands beneath its heading."""
    column: bool = True
    """Whether it has a column in the table of scores."""
    out_of: str = ""
    """Of a count of labels: the metric that says of how many."""
    draws: int | None = None
    """At most; None: as many as are asked for."""
    chance: float | None = None
    """Of a model that guesses; None: it depends on the rows."""
    least: float = 0.0
    """Of a model that is always wrong; the best is 1."""
    at_once: Callable[[Rows], float] | None = None
    """The value alone, where there is a way without draws; None: `of` gives a function of row weights."""

    def value(self, rows: Rows) -> float:
        """On the rows as they are, without an interval."""
        if self.at_once is not None:
            return self.at_once(rows)
        statistic: Any = self.of(rows)
        return float(statistic(np.ones((1, len(rows.labels))))[0])


def drawn(scores: Sequence[Score], rows: Rows) -> dict[str, Resamples | float]:
    """Metric → its draws, all on the same patients; a bare value of a score that has none. In the order of `scores`."""
    made: dict[str, Any] = {score.metric: score.of(rows) for score in scores}
    weighed = [score for score in scores if callable(made[score.metric])]
    for draws in dict.fromkeys(score.draws for score in weighed):
        statistics = {score.metric: made[score.metric] for score in weighed if score.draws == draws}
        resamples = rows.resamples if draws is None else min(rows.resamples, draws)
        made |= resample(statistics, rows.subject_ids, resamples=resamples, seed=rows.seed, patients=rows.patients)
    return made


def measured(scores: Sequence[Score], rows: Rows, level: float) -> dict[str, Estimate]:
    """Metric → Estimate; one that these rows leave undefined is missing."""
    every = {
        name: Estimate(estimate, n=len(rows.labels), level=level)
        if isinstance(estimate, float)
        else estimate.estimate(level)
        for name, estimate in drawn(scores, rows).items()
    }
    return {name: estimate for name, estimate in every.items() if np.isfinite(estimate.value)}
