"""Watching: a file of scored rows, window by window.

scored.csv, texts, outcomes ─▶ windows of 500 rows ─▶ Monitored
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chartune.errors import DataError
from chartune.monitoring.measures import score_name, scores, unknown_shares
from chartune.monitoring.reference import Reference
from chartune.monitoring.returned import Own, in_rows, own_outcomes, returned
from chartune.monitoring.scored import Scored
from chartune.monitoring.windows import judged
from chartune.prediction.texts import Texts
from chartune.runs.monitored import LENGTH, SCORE, TRUNCATED, UNKNOWN, Monitored, Rule, Window
from chartune.stages.loading import LoadedRun

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """Outcomes that have come back."""

    ids: Sequence[str]
    true: Array
    """0 or 1, [n, labels]."""


def watched(
    scorer: LoadedRun, reference: Reference, scored: Scored, rule: Rule, *, unknown: Array | None = None,
    known: Known | None = None,
) -> Monitored:  # fmt: skip
    """What scored rows say of a run in use.

    Args:
        scorer: the run.
        reference: of it, recalibrated or raw as the rows.
        scored: the rows, in the order in which they came.
        rule: how long windows are, and when they raise an alarm.
        unknown: of each row the share of words that no training text has, [n]; None: its texts are not at hand.
        known: outcomes; None: none have come back.

    Raises:
        DataError: there are fewer rows than a window takes; or outcomes, and they fit no row, or the run's own rows
            have too few.
    """
    rows, missing = len(scored.ids), list(reference.missing)
    if rows < rule.window:
        raise DataError(
            f"a window takes {rule.window:,} rows, but {rows:,} were scored; wait for more, or choose a smaller "
            f"--window (the smaller, the larger a change must be to be seen)."
        )
    values = {LENGTH: scored.tokens, TRUNCATED: scored.truncated, SCORE: scores(scorer, scored.made)}
    if unknown is None:
        missing.append(f"{UNKNOWN}: give the notes with --notes")
    else:
        values[UNKNOWN] = unknown
    own, true, unmatched = _outcomes(scorer, reference, scored, known)
    bounds = range(0, rows + 1, rule.window)
    windows = [
        Window(
            first=start + 1, last=stop,
            drift=judged(reference, {name: each[start:stop] for name, each in values.items()}, rule),
            outcomes=() if own is None else returned(own, true[start:stop], _two(scored.made)[start:stop], rule),
        )
        for start, stop in pairwise(bounds)
    ]  # fmt: skip
    return Monitored(
        rule=rule, split=reference.split, own_rows=reference.rows, rows=rows,
        returned=int(np.isfinite(true[:, 0]).sum()) if own else 0, unmatched=unmatched, counts=scorer.counts,
        score=score_name(scorer), missing=tuple(missing), windows=tuple(windows),
    )  # fmt: skip


def _outcomes(
    scorer: LoadedRun, reference: Reference, scored: Scored, known: Known | None
) -> tuple[Own | None, Array, int]:
    """Outcomes of the run's own rows, those of the scored rows, and how many fit none."""
    if known is None:
        return None, np.zeros((0, 1)), 0
    if not scorer.form.whole_text:
        raise DataError("outcomes must be of whole texts, but this run predicts spans; leave --outcomes out.")
    own = own_outcomes(scorer.run, scorer, reference.split, recalibrated=scored.recalibrated)
    if not own.numbers:
        raise DataError(
            f"the {reference.split} split of {scorer.origin.name} must have ten rows with an outcome and ten without "
            f"it, but has not; nothing can be compared with it."
        )
    true, unmatched = in_rows(scored.ids.to_list(), known.ids, known.true)
    if unmatched == len(known.ids):
        raise DataError(f"outcomes must be of rows that were scored, but none of {unmatched:,} ids is; check --id.")
    return own, true, unmatched


def _two(made: Array) -> Array:
    return made[:, None] if made.ndim == 1 else made


def unknown_in(texts: Texts, reference: Reference, ids: Sequence[str]) -> Array:
    """Of each scored row the share of its words that no training text has; NaN: its text is not among these. [n].

    Args:
        texts: that were scored.
        reference: with the words of training texts.
        ids: of the rows.
    """
    shares = dict[str, float]()
    for chunk in texts.chunks():
        there = chunk.texts.is_not_null()
        each = unknown_shares(chunk.texts.filter(there).to_list(), reference.vocabulary)
        shares.update(zip(chunk.ids.filter(there).cast(str).to_list(), each.tolist(), strict=True))
    made = np.asarray([shares.get(name, np.nan) for name in ids])
    if not np.isfinite(made).any():
        raise DataError("notes must be those that were scored, but none bears the id of a scored row; check --id.")
    return made
