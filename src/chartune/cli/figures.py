"""Counts and scores as commands print them: releasable, or exact for the analyst who asks, and marked as such."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from chartune.cli.account import account
from chartune.cli.options import emit, run_summary
from chartune.disclosure import RELEASE, TOO_FEW, Behind, Sourced, figures, rates, shown
from chartune.report.compare import Comparison, against_tfidf
from chartune.report.hidden import behind_run, scored_on
from chartune.report.released import is_exact, score_text, scores_json, source_of, whole_metrics
from chartune.runs.run import Run

ExactOption = Annotated[
    bool,
    typer.Option("--exact-counts", help="Exact counts of real patients, for you alone; the output is marked as such."),
]


def emit_figures(result: Mapping[str, Any], as_json: bool, text: str, source: Sourced, exact: bool) -> None:
    """Print a result that holds counts of a source: which of the two they are comes first.

    Args:
        result: for a script; gets `figures` and `do_not_release`.
        as_json: whether it is for a script.
        text: for a person; gets a heading where it must not be released.
        source: whose counts they are.
        exact: whether the analyst has asked for exact counts.
    """
    release = figures(source, exact)
    emit({**release, **result}, as_json, f"{RELEASE}\n{text}" if release["do_not_release"] else text)


def emit_run(
    run: Run, as_json: bool, exact: bool, more: Mapping[str, Any], baseline: Run | None = None
) -> None:  # fmt: skip
    """Print a finished run.

    Args:
        run: finished.
        as_json: whether it is for a script.
        exact: whether the analyst has asked for exact counts.
        more: what a script gets besides.
        baseline: TF-IDF on the same words; None: not at hand.
    """
    compared = against_tfidf(run, baseline, exact=is_exact(run, exact)) if baseline else None
    summary = run_summary(run, scores_json(run, exact), is_exact(run, exact)) | dict(more)
    if baseline:
        summary["baseline"] = {"run": baseline.fingerprint, "name": baseline.name, **_compared(compared)}
    scored = {split: scores_text(run, split, exact) for split in run.scores}
    text = account(run, scored, None if is_exact(run, exact) else behind_run(run), compared)
    emit_figures(summary, as_json, text, source_of(run), exact)


def _compared(made: Comparison | None) -> dict[str, Any]:
    """Of a run against its baseline what may be shown: metric, the baseline's score, the difference, the verdict."""
    score = made.theirs.score(made.ours.headline) if made else None
    if made is None or score is None:
        return {"difference": TOO_FEW}
    difference = {name: getattr(made.shown, name) for name in ("value", "low", "high")}
    return {"metric": made.ours.headline, "value": score.estimate.value, "difference": difference,
            "verdict": made.verdict}  # fmt: skip


def scores_text(run: Run, split: str, exact: bool) -> str:
    """Such as `auroc 0.853 [0.797, 0.914], prevalence 0.12`."""
    stands = None if is_exact(run, exact) else behind_run(run, split=split)
    if stands is not None and stands.few:
        return TOO_FEW
    whole = whole_metrics(run)
    shown_scores = {
        m: f"{e.value:.0f}" if m in whole else score_text(m, e, stands) for m, e in run.scores[split].items()
    }
    called = {score.metric: score.title.lower() for score in (run.form.measures if run.form else ())}
    return ", ".join(f"{called.get(m, m.replace('_', ' '))} {text}" for m, text in shown_scores.items())


def about_shown(run: Run, exact: bool) -> dict[str, Any]:
    """`run.json` as it may be shown."""
    cut, plain = run.about.truncated_fraction, run.about.to_json()
    if is_exact(run, exact):
        return plain
    if "best_step" in plain:
        plain["best_step"] = rates.magnitude(run.about.best_step, False, run.about.texts)
    if run.about.texts is not None:
        plain["texts"] = shown(run.about.texts, False)
    if isinstance(cut, float):
        plain["truncated_fraction"] = rates.percent(cut, False, behind_run(run, split=scored_on(run)).rows)
    if run.about.words:
        plain["words"] = {split: {name: shown(count, False) for name, count in counts.items()}
                          for split, counts in run.about.words.items()}  # fmt: skip
    if plain.get("calibration"):
        split = plain["calibration"].get("split", "validation")
        plain["calibration"] = _fitted(plain["calibration"], behind_run(run, split=split))
    return plain


def _fitted(fitted: Mapping[str, Any], stands: Behind) -> dict[str, Any] | str:
    """What was fitted on a split, as its scores are shown: it reproduces the prevalence there; knots count its rows."""
    if stands.few:
        return TOO_FEW
    known = {name: value for name, value in fitted.items() if name != "knots"}
    return {name: round(value, stands.digits) if isinstance(value, float) else value for name, value in known.items()}
