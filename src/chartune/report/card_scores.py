"""The scores on a model card, as they may be shown."""

from collections.abc import Mapping
from functools import partial

import polars as pl

from chartune.answers import Answer
from chartune.cards import Section
from chartune.disclosure import TOO_FEW, Behind, behind, shown
from chartune.quantities import Estimate
from chartune.report.table import NOT_MEASURED, count
from chartune.runs.record import RunRecord
from chartune.runs.run import SCORING


def behinds(
    scores: Mapping[str, Mapping[str, Estimate]], about: RunRecord, counts: Mapping[str, Mapping[str, int]],
    predicted: pl.DataFrame | None,
) -> dict[str, Behind]:  # fmt: skip
    """Split → who stands behind its scores."""
    rows = {split: predicted.filter(pl.col("split") == split) for split in scores} if predicted is not None else {}
    stand = about.form.behind if about.form else partial(behind, scored=False)
    return {split: stand(measured, counts.get(split), rows.get(split)) for split, measured in scores.items()}


def scores_section(
    scores: Mapping[str, Mapping[str, Estimate]], form: Answer | None, stand: Mapping[str, Behind] | None
) -> Section:
    """The scores of answers of this form; `stand`: who stands behind each split; None where all may be shown."""
    of_labels = form.of_labels if form else frozenset()
    rows: list[tuple[str, ...]] = []
    for split, metrics in scores.items():
        stands = stand[split] if stand is not None else None
        if metrics and stands is not None and stands.few:
            rows.append((split, "all", TOO_FEW, "", ""))
        else:
            rows += [
                (split, metric.replace("_", " "), *_estimate(metric, e, stands, metric in of_labels))
                for metric, e in metrics.items()
            ]
    if not rows:
        return Section("Scores", (f"Scores: {NOT_MEASURED}.",))
    once = "was scored once, after every choice" if SCORING in scores else "was not scored: this run is not final"
    text = f"Intervals: 95 %, percentile bootstrap over patients. The test split {once}."
    return Section("Scores", (text,), columns=("split", "metric", "value", "interval", "counted"), rows=tuple(rows))


def _estimate(metric: str, estimate: Estimate, stands: Behind | None, of_labels: bool) -> tuple[str, str, str]:
    """Value, interval, rows."""
    rows = shown(estimate.n, exact=stands is None) if stands is None or stands.scored else ""
    if of_labels:
        return count(estimate.value), "", rows
    digits = 3 if stands is None else stands.precision(metric)
    if stands is not None:
        if stands.hides(metric, estimate):
            return TOO_FEW, "", rows
        estimate = stands.release(metric, estimate)
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f}", "none", rows
    return f"{estimate.value:.{digits}f}", f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}", rows
