"""Two models on the same patients: the difference of a score, draw by draw."""

from collections.abc import Sequence

import numpy as np

from chartune.errors import DataError
from chartune.metrics.bootstrap import Resamples


def paired_difference(ours: Sequence[Resamples], theirs: Sequence[Resamples]) -> Resamples:
    """How much better `ours` score than `theirs` on the same rows and the same draws; of several seeds, their means.

    The interval is narrower than two separate ones suggest, because a hard patient is hard for both models. A draw that
    leaves any of the scores undefined leaves the difference undefined.

    Args:
        ours: a score of the model in question, of each seed; drawn with one seed of draws on one order of rows.
        theirs: that of the model it is compared with.

    Raises:
        DataError: one side has no run, or they do not have as many rows and draws each.
    """
    sizes = {(run.n, run.samples.size) for run in (*ours, *theirs)}
    if not ours or not theirs or len(sizes) > 1:
        raise DataError(
            f"a paired difference needs runs on both sides with the same rows and draws, but got {len(ours)} against "
            f"{len(theirs)} with (rows, draws) of {', '.join(map(str, sorted(sizes))) or 'none'}."
        )
    value = np.mean([run.value for run in ours]) - np.mean([run.value for run in theirs])
    samples = np.mean([run.samples for run in ours], axis=0) - np.mean([run.samples for run in theirs], axis=0)
    return Resamples(float(value), np.asarray(samples), ours[0].n)
