"""Regressions of many labels: for each of them an L2-penalised logistic regression on the same sparse features.

    labels [n, L] ─BLOCK at a time─▶ processes ─▶ Regressions of these labels, in their order ─▶ written, forgotten

scikit-learn's liblinear descends the dual by coordinates (Yu, Huang & Lin, 2011, doi:10.1007/s10994-010-5221-8), which
on texts takes half the time of its primal solver. It shuffles by one seed, so that the number of processes changes no
digit; its generator is that of the process, so that threads would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

BLOCK: Final = 32
"""Labels that a process fits before it hands them over."""
TOLERANCE: Final = 1e-2
"""Of the dual's gradient: AUROC on held-out texts is that of 1e-4 to three decimals, in 0.7 of the time."""
SOME: Final = 2**18
"""Texts times labels below which other processes are not worth their start: half a minute."""
PROCESSES: Final = 4
"""At most: each holds the features twice."""


@dataclass(frozen=True)
class Regressions:
    """k regressions on d features."""

    coefficients: NDArray[np.floating]
    """[k, d]."""
    intercepts: NDArray[np.float64]
    """[k]."""

    def odds(self, features: Any) -> NDArray[np.float64]:
        """Log-odds of sparse features, [n, d] → [n, k]; each by itself, so that the last bit is that of any batch."""
        return np.asarray(features @ self.coefficients.T.astype(np.float64) + self.intercepts)


def label_by_label(
    features: Any, labels: NDArray[np.bool_], strength: float, otherwise: NDArray[np.floating], processes: int
) -> Iterator[Regressions]:
    """The regressions of all labels, BLOCK at a time; coefficients are float32.

    Args:
        features: sparse, [n, d].
        labels: [n, L].
        strength: inverse penalty.
        otherwise: log-odds of a label that all texts have, or none, [L].
        processes: that may work at once.
    """
    at_once = processes_for(labels.size, processes)
    parts = [slice(start, start + BLOCK) for start in range(0, labels.shape[1], BLOCK)]
    # Features go to each process as they are: kept in a file for all, they would be patients' words outside the store.
    work = Parallel(at_once, return_as="generator", max_nbytes=None, pre_dispatch=at_once)
    yield from work(delayed(_fitted)(features, labels[:, part], strength, otherwise[part]) for part in parts)


def processes_for(size: int, most: int) -> int:
    """How many processes fit so many texts times labels, where so many may."""
    return min(most, PROCESSES) if size >= SOME else 1


def spread(frequencies: NDArray[np.integer], most: int) -> NDArray[np.intp]:
    """Numbers of at most so many of some labels, rising: evenly from the most frequent one to the rarest."""
    chosen = np.unique(np.linspace(0, len(frequencies) - 1, min(most, len(frequencies))).astype(np.intp))
    return np.sort(np.argsort(-frequencies, kind="stable")[chosen])


def joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Log-odds of all regressions, [n, K]; of one alone [n]."""
    odds = np.concatenate(parts, axis=1)
    return odds[:, 0] if odds.shape[1] == 1 else odds


def _fitted(features: Any, labels: NDArray[np.bool_], strength: float, otherwise: NDArray[np.floating]) -> Regressions:
    """The regressions of some labels, fitted."""
    coefficients = np.zeros((labels.shape[1], features.shape[1]), dtype=np.float32)
    intercepts = otherwise.astype(np.float64)
    solver = LogisticRegression(
        C=strength, solver="liblinear", dual=True, tol=TOLERANCE, max_iter=2000, random_state=0
    )  # fmt: skip
    for i, label in enumerate(labels.T):
        if label.any() and not label.all():
            model = solver.fit(features, label)
            coefficients[i], intercepts[i] = model.coef_[0], model.intercept_[0]
    return Regressions(coefficients, intercepts)
