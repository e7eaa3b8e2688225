"""The scores of a run as a program gets them: releasable, or exact where that is allowed."""

from collections.abc import Mapping
from typing import Any, Final

from chartune.disclosure import TOO_FEW, Behind, Sourced, is_made_up, shown
from chartune.quantities import Estimate
from chartune.report.hidden import behind_run, scored_on
from chartune.runs.run import Run
from chartune.tasks.dataset import gone

NOT_FINAL: Final = " on validation; test not scored"
"""Stands behind the headline of a run that is not final."""


def source_of(run: Run) -> Sourced:
    """The source of the patients that a run was trained on, from its record."""
    return gone(run.about.source).source


def is_exact(run: Run, exact: bool) -> bool:
    """Whether its figures are shown as they are."""
    return exact or is_made_up(source_of(run))


def scores_json(run: Run, exact: bool) -> dict[str, Any]:
    """Split → metric → Estimate as JSON, or why it is not shown."""
    if is_exact(run, exact):
        shown_rows: dict[str, Any] = {s: {m: e.to_json() for m, e in row.items()} for s, row in run.scores.items()}
    else:
        shown_rows = {split: _released(row, behind_run(run, split=split)) for split, row in run.scores.items()}
    for row in shown_rows.values():
        for metric in whole_metrics(run) & set(row if isinstance(row, dict) else ()):
            row[metric]["value"] = int(row[metric]["value"])
    return shown_rows


def whole_metrics(run: Run) -> frozenset[str]:
    """Metrics that count labels: whole numbers."""
    return frozenset(score.metric for score in (run.form.measures if run.form else ()) if score.counts == "labels")


def headline_text(run: Run, metric: str, exact: bool) -> str:
    """One score on the test split, or on the validation split where that alone was scored; empty: not measured."""
    split = scored_on(run)
    estimate = run.estimate(metric, split)
    stands = None if is_exact(run, exact) else behind_run(run, split=split)
    if estimate is None:
        return ""
    return score_text(metric, estimate, stands)


def score_text(metric: str, estimate: Estimate, stands: Behind | None) -> str:
    """A score as it may be shown; `stands`: who stands behind it, None: it is shown as it is."""
    if stands is None:
        return str(estimate)
    if stands.hides(metric, estimate):
        return TOO_FEW
    return stands.release(metric, estimate).with_interval(stands.precision(metric))


def _released(row: Mapping[str, Estimate], stands: Behind) -> dict[str, Any] | str:
    if stands.few:
        return TOO_FEW
    return {
        metric: TOO_FEW
        if stands.hides(metric, e)
        else stands.release(metric, e).to_json() | ({"n": shown(e.n, exact=False)} if stands.scored else {})
        for metric, e in row.items()
    }
