"""Adaptation to clinical text: how much better each base model predicts unlabelled notes, and what it took.

Runs are compared with each other where they have read the same tokens, patient by patient, on the same draws.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import polars as pl

from chartune.disclosure import Behind, fewest, is_made_up
from chartune.metrics import Resamples, paired_difference
from chartune.metrics.perplexity import perplexity_named
from chartune.report.compare import Comparison
from chartune.report.hidden import behind_run
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated
from chartune.report.variants import Score, Variant, named, score, seeds_explained
from chartune.runs import Run
from chartune.runs.nll import sums_of
from chartune.runs.run import CHOOSING, SCORING
from chartune.tasks.dataset import Dataset, gone

WORDS: Final = {"above": "higher: worse", "below": "lower: better", "open": "cannot tell"}
NOTE: Final = (
    "Against the one with the lowest validation perplexity; both read the same test patients, and each draw of them "
    "serves both. 95 % intervals. Of adapters on another tokenizer bits per byte are compared."
)


_BITS: Final[tuple[Column, Callable[[Variant], Cell]]] = (
    Column("Bits per byte", "after; of any tokenizer"),
    lambda v: _plain(v.score("bits_per_byte")),
)


@dataclass(frozen=True)
class Beside:
    """One adapter compared with the reference of its corpus."""

    compared: Comparison
    metric: str
    """`perplexity` where both have read the same tokens, else `bits_per_byte`."""


def protected(variants: Sequence[Variant], datasets: Mapping[str, Dataset]) -> list[Variant]:
    """Adapters, with who stands behind their scores where those are real patients."""

    def real(run: Run) -> bool:
        return not is_made_up((datasets.get(run.data or "") or gone(run.about.source)).source)

    def stands(variant: Variant, split: str) -> Behind | None:
        real_runs = [run for run in variant.runs if real(run)]
        return fewest([behind_run(run, split=split) for run in real_runs]) if real_runs else None

    return [replace(v, behind=stands(v, SCORING), watched=stands(v, CHOOSING)) for v in variants]


def kinds(variants: Sequence[Variant]) -> list[list[Variant]]:
    """Variants that predicted the next token, and those that guessed masked ones: no table mixes them."""
    return [those for masked in (False, True) if (those := [v for v in variants if v.masked == masked])]


def perplexity_table(variants: Sequence[Variant]) -> Table | None:
    """Test perplexity before and after adaptation, per token of each run's own tokenizer; None: nothing measured.

    Train perplexity and general text have a column where one of the variants has measured them.

    Args:
        variants: of one kind.
    """
    measured = [v for v in variants if v.score(v.headline)]
    if not measured:
        return None
    called = partial(perplexity_named, masked=measured[0].masked)
    after, before = called("perplexity"), called("perplexity_before")
    columns: list[tuple[Column, Callable[[Variant], Cell]]] = [
        (Column("Adapter", numeric=False), named),
        (Column("Before", "base model as it came"), lambda v: _plain(v.score(before))),
        (Column("After", "with the adapter"), lambda v: _plain(v.score(after))),
        (Column("After ÷ before", "below 1 is better"), _ratio),
        *([] if measured[0].masked else [_BITS]),
        (Column("Unigram", "token frequencies only"), lambda v: _plain(v.score(called("unigram_perplexity")))),
    ]
    further: list[tuple[Column, str, str]] = [
        (Column("Train", "a sample of the training blocks"), after, "train"),
        (Column("General, before", "plain text of no patient"), before, "general"),
        (Column("General, after", "above before: forgotten"), after, "general"),
        (Column("As published", "mean over batches, after"), "paper_perplexity", SCORING),
    ]
    for column, metric, split in further:
        if any(v.score(metric, split) for v in measured):
            columns.append((column, lambda v, metric=metric, split=split: _beside_test(v, metric, split)))  # type: ignore[misc]
    rows = tuple(tuple(cell(v) for _, cell in columns) for v in measured)
    heads = tuple(column for column, _ in columns)
    return Table(f"{measured[0].run.headline.title} on the test texts", heads, rows, seeds_explained(measured))


def perplexity_comparisons(variants: Sequence[Variant]) -> Table | None:
    """Each adapter against the one that was best on the validation split; None: none can be compared.

    Args:
        variants: of one kind.
    """
    made = list(adapters_beside(variants))
    if not made:
        return None
    columns = (
        Column("Adapter", "and what it is compared with", numeric=False),
        Column("Difference", "below 0 is better"),
        Column("The interval says", numeric=False),
    )
    rows = []
    for beside in made:
        ours, theirs, difference = beside.compared.ours, beside.compared.theirs, beside.compared.shown
        interval = estimated(difference.value, difference.low, difference.high, 3, signed=True)
        verdict = beside.compared.verdict
        rows.append((
            Cell(f"{ours.label} · {ours.name}", f"against {theirs.label} · {theirs.name}"),
            Cell(interval.text, f"{measured_by(beside)}\n{interval.detail}", strong=verdict != "open"),
            Cell(WORDS[verdict]),
        ))  # fmt: skip
    return Table(f"{variants[0].run.headline.title}: paired differences", columns, tuple(rows), NOTE, cards=False)


def measured_by(beside: Beside) -> str:
    """What is compared, in words."""
    return "bits per byte" if beside.metric == "bits_per_byte" else beside.compared.ours.run.headline.worded


def adapters_beside(variants: Sequence[Variant]) -> Iterator[Beside]:
    """Each adapter beside the one with the lowest validation perplexity on the same corpus; variants: of one kind."""
    for data in dict.fromkeys(v.run.data for v in variants):
        rows = {v.label: own for v in variants if v.run.data == data and (own := _rows(v)) is not None}
        chosen = [
            (best.estimate.value, v) for v in variants if v.label in rows and (best := v.score(v.headline, CHOOSING))
        ]
        if not chosen:
            continue
        reference = min(chosen, key=lambda pair: pair[0])[1]
        for variant in variants:
            if variant.label in rows and variant != reference:
                yield from _beside(variant, reference, rows[variant.label], rows[reference.label])


def _beside(ours: Variant, theirs: Variant, own: pl.DataFrame, other: pl.DataFrame) -> Iterator[Beside]:
    """Ours against theirs, where the same patients were read."""
    if own["subject_id"].equals(other["subject_id"]):
        metric = "perplexity" if own.equals(other) else "bits_per_byte"
        drawn, against = _draws(ours, metric), _draws(theirs, metric)
        if drawn and against:
            yield Beside(Comparison(ours, theirs, paired_difference(drawn, against).estimate()), metric)


def _rows(variant: Variant) -> pl.DataFrame | None:
    """How much of each test patient was read; None: not kept, not the same in all seeds, or of few real patients."""
    every = [_test_rows(run.nll()) for run in variant.runs]
    first = every[0]
    thin = variant.behind is not None and variant.behind.thin
    if first is None or first.is_empty() or thin or not all(rows is not None and rows.equals(first) for rows in every):
        return None
    return first


def _test_rows(rows: pl.DataFrame | None) -> pl.DataFrame | None:
    return None if rows is None else rows.filter(pl.col("split") == SCORING).select("subject_id", "tokens", "bytes")


def _draws(variant: Variant, metric: str) -> list[Resamples]:
    """Resamples of a metric for each seed; empty: its tokens or bytes were not counted."""
    every = [sums_of(rows, SCORING) for run in variant.runs if (rows := run.nll()) is not None]
    countable = [sums for sums in every if sums is not None and (metric == "perplexity" or sums.bytes is not None)]
    return [sums.draws(metric) for sums in countable]


def _plain(measured: Score | None) -> Cell:
    cell = score(measured, 2)
    return Cell(cell.text) if cell.detail == "no interval" else cell  # of one patient, or of an older run


def _beside_test(variant: Variant, metric: str, split: str) -> Cell:
    """A score of other texts than the test split's; an interval only where it is of no patients."""
    cell = _plain(variant.score(metric, split))
    return cell if split == "general" else Cell(cell.text)


def _ratio(variant: Variant) -> Cell:
    """With its interval; of older runs the ratio of what they have kept."""
    if measured := variant.score(f"{variant.headline}_ratio"):
        return _plain(measured)
    before, after = variant.score(f"{variant.headline}_before"), variant.score(variant.headline)
    if not before or not after or before.estimate.value <= 0:
        return Cell(NOT_MEASURED)
    return Cell(f"{after.estimate.value / before.estimate.value:.2f}")
