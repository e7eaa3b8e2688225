"""Efficiency scores: those of Taylor et al. (2024) as their code has them, one that stands by itself, Pareto fronts.

The published ones scale each quantity between the least and the most of the models compared, so that one more model
changes every score. `absolute` does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spent:
    """What one row of a comparison has taken. All above 0, but `trained`, which may be 0."""

    best_seconds: float
    """To the best validation score."""
    best_flops: float
    """To the same."""
    trained: float
    """Parameters that learn."""
    total: float
    """All parameters."""


REFERENCE: Final = Spent(3600.0, 1e16, 1e8, 1e8)
"""What `absolute` measures against, whatever is compared: an hour, some twenty thousand notes of 480 tokens through a
BERT base, and as many parameters as such a model has."""


def summed(run_seconds: Sequence[float], flops: Sequence[float], megabytes: Sequence[float]) -> Floats:
    """The first idea of their code: run time + floating-point operations + MB, unscaled; lower is better.

    Kept to be compared with: operations (1e16) drown the rest.
    """
    return np.asarray(np.stack([run_seconds, flops, megabytes]).sum(axis=0), dtype=np.float64)


def one_minus_sum(*quantities: Sequence[float]) -> Floats:
    """The second: 1 − the sum of min-max scaled quantities; higher is better."""
    scaled = np.stack([minmax(quantity) for quantity in quantities])  # [quantities, rows]
    return np.asarray(1.0 - scaled.sum(axis=0))


def times_more(rows: Sequence[Spent]) -> Floats:
    """The third (`v1` in `published/p2_efficiency.csv`): how many times more efficient than the least efficient row.

    minmax(FLOPs to the best) + minmax(trained parameters), divided by its largest value, inverted. Infinite for a row
    that is least in both.
    """
    sums = minmax([row.best_flops for row in rows]) + minmax([row.trained for row in rows])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(sums > 0, sums.max() / sums, np.inf if sums.max() > 0 else 1.0))


def minus_mean(rows: Sequence[Spent], *, rescaled: bool = True) -> Floats:
    """The last (`v2`): −mean of minmax(time to the best), minmax(trained) and minmax(total); rescaled to 0 to 1."""
    quantities = [row.best_seconds for row in rows], [row.trained for row in rows], [row.total for row in rows]
    scores = -np.mean([minmax(quantity) for quantity in quantities], axis=0)
    return minmax(scores) if rescaled else np.asarray(scores)


def absolute(row: Spent, reference: Spent = REFERENCE) -> float:
    """Orders of magnitude below a fixed reference, in the mean of all four quantities: 1 is ten times less of each.

    A row's value is its own: it depends on no other row. Nothing that learns counts as one parameter.
    """
    ratios = (
        reference.best_seconds / row.best_seconds, reference.best_flops / row.best_flops,
        reference.trained / max(row.trained, 1.0), reference.total / row.total,
    )  # fmt: skip
    return sum(math.log10(ratio) for ratio in ratios) / len(ratios)


def minmax(values: Sequence[float] | Floats) -> Floats:
    """Scaled so that the least is 0 and the most is 1; all 0 where they are alike."""
    known = np.asarray(values, dtype=np.float64)
    span = known.max() - known.min()
    return (known - known.min()) / span if span > 0 else np.zeros_like(known)


def pareto(costs: Sequence[float], scores: Sequence[float]) -> list[bool]:
    """Which points no other one beats: none costs as little and scores as high, and one of both better.

    Args:
        costs: of each point; lower is better.
        scores: of each point; higher is better.

    Returns:
        For each point whether it is on the front; of equal points all are, or none.
    """
    points = list(zip(costs, scores, strict=True))
    return [not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points) for cost, score in points]


@dataclass(frozen=True)
class Prices:
    """What an hour of machine costs."""

    training: float
    """Per hour, in `currency`."""
    inference: float
    """Per hour, in `currency`."""
    currency: str


def priced(
    epoch_seconds: float, text_seconds: float, prices: Prices, *, epochs: float = 10, texts: float = 100_000
) -> float:
    """The price of so many epochs and of so many texts that are read afterwards; as published 10 and 100,000.

    Args:
        epoch_seconds: of training, an epoch.
        text_seconds: of reading one text, in batches.
        prices: of an hour.
        epochs: that are paid.
        texts: that are read.
    """
    return (epochs * epoch_seconds * prices.training + texts * text_seconds * prices.inference) / 3600
