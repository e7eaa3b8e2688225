"""How often monitoring raises a false alarm, and how often it sees a change: simulated, with chartune's own rule.

python benchmarks/monitoring.py [--draws 2000]      one table; a draw is a test split and a window

Notes: lengths log-normal (σ 0.6), share of unknown words beta (2, 60), 5 % cut, log-odds normal (-1.5, 1.2) and
calibrated. `patients of four`: four notes of each patient, whose lengths, words and log-odds have a correlation of 0.5;
in the window nobody knows whose notes they are, in the test split it is known.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from chartune.metrics.drifting import Baseline, outcomes_of
from chartune.monitoring.reference import Reference
from chartune.monitoring.returned import Own, returned
from chartune.monitoring.vocabulary import Vocabulary
from chartune.monitoring.windows import judged
from chartune.runs.monitored import LENGTH, SCORE, TRUNCATED, UNKNOWN, Rule

Array = NDArray[np.float64]
SIZES: Final = ((200, 500), (1000, 200), (1000, 500), (1000, 2000), (5000, 500))
"""Rows of the test split, rows of a window."""


@dataclass(frozen=True)
class World:
    """Where notes come from."""

    length: float = 1.0
    """Factor."""
    words: float = 1.0
    """Factor of the share of unknown words."""
    moved: float = 0.0
    """Of the log-odds, in standard deviations; outcomes follow."""
    odds: float = 1.0
    """Of outcomes, as a factor of what is predicted."""
    kept: float = 1.0
    """Share of the spread of the log-odds that is true."""
    per_patient: int = 1


CHANGES: Final = {
    "lengths × 1.2": World(length=1.2),
    "lengths × 1.5": World(length=1.5),
    "unknown words × 1.5": World(words=1.5),
    "risks + 0.25 SD": World(moved=0.25),
    "risks + 0.5 SD": World(moved=0.5),
    "odds of outcomes × 1.5": World(odds=1.5),
    "odds × 2": World(odds=2.0),
    "AUROC 0.78 → 0.66": World(kept=0.5),
}


@dataclass(frozen=True)
class Notes:
    """Rows."""

    values: dict[str, Array]
    made: Array
    true: Array
    patients: NDArray[np.int64]


def drawn(world: World, rows: int, chance: np.random.Generator) -> Notes:
    """Some of a world."""
    patients = np.arange(rows) // world.per_patient

    def normal() -> Array:
        own = chance.normal(size=rows)
        if world.per_patient == 1:
            return own
        shared: Array = chance.normal(size=patients[-1] + 1)[patients]
        return np.asarray(np.sqrt(0.5) * (shared + own))

    odds = -1.5 + 1.2 * (normal() + world.moved)
    truth = -1.5 + world.kept * (odds + 1.5) + np.log(world.odds)
    made = 1 / (1 + np.exp(-odds))
    values = {
        LENGTH: np.round(np.exp(5.5 + 0.6 * normal()) * world.length), SCORE: made,
        UNKNOWN: np.minimum(1, world.words * _beta(norm.cdf(normal()))),
        TRUNCATED: (normal() > norm.isf(0.05)).astype(float),
    }  # fmt: skip
    true = (chance.random(rows) < 1 / (1 + np.exp(-truth))).astype(float)
    return Notes(values, made, true, patients)


def _beta(shares: Array) -> Array:
    from scipy.stats import beta

    return np.asarray(beta.ppf(shares, 2, 60))


def alarms(own: Notes, here: Notes) -> tuple[bool, bool]:
    """Of inputs and scores; of outcomes."""
    rule = Rule(window=len(here.made))
    baselines = {name: Baseline.of(each) for name, each in own.values.items()}
    drift = judged(Reference("test", len(own.made), baselines, Vocabulary.of(()), ()), here.values, rule)
    known = Own((0,), ("died",), (outcomes_of(own.true, own.made, own.patients),))
    outcomes = returned(known, here.true[:, None], here.made[:, None], rule)
    return any(one.alarm for one in drift), any(one.ratio_alarm or one.auroc_alarm for one in outcomes)


def rates(world: World, own_rows: int, window: int, draws: int, before: World = World()) -> Array:
    """Shares of draws in which inputs and scores raise an alarm, and outcomes. Returns [2]."""
    chance = np.random.default_rng(own_rows * 7919 + window)
    made = [alarms(drawn(before, own_rows, chance), drawn(world, window, chance)) for _ in range(draws)]
    return np.asarray(np.mean(np.asarray(made, dtype=float), axis=0))


def table(draws: int) -> Iterator[str]:
    """As Markdown: false alarms are of all draws, changes of a tenth of them."""
    heads = ["test split", "window", "no change", "no change, patients of four", *CHANGES]
    yield f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}"
    for own, window in SIZES:
        cells = [rates(World(), own, window, draws), None]
        four = World(per_patient=4)
        cells[1] = rates(four, own, window, draws, four)
        shown = [f"{100 * a:.1f} %, {100 * b:.1f} %" for a, b in (each for each in cells if each is not None)]
        for world in CHANGES.values():
            inputs, outcomes = rates(world, own, window, max(1, draws // 10))
            shown.append(f"{100 * inputs:.0f} %, {100 * outcomes:.0f} %")
        yield f"| {own:,} | {window:,} | {' | '.join(shown)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    for line in table(parser.parse_args().draws):
        print(line, flush=True)
