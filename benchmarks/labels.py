"""Scores of many labels: chartune's AUROC, AUPRC and patient bootstrap beside a loop of scikit-learn's functions.

    python benchmarks/labels.py [rows] [labels] [draws]        10000 1266 1000 of one's own

Invented scores of labels as frequent as diagnoses are (Zipf, about ten a row), several rows of a patient. The loop is
run on every 20th label, and on one draw, and multiplied. One thread: OMP_NUM_THREADS=1.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from chartune.answers import ANY_OF
from chartune.answers.score import drawn
from chartune.metrics.areas import areas
from chartune.testing.peak import peak_bytes

EVERY = 20


def made_up(rows: int, labels: int) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """Labels and logits, [n, L], and patients [n]."""
    rng = np.random.default_rng(7)
    frequent = np.clip(11 / np.arange(1, labels + 1) / np.log(labels + 1), 1.5 / rows, 0.45)
    truth = rng.random((rows, labels)) < frequent
    noise = rng.normal(size=(rows, labels)).astype(np.float32)
    logits = np.log(frequent / (1 - frequent)).astype(np.float32) + noise + 1.7 * truth
    return truth, np.round(logits, 3).astype(np.float64), rng.integers(0, int(rows * 0.8), rows)


def timed(name: str, run: Callable[[], object], times: float = 1) -> float:
    """Processor seconds of `times` as much work as is run, printed."""
    processor, wall = time.process_time(), time.perf_counter()
    run()
    processor, wall = times * (time.process_time() - processor), times * (time.perf_counter() - wall)
    print(f"{name:44} {processor:9.2f} s processor {wall:9.2f} s wall", flush=True)
    return processor


def peak() -> int:
    """The most memory that this process has held, MiB."""
    return peak_bytes() >> 20


def main() -> None:
    """Measure and print."""
    rows, labels, draws = (int(given) for given in (sys.argv[1:] + [10000, 1266, 1000][len(sys.argv) - 1 :]))
    truth, logits, subjects = made_up(rows, labels)
    defined = np.flatnonzero(truth.any(axis=0))
    some, before = defined[::EVERY], peak()
    point = timed("AUROC and AUPRC of each label", lambda: areas(truth, logits))
    own = timed(
        f"all scores and intervals, {draws} draws", lambda: ANY_OF.score(truth, logits, subjects, resamples=draws)
    )
    print(f"memory beyond labels and logits {peak() - before} MiB")
    asked = ANY_OF.rows(truth, logits, subjects, resamples=draws)
    chosen = ANY_OF.flagged(logits, ANY_OF.threshold(truth, logits, asked.which) or 0.0)
    asked = replace(asked, flagged=ANY_OF.flagged(logits), flagged_as_chosen=chosen).scorable()
    timed(f"AUROC of each label, {draws} draws", lambda: asked.draws)
    timed("  further scores of reports, on the same draws", lambda: drawn(ANY_OF.further, asked))
    print(f"memory beyond labels and logits {peak() - before} MiB")
    times = len(defined) / len(some)
    auroc = timed(
        "scikit-learn: AUROC of each label", lambda: [roc_auc_score(truth[:, i], logits[:, i]) for i in some], times
    )
    timed("  AUPRC", lambda: [average_precision_score(truth[:, i], logits[:, i]) for i in some], times)
    micro = timed("  micro AUROC", lambda: roc_auc_score(truth.ravel(), logits.ravel()))
    print(
        f"values at once: {auroc / point:.0f} times; {draws} draws of them: {draws * (auroc + micro) / own:.0f} times"
    )


if __name__ == "__main__":
    main()
