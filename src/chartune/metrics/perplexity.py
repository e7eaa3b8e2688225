"""Perplexity and bits per byte of texts, with the patient bootstrap.

    nats and bytes of each scored token ─summed by patient─▶ Sums ─draws of patients─▶ exp(Σ nats / Σ tokens)
                                                                                      Σ nats / (ln 2 · Σ bytes)

Sums suffice for any draw, so an interval costs next to nothing beside reading the texts.

Of an encoder the scored tokens are those that it guesses, some of each row at once (Salazar et al. 2020 mask one at a
time): another question, so that its metrics have other names, and there are no bits per byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.metrics.bootstrap import Resamples, Statistic, resample
from chartune.quantities import Estimate

Reader = Literal["before", "after", "unigram"]
"""Who has read: the base model as it came, the same with what was trained, or token frequencies alone."""
Nats = Mapping[Reader, NDArray[np.float64]]
"""Negative log-likelihoods, by who has read."""
METRICS: Final[Mapping[str, tuple[Reader, ...]]] = {
    "perplexity_before": ("before",), "perplexity": ("after",), "perplexity_ratio": ("after", "before"),
    "unigram_perplexity": ("unigram",), "bits_per_byte_before": ("before",), "bits_per_byte": ("after",),
}  # fmt: skip
"""Metric → who must have read the texts; a ratio is of the first to the second."""
MASKED: Final = "masked_lm_"
"""Stands before the metrics of masked tokens: `masked_lm_perplexity`, `masked_lm_perplexity_before`, …"""


def perplexity_named(metric: str, *, masked: bool) -> str:
    """How a metric of `METRICS` is called in scores and events, where the tokens were masked or not."""
    return f"{MASKED}{metric}" if masked else metric


@dataclass(frozen=True)
class Sums:
    """Sums over the scored tokens of each patient."""

    patients: NDArray[np.generic]
    """Ascending: [P]."""
    tokens: NDArray[np.int64]
    """Scored tokens: [P]."""
    nats: Nats
    """Sums of negative log-likelihoods: [P]."""
    bytes: NDArray[np.int64] | None = None
    """UTF-8 bytes of the text of those tokens: [P]; None: not counted."""

    def draws(self, metric: str) -> Resamples:
        """A metric on the patients as they are and on draws of them, the same draws for all sums of these patients."""
        return _without_warnings({metric: self._statistic(metric)}, self)[metric]

    def measured(self) -> dict[str, Estimate]:
        """Every metric of `METRICS` that can be computed, with its 95 % interval; n: scored tokens."""
        known = [metric for metric, readers in METRICS.items() if all(reader in self.nats for reader in readers)]
        known = [metric for metric in known if self.bytes is not None or not metric.startswith("bits")]
        drawn = _without_warnings({metric: self._statistic(metric) for metric in known}, self)
        estimates = {metric: replace(draws.estimate(), n=int(self.tokens.sum())) for metric, draws in drawn.items()}
        return {metric: estimate for metric, estimate in estimates.items() if np.isfinite(estimate.value)}

    def _statistic(self, metric: str) -> Statistic:
        first, *second = METRICS[metric]
        nats = self.nats[first] - (self.nats[second[0]] if second else 0.0)
        if not metric.startswith("bits"):
            return lambda weights: np.exp(weights @ nats / (weights @ self.tokens))
        if self.bytes is None:
            raise AssertionError("bits per byte need bytes")
        counted = self.bytes
        return lambda weights: weights @ nats / (np.log(2) * (weights @ counted))


def summed(patients: ArrayLike, nats: Nats, added: NDArray[np.int32] | None = None) -> Sums:
    """Sums by patient.

    Args:
        patients: of each scored token, [N]; N > 0.
        nats: of each scored token, [N].
        added: bytes of each scored token, [N]; None: not counted.
    """
    known, place = np.unique(np.asarray(patients), return_inverse=True)
    by_patient: Nats = {reader: np.bincount(place, each).astype(np.float64) for reader, each in nats.items()}
    counted = None if added is None else np.bincount(place, added).astype(np.int64)
    return Sums(known, np.bincount(place), by_patient, counted)


def _without_warnings(statistics: Mapping[str, Statistic], sums: Sums) -> dict[str, Resamples]:
    """Draws; one of texts without a byte is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return resample(statistics, sums.patients)


def mean_of_batches(nats: NDArray[np.float64], tokens: NDArray[np.int64], batch_size: int) -> float:
    """Exp of the mean over batches of the mean over their tokens: perplexity as Gema et al. (2023) coded it.

    A token of a short text weighs more than one of a long text, and one of the last batch more than any. Their code
    shuffled the texts; here they come in the order of the corpus.

    Args:
        nats: of each scored token, block after block, [N].
        tokens: scored tokens of each block, [n].
        batch_size: blocks of a batch.
    """
    starts = np.arange(0, len(tokens), batch_size)
    ends = np.cumsum(tokens)
    sums = np.add.reduceat(nats, (ends - tokens)[starts])
    return float(np.exp(np.mean(sums / np.add.reduceat(tokens, starts))))
