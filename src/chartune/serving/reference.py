"""Reference: where the probabilities of a run's own rows lie, so that one probability can be placed among them.

predictions.parquet ─recalibrated as now─▶ 20 bins by label, quantiles by label     as `chartune.disclosure` allows

Of real patients a bin is shown by its class of twenty, as one of many parts of a whole, and a quantile only where ten
rows and ten patients lie between it and the next one.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chartune.disclosure import SMALL, TOO_FEW, WIDE, lowest, shown
from chartune.prediction.outputs import Outputs
from chartune.report.hidden import behind_run, scored_on
from chartune.report.released import is_exact
from chartune.runs.run import Run

BINS: Final = 20
MOST_LABELS: Final = 200
"""Of a task with more nothing is given: a page would get megabytes."""
STEPS: Final = (0.05, 0.1, 0.25, 0.5)
"""Between quantiles: the smallest that so many rows allow."""
_DIGITS: Final = 3
"""Significant ones of a quantile."""


def reference(run: Run, outputs: Outputs) -> dict[str, Any]:
    """Where the probabilities of a run's test rows lie, or of its validation rows where these alone were scored.

    Args:
        run: on whole texts, finished.
        outputs: of it, as it answers now.

    Returns:
        `split`, `rows`, `bin_width`, and by label `counts` [20] (the lowest number of its class; null: less than
        `class_width`) and `quantiles`, share → probability. Or `missing`: why there is none.
    """
    split, exact = scored_on(run), is_exact(run, exact=False)
    if not outputs.form.whole_text or not run.has_predictions():
        return {"missing": "its rows have no probability each"}
    if len(outputs.labels) > MOST_LABELS:
        return {"missing": f"it has more than {MOST_LABELS} labels"}
    rows = run.predictions(split)
    if rows.is_empty() or (not exact and behind_run(run, split=split).few):
        return {"missing": TOO_FEW}
    made = outputs.probability(outputs.form.read(rows)[1].astype(np.float64))
    every = np.stack([1 - made, made], axis=1) if made.ndim == 1 else made
    people = min(rows.height, rows["subject_id"].n_unique())
    labels = {
        label: {"counts": _counts(every[:, number], exact), "quantiles": _quantiles(every[:, number], people)}
        for number, label in enumerate(outputs.labels)
    }
    return {
        "split": split, "rows": shown(rows.height, exact), "bin_width": 1 / BINS, "class_width": 1 if exact else WIDE,
        "labels": labels,
    }  # fmt: skip


def _counts(probability: NDArray[np.float64], exact: bool) -> list[int | None]:
    """Rows in each bin, the last of which holds 1 too."""
    which = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    counted = np.bincount(which, minlength=BINS).tolist()
    return counted if exact else [None if count < WIDE else lowest(count, WIDE) for count in counted]


def _quantiles(probability: NDArray[np.float64], people: int) -> dict[str, float]:
    """Share → the probability below which so many lie; none where these would be single patients'."""
    step = next((step for step in STEPS if step * lowest(people) >= SMALL), None)
    if step is None:
        return {}
    shares = np.arange(step, 1 - step / 2, step)
    return {
        f"{share:.2f}": float(f"{value:.{_DIGITS}g}")
        for share, value in zip(shares, np.quantile(probability, shares, method="lower"), strict=True)
    }
