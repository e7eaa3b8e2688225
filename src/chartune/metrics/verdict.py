"""A claim that was stated beforehand, against the interval of a difference: supported, refuted, or undecidable.

    above      difference > margin         ours is better, by more than the margin           (superiority)
    not-below  difference > -margin        ours is not worse by the margin or more           (non-inferiority)
    alike      |difference| < margin       neither is better by the margin or more           (equivalence)

The interval decides alone: wholly within the claimed range, wholly outside it, or neither (Schuirmann, 1987; Piaggio et
al., 2012, CONSORT for non-inferiority and equivalence). Each of several claims gets an interval of 1 - error/claims
(Bonferroni), so that all of them together are false with at most that probability.
"""

from typing import Literal

from chartune.errors import DataError
from chartune.quantities import Estimate

Direction = Literal["above", "not-below", "alike"]
Verdict = Literal["supported", "refuted", "undecidable"]


def level_of(error: float, claims: int) -> float:
    """The level of each interval, so that any of all claims is decided falsely with probability `error` at most.

    Raises:
        DataError: `error` does not lie between 0 and 1, or there is no claim.
    """
    if not 0 < error < 1 or claims < 1:
        raise DataError(
            f"claims need an error between 0 and 1 and must be at least one, but got error={error}, claims={claims}."
        )
    return 1 - error / claims


def verdict(difference: Estimate, direction: Direction, margin: float = 0.0) -> Verdict:
    """What an interval says of a claim; without an interval it is undecidable.

    Args:
        difference: of ours from the other, higher is better.
        direction: what is claimed.
        margin: at least 0, of the unit of the difference; of `alike` above 0.
    """
    low, high = difference.low, difference.high
    if low is None or high is None:
        return "undecidable"
    least = {"above": margin, "not-below": -margin, "alike": -margin}[direction]
    most = margin if direction == "alike" else float("inf")
    if low > least and high < most:
        return "supported"
    return "refuted" if high <= least or low >= most else "undecidable"
