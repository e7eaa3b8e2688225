"""Which variant beats which: differences of the headline score on the same admissions and the same draws of patients.

    TF-IDF ◀── every variant          what a language model adds to counting words
    head only ◀── same base model     what adaptation adds to the base model as it came
    fresh ◀── clinical + …            what adaptation to clinical text adds to adaptation to the task
    member ◀── ensemble               what several models together add to each of them

A difference over several seeds is the difference of their means, drawn by draw. Each pair has a p of no difference,
corrected for how many pairs a table has (Holm, 1979).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import polars as pl
from numpy.typing import ArrayLike

from chartune.answers import Answer
from chartune.disclosure import shown
from chartune.metrics import Resamples, paired_difference
from chartune.metrics.decisive import bootstrap_p, holm
from chartune.metrics.delong import clustered_delong
from chartune.quantities import Estimate
from chartune.report.hidden import behind_run
from chartune.report.predicted import Predicted, oversized, predicted
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated
from chartune.report.variants import Variant, baseline, is_head_only, numbered
from chartune.runs import Run


@dataclass(frozen=True)
class Comparison:
    """One variant against another on the same patients."""

    ours: Variant
    theirs: Variant
    difference: Estimate
    """As measured: the verdict goes by it."""
    p: float = nan
    """Of no difference, two-sided; NaN: undefined."""
    corrected: float = nan
    """The same, corrected for the number of comparisons (Holm)."""

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


def comparisons(
    variants: Sequence[Variant], form: Answer, labels: Sequence[str] = (),
    known: Mapping[str, Predicted | None] | None = None, pairs: Iterable[tuple[Variant, Variant]] | None = None,
) -> list[Comparison]:  # fmt: skip
    """All comparisons of one task that mean something and can be made; each pair once.

    Args:
        variants: of one task on one data set.
        form: of their answers.
        labels: ids of the labels in the order of their numbers; empty: as the runs list them.
        known: fingerprint → what a run says; None: it is worked out.
        pairs: what is compared with what; None: whatever means something.

    A pair is absent when one side has no predictions, or they do not stand on the same admissions and answers.
    """
    if known is None:
        known = what_is_said(variants, form, labels, headline_alone=True)
    scored = {variant.label: _seeds(variant, known) for variant in variants if not variant.hidden}
    made = []
    for ours, theirs in dict.fromkeys(_pairs(variants) if pairs is None else pairs):
        own, other = scored.get(ours.label), scored.get(theirs.label)
        if own and other and own[0].rows.equals(other[0].rows):
            made.append(_made(ours, theirs, own, other))
    corrected = holm([each.p for each in made])
    return [replace(each, corrected=p) for each, p in zip(made, corrected, strict=True)]


def what_is_said(
    variants: Sequence[Variant], form: Answer, labels: Sequence[str] = (), *, headline_alone: bool = False
) -> dict[str, Predicted | None]:
    """Fingerprint → what a run says, of all whose scores are shown; arguments as of `comparisons`."""
    scores = (form.headline,) if headline_alone else None
    return {run.fingerprint: predicted(run, form, labels, scores)
            for variant in variants if not variant.hidden for run in variant.runs}  # fmt: skip


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
        oversized(form, run.predictions("test")) for v in asked.values() for run in v.runs if run.has_predictions()
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
        Column("The interval says", numeric=False), Column("p", "corrected by Holm"),
    )  # fmt: skip
    words = {"above": "better", "below": "worse", "open": "cannot tell"}
    rows = []
    for comparison in made:
        ours, theirs, difference = comparison.ours, comparison.theirs, comparison.shown
        interval = estimated(difference.value, difference.low, difference.high, comparison.digits, signed=True)
        rows.append((
            Cell(f"{ours.label} · {ours.name}", f"against {theirs.label} · {theirs.name}"),
            Cell(interval.text, interval.detail, strong=comparison.verdict != "open"), Cell(words[comparison.verdict]),
            Cell(p_text(comparison.corrected, comparison.digits)),
        ))  # fmt: skip
    single = made[0].ours.run.form is not None and made[0].ours.run.form.one_outcome
    test = "DeLong's test with patients as clusters (Obuchowski, 1997)" if single else "the same draws"
    note = (
        f"Both score the same {_n(made)}{unit}, and each draw of patients serves both. 95 % intervals, not corrected. "
        f"p of no difference by {test}, corrected for the comparisons of this table (Holm, 1979)."
    )
    return Table(f"{task}: paired differences", columns, tuple(rows), note, cards=False)


def p_text(p: float, digits: int) -> str:
    """`0.031`, `<0.001`; of NaN that it was not measured."""
    if p != p:
        return NOT_MEASURED
    return f"<{10.0**-digits:.{digits}f}" if p < 10.0**-digits else f"{p:.{digits}f}"


def _pairs(variants: Sequence[Variant]) -> Iterator[tuple[Variant, Variant]]:
    reference = baseline(variants)
    if reference:
        yield from ((variant, reference) for variant in variants if variant != reference)
    for variant in variants:
        same = [v for v in variants if v.run.backbone and _base(v) == _base(variant) and v != variant]
        yield from ((variant, other) for other in same if is_head_only(other) and not is_head_only(variant))
        if any(layer.run for layer in variant.run.stack):
            yield from ((variant, other) for other in same if _only_fresh(other))
        members = {member.run for run in variant.runs for member in run.about.members}
        yield from ((variant, other) for other in variants if members & {run.fingerprint for run in other.runs})


def _only_fresh(variant: Variant) -> bool:
    """Whether its stack learnt the task alone: nothing in it was adapted to clinical text before."""
    return bool(variant.run.stack) and all(layer.state == "fresh" for layer in variant.run.stack)


def _base(variant: Variant) -> Any:
    base = variant.run.backbone
    return base and (base.content_hash or base.name)


def headline_draws(
    runs: Sequence[Run], form: Answer, labels: Sequence[str], patients: ArrayLike, resamples: int
) -> tuple[pl.DataFrame, list[Resamples]] | None:
    """Which test rows some runs answered, and the headline score of each on each draw of patients.

    Args:
        runs: of one task, each a seed of one variant.
        form: of their answers.
        labels: ids of the labels in the order of their numbers; empty: as the runs list them.
        patients: who is drawn from; empty: those of the rows.
        resamples: draws of patients.

    Returns:
        None: a run has no predictions, they are not of the same rows, or no score is defined.
    """
    seeds = _of_the_same_rows([predicted(run, form, labels, (form.headline,), patients, resamples) for run in runs])
    return None if seeds is None else (seeds[0].rows, [each.headline for each in seeds if each.headline is not None])


def _seeds(variant: Variant, known: Mapping[str, Predicted | None]) -> list[Predicted] | None:
    """What each seed of a variant says of the same rows; None: not comparable."""
    return _of_the_same_rows([known.get(run.fingerprint) for run in variant.runs])


def _of_the_same_rows(every: Sequence[Predicted | None]) -> list[Predicted] | None:
    seeds = [each for each in every if each is not None and each.headline is not None]
    if len(seeds) < len(every) or any(not each.rows.equals(seeds[0].rows) for each in seeds):
        return None  # other admissions: a difference would compare patients, not models
    return seeds


def _made(ours: Variant, theirs: Variant, own: Sequence[Predicted], other: Sequence[Predicted]) -> Comparison:
    pairs = [[each.headline for each in side if each.headline is not None] for side in (own, other)]
    difference = paired_difference(*pairs)
    return Comparison(ours, theirs, difference.estimate(), _p(own, other, difference))


def _p(own: Sequence[Predicted], other: Sequence[Predicted], difference: Resamples) -> float:
    """Of no difference: of a single outcome by DeLong's test with patients as clusters, else from the draws."""
    rows = own[0].rows
    if not own[0].decided.size:
        return bootstrap_p(difference)
    mine, others = ([each.decided for each in side] for side in (own, other))
    return clustered_delong(rows["label"].to_numpy(), mine, others, rows["subject_id"].to_numpy()).p


def _n(made: Sequence[Comparison]) -> str:
    numbers = {comparison.difference.n for comparison in made}
    exact = all(comparison.ours.behind is None and comparison.theirs.behind is None for comparison in made)
    return f"{shown(numbers.pop(), exact)} " if len(numbers) == 1 and None not in numbers else ""
