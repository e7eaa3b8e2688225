"""How sure a difference is: p of resamples, corrected for how many were asked, and the smallest that could be seen.

Several comparisons on one page are one family: the more are made, the likelier one of them is extreme by chance.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from chartune.errors import DataError
from chartune.metrics.bootstrap import Resamples

POWER: Final = 0.8
"""The chance that a true difference of that size is seen."""
LEVEL: Final = 0.05
"""Two-sided, of seeing one where there is none."""


def bootstrap_p(difference: Resamples) -> float:
    """Twice the share of resamples on the rarer side of 0, counted with one more (Davison & Hinkley, 1997, 4.2).

    1 at most, and NaN where fewer than half of the resamples define the difference.
    """
    known = difference.samples[np.isfinite(difference.samples)]
    if known.size < max(2, difference.samples.size - known.size):
        return float("nan")
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (known.size + 1))


def holm(p: Sequence[float]) -> list[float]:
    """P corrected for their number, step by step from the smallest (Holm, 1979); NaN stays, and counts as none.

    The chance that any comparison without a true difference is below a level is at most that level.
    """
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    corrected = values.copy()
    steps = np.minimum(1.0, values[order] * np.arange(order.size, 0, -1))
    corrected[order] = np.maximum.accumulate(steps)
    return [float(each) for each in corrected]


def detectable(error: float, power: float = POWER, level: float = LEVEL) -> float:
    """The smallest true difference that is seen with this power, from the standard error of the difference.

    (z of 1 - level / 2, plus z of power) times the error, as in any sample size calculation (Obuchowski, 1998).
    """
    from scipy.stats import norm

    return float((norm.ppf(1 - level / 2) + norm.ppf(power)) * error)


def paired_error(area: float, cases: float, controls: float, correlation: float) -> float:
    """Standard error that is expected of a difference of two AUROCs on the same patients, before anything is scored.

    That of one AUROC is by Hanley & McNeil (1982), that of the difference by the same (1983).

    Args:
        area: AUROC that both are assumed to have, above 0 and below 1.
        cases: patients with the outcome.
        controls: patients without it.
        correlation: of the two AUROCs, assumed; from 0 to below 1.

    Raises:
        DataError: there is no case or no control, or an assumption is out of range.
    """
    if not (0 < area < 1 and 0 <= correlation < 1 and cases > 0 and controls > 0):
        raise DataError(
            "a detectable difference needs an AUROC within 0 and 1, a correlation from 0 to below 1, and cases and "
            f"controls, but got {area}, {correlation}, {cases:g} and {controls:g}."
        )
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (cases - 1) * (q1 - area**2) + (controls - 1) * (q2 - area**2)
    return float(np.sqrt(2 * (1 - correlation) * variance / (cases * controls)))
