"""Scores of a run as they are kept, and as a frame.

scores.json: split ─▶ metric ─▶ Estimate        frame: a row per split and metric
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import polars as pl

from chartune.quantities import Estimate

WITHOUT_INTERVAL: Final = frozenset({"macro_auprc"})
"""Older runs have one all the same (`chartune.answers.multilabel`)."""
COLUMNS: Final = {
    "split": pl.String, "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64,
    "level": pl.Float64,
}  # fmt: skip
"""Of scores as a frame."""


def read_estimate(metric: str, data: dict[str, Any]) -> Estimate:
    """An estimate; older runs kept ends that a bootstrap cannot give."""
    estimate = Estimate.from_json(data)
    return replace(estimate, low=None, high=None) if metric in WITHOUT_INTERVAL else estimate


def score_frame(scores: Mapping[str, Mapping[str, Estimate]]) -> pl.DataFrame:
    """Split → metric → Estimate as a frame of `COLUMNS`."""
    rows = [
        {"split": split, "metric": metric, **estimate.to_json()}
        for split, metrics in scores.items()
        for metric, estimate in metrics.items()
    ]
    return pl.DataFrame(rows, schema=COLUMNS)
