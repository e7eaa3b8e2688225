"""Which variant beats which: differences of the headline score on the same admissions and the same draws of patients.

    TF-IDF ◀── every variant          what a language model adds to counting words
    head only ◀── same base model     what adaptation adds to the base model as it came
    fresh ◀── clinical + …            what adaptation to clinical text adds to adaptation to the task

A difference over several seeds is the difference of their means, drawn by draw.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from chartune.answers import ENOUGH_CASES, Answer
from chartune.answers.score import drawn
from chartune.disclosure import shown
from chartune.metrics import Resamples, paired_difference
from chartune.quantities import Estimate
from chartune.report.hidden import behind_run
from chartune.report.table import Cell, Column, Table, estimated
from chartune.report.variants import Variant, baseline, is_head_only, numbered
from chartune.runs import Run

LARGEST: Final = 2**25
"""Rows times labels beyond which no paired interval is drawn: they take half a minute for each run."""
RESAMPLES: Final = 1000


@dataclass(frozen=True)
class Comparison:
    """One variant against another on the same patients."""

    ours: Variant
    theirs: Variant
    difference: Estimate
    """As measured: the verdict goes by it."""

    @property
    def digits(self) -> int:
        """Digits after the point."""
        return min(3 if v.behind is None else v.behind.precision(v.headline) for v in (self.ours, self.theirs))

    @property
    def shown(self) -> Estimate:
        """The difference as it is shown."""
        if self.ours.behind is None and self.theirs.behind is None:
            return self.difference
        return self.difference.rounded(self.digits)

    @property
    def verdict(self) -> str:
        """`above`, `below` or `open`, by the interval alone."""
        low, high = self.difference.low, self.difference.high
        if low is not None and low > 0:
            return "above"
        return "below" if high is not None and high < 0 else "open"


def comparisons(variants: Sequence[Variant], form: Answer, labels: Sequence[str] = ()) -> list[Comparison]:
    """All comparisons of one task that mean something and can be made; each pair once.

    Args:
        variants: of one task on one data set.
        form: of their answers.
        labels: ids of the labels in the order of their numbers; empty: as the runs list them.

    A pair is absent when one side has no predictions, or they do not stand on the same admissions and answers.
    """
    scored = {variant.label: headline_draws(variant.runs, form, labels) for variant in variants if not variant.hidden}
    made = []
    for ours, theirs in dict.fromkeys(_pairs(variants)):
        own, other = scored.get(ours.label), scored.get(theirs.label)
        if own and other and own[0].equals(other[0]):
            made.append(Comparison(ours, theirs, paired_difference(own[1], other[1]).estimate()))
    return made


def against_tfidf(ours: Run, theirs: Run, *, exact: bool) -> Comparison | None:
    """A run against a TF-IDF run on the same rows; None: too few stand behind a score, or they cannot be compared.

    Args:
        ours: of a task.
        theirs: of the same task and data.
        exact: whether scores are shown as they were measured.
    """
    if ours.form is None:
        return None
    variants = [replace(each, behind=None if exact else behind_run(each.run)) for each in numbered([ours, theirs])]
    return next(iter(comparisons(variants, ours.form, ours.about.labels or ())), None)


def too_large(variants: Sequence[Variant], form: Answer) -> bool:
    """Whether there is a pair to compare, but more rows times labels than are drawn."""
    asked = {id(v): v for pair in _pairs(variants) for v in pair if not v.hidden}
    return any(
        form.cells(run.predictions("test")) > LARGEST for v in asked.values() for run in v.runs if run.has_predictions()
    )


def from_baseline(made: Sequence[Comparison], variants: Sequence[Variant]) -> dict[str, Estimate]:
    """The differences from TF-IDF by variant label."""
    reference = baseline(variants)
    return {comparison.ours.label: comparison.shown for comparison in made if comparison.theirs == reference}


def comparison_table(made: Sequence[Comparison], task: str, score: str, unit: str = "admissions") -> Table | None:
    """Every comparison with its interval and what that interval allows one to say; None when there is none."""
    if not made:
        return None
    columns = (
        Column("Variant", "and what it is compared with", numeric=False),
        Column("Difference", f"of {score}"),
        Column("The interval says", numeric=False),
    )
    words = {"above": "better", "below": "worse", "open": "cannot tell"}
    rows = []
    for comparison in made:
        ours, theirs, difference = comparison.ours, comparison.theirs, comparison.shown
        interval = estimated(difference.value, difference.low, difference.high, comparison.digits, signed=True)
        rows.append((
            Cell(f"{ours.label} · {ours.name}", f"against {theirs.label} · {theirs.name}"),
            Cell(interval.text, interval.detail, strong=comparison.verdict != "open"), Cell(words[comparison.verdict]),
        ))  # fmt: skip
    note = f"Both score the same {_n(made)}{unit}, and each draw of patients serves both. 95 % intervals."
    return Table(f"{task}: paired differences", columns, tuple(rows), note, cards=False)


def _pairs(variants: Sequence[Variant]) -> Iterator[tuple[Variant, Variant]]:
    reference = baseline(variants)
    if reference:
        yield from ((variant, reference) for variant in variants if variant != reference)
    for variant in variants:
        same = [v for v in variants if v.run.backbone and _base(v) == _base(variant) and v != variant]
        yield from ((variant, other) for other in same if is_head_only(other) and not is_head_only(variant))
        if any(layer.run for layer in variant.run.stack):
            yield from ((variant, other) for other in same if _only_fresh(other))


def _only_fresh(variant: Variant) -> bool:
    """Whether its stack learnt the task alone: nothing in it was adapted to clinical text before."""
    return bool(variant.run.stack) and all(layer.state == "fresh" for layer in variant.run.stack)


def _base(variant: Variant) -> Any:
    base = variant.run.backbone
    return base and (base.content_hash or base.name)


def headline_draws(
    runs: Sequence[Run], form: Answer, labels: Sequence[str], patients: ArrayLike = ()
) -> tuple[pl.DataFrame, list[Resamples]] | None:
    """Which test rows some runs answered, and the headline score of each on each draw of patients.

    Args:
        runs: of one task, each a seed of one variant.
        form: of their answers.
        labels: ids of the labels in the order of their numbers; empty: as the runs list them.
        patients: who is drawn from, where others count, too; empty: those of the rows.

    Returns:
        None: a run has no predictions, they are not of the same rows, or no score is defined.
    """
    resamples: list[Resamples] = []
    rows: pl.DataFrame | None = None
    for run in runs:
        if not run.has_predictions():
            return None
        frame = run.predictions("test").sort("hadm_id")
        if form.cells(frame) > LARGEST:
            return None
        own = frame.select("subject_id", "hadm_id", "label")
        if frame.is_empty() or not (rows is None or rows.equals(own)):
            return None  # other admissions: a difference would compare patients, not models
        draws = _scored(run, form, frame, labels, patients)
        if draws is None:
            return None
        rows, resamples = own, [*resamples, draws]
    return None if rows is None else (rows, resamples)


def _scored(
    run: Run, form: Answer, frame: pl.DataFrame, labels: Sequence[str], patients: ArrayLike
) -> Resamples | None:
    encoded, decided = form.read(frame)
    rows = form.rows(encoded, decided, frame["subject_id"].to_numpy(), resamples=RESAMPLES)
    rows = replace(rows, counted=_counted(run, form, rows.borne.shape[1], labels), patients=patients).scorable()
    if not rows.which.any():
        return None  # one class only: the score itself is "not measured" too
    draws = drawn([form.headline], rows)[form.headline.metric]
    return draws if isinstance(draws, Resamples) else None


def _counted(run: Run, form: Answer, count: int, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which labels count in averages, [L]; all, where that is not known or not asked."""
    about = run.per_label()
    if not form.several or about is None or about.height != count:
        return np.ones(count, dtype=np.bool_)
    enough = pl.col("scored") if "scored" in about.columns else pl.col("train_cases") >= ENOUGH_CASES
    counted = dict(about.select("label", enough.alias("counted")).iter_rows())
    names = labels if len(labels) == count else about["label"].to_list()
    return np.array([bool(counted.get(name)) for name in names])


def _n(made: Sequence[Comparison]) -> str:
    numbers = {comparison.difference.n for comparison in made}
    exact = all(comparison.ours.behind is None and comparison.theirs.behind is None for comparison in made)
    return f"{shown(numbers.pop(), exact)} " if len(numbers) == 1 and None not in numbers else ""
