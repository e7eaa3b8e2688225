"""TextPair: two texts that are read together, such as a premise and a hypothesis, or a question and an abstract.

In frames a pair is a struct of both sides, and null where one of them is missing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import polars as pl

SECOND: Final = "text_pair"
"""The column of examples that holds the second text; the first is `text`."""


class TextPair(NamedTuple):
    """Two texts that go through a model as one."""

    first: str
    second: str


Text: TypeAlias = str | TextPair
"""What a model reads as one."""


def paired(first: pl.Series, second: pl.Series) -> pl.Series:
    """Both as structs, [n]; null where a side is null."""
    both = pl.DataFrame([first.alias("first"), second.alias("second")])
    whole = pl.all_horizontal(pl.all().is_not_null())
    return both.select(text=pl.when(whole).then(pl.struct("first", "second"))).to_series()


def texts_in(series: pl.Series) -> list[Text]:
    """Texts, or pairs, of a column without nulls."""
    if series.dtype == pl.String:
        return list(series)
    return [TextPair(**both) for both in series]


def read_texts(examples: pl.DataFrame) -> list[Text]:
    """What is read of each example: its text, or its pair of texts."""
    if not holds_pairs(examples):
        return examples["text"].to_list()
    return [TextPair(*both) for both in examples.select("text", SECOND).iter_rows()]


def holds_pairs(examples: pl.DataFrame) -> bool:
    """Whether examples are pairs of texts."""
    return SECOND in examples.columns and examples[SECOND].count() > 0


def first_sides(texts: Sequence[Text]) -> list[str]:
    """Texts, and of pairs the first."""
    return [text if isinstance(text, str) else text.first for text in texts]


def joined(texts: Sequence[Text]) -> list[str]:
    """Texts, and of pairs both in lines of their own: what words are counted in."""
    return [text if isinstance(text, str) else "\n".join(text) for text in texts]
