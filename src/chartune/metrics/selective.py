"""Selective prediction: a model leaves the rows of which it is least sure to others (El-Yaniv & Wiener, 2010).

How sure it is says the probability of the most likely class; how well the others are answered, any score of them.
"""

import numpy as np
from numpy.typing import NDArray

from chartune.errors import DataError


def surest(confidence: NDArray[np.floating], coverage: float) -> NDArray[np.bool_]:
    """The rows that are answered: the surest, at least this share of all; rows as sure as the last are, too. [n].

    Args:
        confidence: higher means surer, [n].
        coverage: above 0 to 1.

    Raises:
        DataError: `coverage` is out of range, or there are no rows.
    """
    if not 0 < coverage <= 1 or not confidence.size:
        raise DataError(
            f"a coverage must lie above 0 and up to 1, of some rows, but is {coverage} of {confidence.size}."
        )
    kept = int(np.ceil(coverage * confidence.size - 1e-9))
    return np.asarray(confidence >= np.partition(confidence, -kept)[-kept])
