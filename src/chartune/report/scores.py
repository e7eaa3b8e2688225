"""The score tables of one task: how well each variant ranks, and whether its probabilities can be believed.

The answer decides what is asked: yes or no (`binary`), one of several (`multiclass`), any of many (`multilabel`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chartune.quantities import Estimate
from chartune.report.cohort import SMALL
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, count, estimated, percent
from chartune.report.variants import Variant, baseline, named, score, seeds_explained
from chartune.runs import Run

HEADLINE: Final = {
    "binary": "AUROC",
    "multiclass": "Macro AUROC",
    "multilabel": "Macro AUROC",
}
"""What the headline score of an answer is called."""

_MORE: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "binary": (("auprc", "AUPRC", "chance: prevalence"),),
    "multiclass": (("accuracy", "Accuracy", "first guess right"), ("log_loss", "Log loss", "lower is better")),
    "multilabel": (("micro_auroc", "Micro AUROC", "all cells in one ranking"), ("macro_auprc", "Macro AUPRC", "")),
}
"""Further scores of an answer: metric, heading, meaning."""


def score_table(
    variants: Sequence[Variant], against: Mapping[str, Estimate], caption: str, answer: str, open_data: bool
) -> Table:
    """How well the variants of one task rank the test split.

    Args:
        variants: numbered.
        against: paired difference from the baseline by variant label; empty: that column is left out.
        caption: whose scores.
        answer: `binary`, `multiclass` or `multilabel`.
        open_data: the patients are fictional, so that a small number of positives may be told.
    """
    reference = baseline(variants)
    columns: list[tuple[Column, Callable[[Variant], Cell]]] = [
        (Column("Variant", numeric=False), named),
        (Column(HEADLINE[answer], "95 % interval"), lambda v: score(v.score("auroc"))),
    ]
    if against:
        columns.append((Column("Difference", "from TF-IDF, paired"), lambda v: _against(v, reference, against)))
    if any(v.score("oracle_auroc") for v in variants):
        columns.append((Column("Oracle", "best for the text it read"), lambda v: score(v.score("oracle_auroc"))))
    for metric, heading, meaning in _MORE[answer]:
        columns.append((Column(heading, meaning), lambda v, metric=metric: score(v.score(metric))))  # type: ignore[misc]
    if answer == "multilabel":
        columns.append((Column("Labels scored", "of all"), _labels))
    columns.append((Column("Text read", "share of texts cut"), lambda v: _reach(v.run)))
    rows = tuple(tuple(cell(v) for _, cell in columns) for v in variants)
    notes = [_base_rate(variants, open_data) if answer == "binary" else _rows(variants), seeds_explained(variants)]
    return Table(caption, tuple(column for column, _ in columns), rows, " ".join(note for note in notes if note))


def calibration_table(variants: Sequence[Variant]) -> Table | None:
    """Whether the probabilities can be believed; None when nothing of it was measured."""
    asked = ("brier", "log_loss", "calibration_intercept", "calibration_slope")
    if not any(v.score(metric) for v in variants for metric in asked):
        return None
    columns = (
        Column("Variant", numeric=False),
        Column("Intercept", "best 0; below: expects too many"),
        Column("Slope", "best 1; below: too sure"),
        Column("Brier score", "lower is better"),
        Column("Log loss", "lower is better"),
    )
    rows = tuple(
        (Cell(f"{v.label} · {v.name}"), score(v.score("calibration_intercept"), 2),
         score(v.score("calibration_slope"), 2), score(v.score("brier")), score(v.score("log_loss")))
        for v in variants
    )  # fmt: skip
    return Table("Can the probabilities be believed?", columns, rows)


def prevalence(variants: Sequence[Variant], open_data: bool) -> str:
    """The share of rows with the outcome, unless it would tell how few they are; empty: not measured."""
    rate = next((e for v in variants if (e := v.run.estimate("prevalence")) is not None), None)
    if rate is None:
        return ""
    few = rate.n is not None and 0 < round(rate.value * rate.n) < SMALL and not open_data
    return f"below {percent(SMALL / rate.n, 2)}" if few and rate.n else percent(rate.value, 3)


def _against(variant: Variant, reference: Variant | None, against: Mapping[str, Estimate]) -> Cell:
    if variant == reference:
        return Cell("reference")
    difference = against.get(variant.label)
    if difference is None:
        return Cell(NOT_MEASURED)
    return estimated(difference.value, difference.low, difference.high, signed=True)


def _labels(variant: Variant) -> Cell:
    scored, every = variant.run.estimate("labels_scored"), variant.run.estimate("labels_all")
    return Cell(count(scored.value) if scored else NOT_MEASURED, f"of {count(every.value)}" if every else "")


def _base_rate(variants: Sequence[Variant], open_data: bool) -> str:
    told = prevalence(variants, open_data)
    return f"{_rows(variants)} Prevalence {told}.".strip() if told else f"Prevalence {NOT_MEASURED}."


def _rows(variants: Sequence[Variant]) -> str:
    n = next((e.n for v in variants if (e := v.run.estimate("auroc")) is not None and e.n), None)
    return f"{count(n)} test admissions." if n else ""


def _reach(run: Run) -> Cell:
    """How much of an admission text a variant has seen: truncation belongs beside every score."""
    length, cut = run.about.get("max_seq_len"), run.about.get("truncated_fraction")
    if length is None and cut is None:
        return Cell("whole text" if run.kind == "tfidf" else NOT_MEASURED)
    seen = "whole text" if length is None else f"first {length:,} tokens"
    return Cell(seen, f"{percent(cut, 3)} of texts cut" if cut is not None else "share cut not measured")
