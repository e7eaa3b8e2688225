"""Adaptation to clinical text: how much better each base model predicts unlabelled notes, and what it took."""

from collections.abc import Sequence

from chartune.report.table import NOT_MEASURED, Cell, Column, Table
from chartune.report.variants import Score, Variant, named, score, seeds_explained


def perplexity_table(variants: Sequence[Variant]) -> Table | None:
    """Test perplexity before and after adaptation, per token of each run's own tokenizer; None: nothing measured."""
    measured = [v for v in variants if v.score("perplexity")]
    if not measured:
        return None
    columns = (
        Column("Adapter", numeric=False),
        Column("Before", "base model as it came"),
        Column("After", "with the adapter"),
        Column("After ÷ before", "below 1 is better"),
        Column("Unigram", "token frequencies only"),
    )
    rows = []
    for v in measured:
        before, after = v.score("perplexity_before"), v.score("perplexity")
        rows.append(
            (named(v), _plain(before), _plain(after), _ratio(before, after), _plain(v.score("unigram_perplexity")))
        )
    return Table("Perplexity on the test texts", columns, tuple(rows), seeds_explained(measured))


def _plain(measured: Score | None) -> Cell:
    cell = score(measured, 2)
    return Cell(cell.text) if cell.detail == "no interval" else cell  # perplexity never has one: no need to say so


def _ratio(before: Score | None, after: Score | None) -> Cell:
    if not before or not after or before.estimate.value <= 0:
        return Cell(NOT_MEASURED)
    return Cell(f"{after.estimate.value / before.estimate.value:.2f}")
