"""Lengths: how long the texts are, and how many a model that reads so many tokens would cut off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import polars as pl

from chartune.tasks.leakage.shares import Count, Share, enough, hidden_count, share


@dataclass(frozen=True)
class Cut:
    """Texts that are longer than a limit."""

    tokens: int
    texts: Share


@dataclass(frozen=True)
class Lengths:
    """How long the texts of a split are."""

    split: str
    unit: str
    """`words`, or the base model whose tokens are counted."""
    texts: Count
    mean: float | None
    """Like `median` and `longest` None where there are no texts, or too few real ones."""
    median: float | None
    longest: int | None
    cut: tuple[Cut, ...]
    """By rising limit; empty for words."""

    def hidden(self) -> Self:
        """As it is shown of real patients; a mean in whole numbers, because a fraction tells of how many it is."""
        cut = tuple(Cut(limit.tokens, limit.texts.hidden()) for limit in self.cut)
        if self.texts == 0:
            return self
        if enough(self.texts) and self.mean is not None and self.median is not None:
            mean, median = float(round(self.mean)), float(round(self.median))
            return replace(self, texts=hidden_count(self.texts), mean=mean, median=median, cut=cut)
        return replace(self, texts=hidden_count(self.texts), mean=None, median=None, longest=None, cut=cut)


def lengths(marks: pl.DataFrame, column: str, unit: str, limits: Sequence[int]) -> tuple[Lengths, ...]:
    """The lengths of the texts of each split.

    Args:
        marks: `split` and the column.
        column: holds the length of each text.
        unit: what is counted.
        limits: tokens beyond which a text is cut off.
    """
    groups = marks.group_by("split", maintain_order=True)
    return tuple(_lengths(str(split), unit, group[column], limits) for (split,), group in groups)


def _lengths(split: str, unit: str, counts: pl.Series, limits: Sequence[int]) -> Lengths:
    n = pl.col("n")
    frame = counts.cast(pl.Float64).alias("n").to_frame()
    mean, median, longest = frame.select(mean=n.mean(), median=n.median(), longest=n.max()).row(0)
    cut = tuple(Cut(limit, share(int((counts > limit).sum()), len(counts))) for limit in sorted(limits))
    return Lengths(split, unit, len(counts), mean, median, int(longest), cut)
