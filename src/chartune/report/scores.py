"""The score tables of one task: how well each variant does, and how well its probabilities are calibrated.

The form of the answer says which scores there are (`chartune.answers`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chartune.answers import Answer, Score
from chartune.disclosure import SMALL, TOO_FEW, rates, shown
from chartune.quantities import Estimate
from chartune.report.predicted import Predicted, of_variant
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, count, estimated, percent
from chartune.report.variants import Variant, baseline, called, named, scored, seeds_explained

READ: Final = {"tfidf": "whole text", "structured": "no text", "prior": "no text", "ensemble": "as its members"}
"""By kind of run what was read where there is no limit."""


def score_table(
    variants: Sequence[Variant], against: Mapping[str, Estimate], caption: str, form: Answer, rows: str = "admissions"
) -> Table:
    """How well the variants of one task do on the test split.

    Args:
        variants: numbered.
        against: paired difference from the baseline by variant label; empty: that column is left out.
        caption: whose scores.
        form: of the answers.
        rows: what a row of the data is.
    """
    reference, first = baseline(variants), form.headline
    columns: list[tuple[Column, Callable[[Variant], Cell]]] = [
        (Column("Variant", numeric=False), named),
        (Column(first.title, first.meaning), lambda v: scored(v, first.metric)),
    ]
    if against:
        columns.append((Column("Difference", "from TF-IDF, paired"), lambda v: _against(v, reference, against)))
    if any(v.score("oracle_auroc") for v in variants):
        columns.append((Column("Oracle", "best for the text it read"), lambda v: scored(v, "oracle_auroc")))
    for measure in form.measures[1:]:
        if measure.column:
            columns.append((Column(measure.title, measure.meaning), lambda v, measure=measure: _further(v, measure)))  # type: ignore[misc]
    columns.append((Column("Text read", "share of texts cut"), _reach))
    cells = tuple(tuple(cell(v) for _, cell in columns) for v in variants)
    remark = _base_rate(variants, rows) if form.one_outcome else _rows(variants, rows)
    notes = [remark, seeds_explained(variants)]
    return Table(caption, tuple(column for column, _ in columns), cells, " ".join(note for note in notes if note))


def calibration_table(variants: Sequence[Variant], task: str, known: Mapping[str, Predicted | None]) -> Table | None:
    """How well the probabilities of a task are calibrated; None when nothing of it was measured.

    `known`: fingerprint → what a run says, for the ECE.
    """
    asked = ("brier", "log_loss", "calibration_intercept", "calibration_slope")
    if not any(v.run.estimate(metric) for v in variants for metric in asked):
        return None
    columns = (
        Column("Variant", numeric=False),
        Column("Intercept", "best 0; below: expects too many"),
        Column("Slope", "best 1; below: too sure"),
        Column("Brier score", "lower is better"),
        Column("Log loss", "lower is better"),
        Column("ECE", "best 0; bins of equally many"),
    )
    rows = tuple(
        (called(v), scored(v, "calibration_intercept", 2),
         scored(v, "calibration_slope", 2), scored(v, "brier"), scored(v, "log_loss"),
         of_variant(v, "ece", known))
        for v in variants
    )  # fmt: skip
    return Table(f"{task}: calibration", columns, rows)


def prevalence(variants: Sequence[Variant]) -> str:
    """The share of rows with the outcome; empty: not measured, or hidden."""
    rate = next((measured for v in variants if (measured := v.score("prevalence")) is not None), None)
    return percent(rate.estimate.value, 3) if rate else ""


def _against(variant: Variant, reference: Variant | None, against: Mapping[str, Estimate]) -> Cell:
    if variant.hidden:
        return Cell(TOO_FEW)
    if variant == reference:
        return Cell("reference")
    difference = against.get(variant.label)
    if difference is None:
        return Cell(NOT_MEASURED)
    digits = 3 if variant.behind is None else variant.behind.precision(variant.headline)
    return estimated(difference.value, difference.low, difference.high, digits, signed=True)


def _further(variant: Variant, score: Score) -> Cell:
    """A score that is not the headline; a count of labels hides nobody."""
    if score.counts != "labels":
        return scored(variant, score.metric)
    some, every = variant.run.estimate(score.metric), variant.run.estimate(score.out_of)
    return Cell(count(some.value) if some else NOT_MEASURED, f"of {count(every.value)}" if every else "")


def _base_rate(variants: Sequence[Variant], rows: str) -> str:
    rate = prevalence(variants)
    if rate or any(v.hidden for v in variants):
        return f"{_rows(variants, rows)} {f'Prevalence {rate}.' if rate else ''}".strip()
    return f"Prevalence {NOT_MEASURED}."


def _rows(variants: Sequence[Variant], rows: str) -> str:
    if any(v.hidden for v in variants):
        return f"The test split has fewer than {SMALL} {rows} or patients, or fewer with the outcome or without it."
    n = next((e.n for v in variants if (e := v.run.estimate(v.headline)) is not None and e.n), None)
    return f"{shown(n, all(v.behind is None for v in variants))} test {rows}." if n else ""


def _reach(variant: Variant) -> Cell:
    """How much of an admission text a variant has seen: truncation belongs beside every score."""
    run = variant.run
    length, cut = run.about.max_seq_len, run.about.truncated_fraction
    if length is None and cut is None:
        return Cell(READ.get(run.kind, NOT_MEASURED))
    seen = run.about.tokens_read or "whole text"
    if cut is None:
        return Cell(seen, "share cut not measured")
    share = rates.percent(cut, variant.behind is None, variant.behind.rows if variant.behind else None)
    return Cell(seen, f"share cut {share}" if share == TOO_FEW else f"{share} of texts cut")
