"""Association of many phrases with one outcome: exact tests of 2x2 tables, and how many of them to believe.

            with the outcome   without it
phrase           present          absent         two-sided p of Fisher's exact test, for each phrase
no phrase           .                .           false discoveries bounded over all of them
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
_TIED: Final = 1 + 1e-7
"""Tables whose probabilities differ by less are as extreme as each other (rounding)."""
_Z: Final = 1.96


def p_values(present: Counts, absent: Counts, with_outcome: int, without: int) -> Floats:
    """Two-sided p of Fisher's exact test: the probability of all tables that are no likelier than this one.

    Args:
        present: patients with the outcome who have the phrase, [n].
        absent: patients without the outcome who have it, [n].
        with_outcome: all patients with the outcome.
        without: all others.

    Source: R. A. Fisher, Statistical Methods for Research Workers, 1934, § 21.02.
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, with_outcome + without + 1)))])
    totals, values = present + absent, np.empty(len(present))
    for total in np.unique(totals):
        rows = totals == total
        least, most = max(0, int(total) - without), min(int(total), with_outcome)
        likely = _likely(np.arange(least, most + 1), int(total), with_outcome, without, logs)
        rising = np.sort(likely)
        upto = np.searchsorted(rising, likely[present[rows] - least] * _TIED, side="right")
        values[rows] = np.cumsum(rising)[upto - 1]
    return np.minimum(values, 1.0)


def discoveries(p: Floats, level: float) -> NDArray[np.bool_]:
    """Which hypotheses are rejected so that false ones are at most `level` of them, on average, [n].

    Source: Benjamini and Hochberg, 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    rising = np.sort(p)
    good = np.flatnonzero(rising <= level * np.arange(1, len(p) + 1) / max(len(p), 1))
    return p <= rising[good[-1]] if len(good) else np.zeros(len(p), dtype=np.bool_)


def strengths(present: Counts, absent: Counts, with_outcome: int, without: int) -> Floats:
    """How far, at least, the log odds ratio is from none: its nearer 95 % limit, halves added to each cell, [n].

    A p-value would put what is common first ("intubated"); a ratio alone what is rare. Source: Haldane, 1956,
    doi:10.1111/j.1469-1809.1955.tb01285.x.
    """
    cells = [cell + 0.5 for cell in (present, absent, with_outcome - present, without - absent)]
    odds = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    error = np.sqrt(sum(1 / cell for cell in cells))
    return np.asarray(np.abs(odds) - _Z * error, dtype=np.float64)


def _likely(present: Counts, total: int, with_outcome: int, without: int, logs: Floats) -> Floats:
    """The probability of each table with these margins (hypergeometric)."""
    absent, everybody = total - present, with_outcome + without
    chosen = logs[with_outcome] - logs[present] - logs[with_outcome - present]
    chosen = chosen + logs[without] - logs[absent] - logs[without - absent]
    return np.asarray(np.exp(chosen - (logs[everybody] - logs[total] - logs[everybody - total])), dtype=np.float64)
