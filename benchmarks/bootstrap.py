"""Intervals of an AUROC: chartune's patient bootstrap beside a loop of scikit-learn's `roc_auc_score`.

    python benchmarks/bootstrap.py [rounds]

A test split of the size of Gema et al. (2023, table 1), 9,822 admissions, with invented labels and scores; 1,000 draws
of patients. The two take turns; medians of processor and wall time, and the median ratio of single rounds.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from chartune.metrics.auroc import auroc_estimate

ROWS, PATIENTS, DRAWS = 9822, 8000, 1000


def looped(labels: NDArray[np.int64], scores: NDArray[np.float64], subjects: NDArray[np.int64]) -> tuple[float, float]:
    """The interval as it is usually written: patients drawn, their rows gathered, the score computed anew."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(subjects == patient) for patient in np.unique(subjects)]
    values = []
    for _ in range(DRAWS):
        drawn = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        values.append(roc_auc_score(labels[drawn], scores[drawn]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Processor and wall seconds."""
    processor, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - processor, time.perf_counter() - wall


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rng = np.random.default_rng(7)
    labels, scores = (rng.random(ROWS) < 0.1).astype(np.int64), rng.normal(size=ROWS)
    subjects = rng.integers(0, PATIENTS, ROWS)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(timed(lambda: auroc_estimate(labels, scores, subjects, resamples=DRAWS)))
        theirs.append(timed(lambda: looped(labels, scores, subjects)))
    for name, times in (("chartune", ours), ("loop of scikit-learn", theirs)):
        processor, wall = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:24} {processor:6.2f} s processor  {wall:6.2f} s wall")
    ratio = statistics.median(b[0] / a[0] for a, b in zip(ours, theirs, strict=True))
    print(f"the loop takes {ratio:.1f} times the processor time of chartune")


if __name__ == "__main__":
    main()
