"""The patient bootstrap: how far a number would move with another sample of patients.

Patients are drawn with replacement, never rows: admissions of one patient resemble each other, and resampling rows
would pretend to more evidence than there is. A draw is kept as row weights, so a statistic sorts its scores once and
is then evaluated on many draws together:

    subjects   A A B C          the rows' patients
    draw 1     2 2 0 1          A came twice, B never: weights [B, n] of the rows
    draw 2     1 1 1 1
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError
from chartune.quantities import Estimate

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Row weights [B, n] → one value per draw [B]; NaN where a draw leaves it undefined."""

CHUNK: Final = 2**22
"""Weights held at once: 32 MiB of float64."""


@dataclass(frozen=True)
class Resamples:
    """A statistic on the rows as they are, and on resampled patients."""

    value: float
    """On the rows as they are."""
    samples: NDArray[np.float64]
    """On each draw, [resamples]; NaN where it is undefined, for example because the draw holds one class only."""
    n: int
    """Rows."""

    def estimate(self, level: float = 0.95) -> Estimate:
        """The value with its percentile interval; no interval when fewer than half of the draws define one."""
        defined = self.samples[np.isfinite(self.samples)]
        if defined.size < max(2, self.samples.size - defined.size):
            return Estimate(self.value, n=self.n, level=level)
        tail = (1 - level) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return Estimate(self.value, float(low), float(high), n=self.n, level=level)


def patient_bootstrap(
    statistic: Statistic, subject_ids: ArrayLike, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Estimate:
    """A statistic with the percentile interval of the patient bootstrap (Efron & Tibshirani, 1993, ch. 13).

    Args:
        statistic: row weights [B, n] → values [B].
        subject_ids: the patient of each row, [n].
        resamples: draws of as many patients as there are.
        seed: the same seed gives the same draws for every statistic on these rows.
        level: nominal coverage.

    Raises:
        DataError: there are no rows, or `resamples` or `level` is out of range.
    """
    drawn = resample({"statistic": statistic}, subject_ids, resamples=resamples, seed=seed)
    if not 0 < level < 1:
        raise DataError(f"an interval's level must lie between 0 and 1, but got {level}.")
    return drawn["statistic"].estimate(level)


def resample(
    statistics: Mapping[str, Statistic], subject_ids: ArrayLike, *, resamples: int = 1000, seed: int = 0,
    patients: ArrayLike = (),
) -> dict[str, Resamples]:  # fmt: skip
    """Several statistics on the same draws of patients; a draw undefined for one is left out for that one only.

    Args:
        statistics: by name.
        subject_ids: the patient of each row, [n].
        resamples: draws.
        seed: of the draws.
        patients: as for `row_weights`.

    Raises:
        DataError: there are no rows, `resamples` is below 1, or a row is of none of the `patients`.
    """
    subjects = np.asarray(subject_ids)
    if subjects.ndim != 1 or subjects.size == 0 or resamples < 1:
        raise DataError(
            "a bootstrap needs one subject_id per row and at least one draw, "
            f"but got subject_ids of shape {subjects.shape} and resamples={resamples}."
        )
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in statistics}
    for weights in row_weights(subjects, resamples, seed, patients):
        for name, statistic in statistics.items():
            drawn[name].append(statistic(weights))
    as_it_is = np.ones((1, subjects.size))
    alone = np.unique(subjects).size < 2  # one patient drawn again is the same patient: there is no spread
    return {
        name: resamples_of(float(statistic(as_it_is)[0]), np.concatenate(drawn[name]), subjects.size, alone)
        for name, statistic in statistics.items()
    }


def resamples_of(value: float, samples: NDArray[np.float64], n: int, alone: bool) -> Resamples:
    """A statistic and its draws; undefined in all where the rows are of one patient `alone`."""
    return Resamples(value, np.full_like(samples, np.nan) if alone else samples, n)


def row_weights(
    subjects: NDArray[np.generic], resamples: int, seed: int, patients: ArrayLike = ()
) -> Iterator[NDArray[np.float64]]:
    """Row weights [B, n] of all draws, in chunks that bound memory; the chunking does not change the draws.

    Args:
        subjects: the patient of each row, [n].
        resamples: draws.
        seed: of the draws.
        patients: who is drawn from, where others count, too: rows of several tasks whose patients are drawn together
            get the same draws by the same `patients`. Empty: those of the rows.

    Raises:
        DataError: a row is of none of the `patients`.
    """
    everybody = np.unique(np.asarray(patients)) if np.size(patients) else np.unique(subjects)
    patient_of_row = np.minimum(np.searchsorted(everybody, subjects), everybody.size - 1)
    if not np.array_equal(everybody[patient_of_row], subjects):
        raise DataError("every row must be of one of the patients that are drawn from, but some are of none.")
    at_once = max(1, CHUNK // max(subjects.size, everybody.size))
    if resamples <= at_once:
        yield _at_once(everybody.size, patient_of_row.tobytes(), resamples, seed)
        return
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        yield _weights(rng, everybody.size, patient_of_row, min(at_once, resamples - start))


@lru_cache(maxsize=2)
def _at_once(patients: int, patient_of_row: bytes, draws: int, seed: int) -> NDArray[np.float64]:
    """All draws in one chunk, kept for the next score of the same rows: a page asks for many."""
    weights = _weights(np.random.default_rng(seed), patients, np.frombuffer(patient_of_row, dtype=np.intp), draws)
    weights.flags.writeable = False
    return weights


def _weights(
    rng: np.random.Generator, patients: int, patient_of_row: NDArray[np.intp], draws: int
) -> NDArray[np.float64]:
    picked = rng.integers(patients, size=(draws, patients)) + patients * np.arange(draws)[:, None]
    counts = np.bincount(picked.ravel(), minlength=draws * patients).reshape(draws, patients)
    return counts[:, patient_of_row].astype(np.float64)
