"""The name of a binary task's outcome: for people, and as a column of predictions."""

import re
from collections.abc import Sequence


def outcome_name(labels: Sequence[str]) -> str:
    """Such as `died (of died, survived)`. labels: two, the outcome last."""
    named = ["".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in label) for label in labels]
    return f"{named[1]} (of {', '.join(sorted(named))})"


def probability_column(outcome: str) -> str:
    """The column of predictions that holds the probability of an outcome: `p_died`, letters, digits and `_` only."""
    return f"p_{re.sub(r'[^a-z0-9]+', '_', outcome.strip().casefold()).strip('_') or '1'}"
