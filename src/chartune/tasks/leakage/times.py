"""Times: was every word that is read there to be read when the prediction is made?"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from chartune.tasks.leakage.shares import Share, share

PREDICTED: Final = "prediction_time"


@dataclass(frozen=True)
class Times:
    """How the time of the text was checked against the time of the prediction."""

    kind: str
    """Of the task's card: `retrospective-text`, `prospective` or `as-given`."""
    columns: tuple[str, ...]
    """Columns of the examples that say when what is read was written or stored; empty: they keep none."""
    untimed: Share
    """Examples without a time of their text, or of their prediction: nothing can be said of them."""
    late: Share | None
    """Of the others those with a time later than the prediction; None: not measured, because there are no others."""


def compared(block: pl.DataFrame) -> pl.DataFrame:
    """Whether a row has times to compare, and one that is later than its prediction: `timed` · `late`, booleans [n]."""
    later = [pl.col(name) > pl.col(PREDICTED) for name in time_columns(block.schema)]
    timed = pl.any_horizontal(pl.lit(False), *(column.is_not_null() for column in later))
    late = pl.any_horizontal(pl.lit(False), *(column.fill_null(False) for column in later))
    return block.with_columns(timed=timed, late=late).select("timed", "late")


def time_columns(schema: pl.Schema) -> tuple[str, ...]:
    """The columns with times of the text: every column of times but that of the prediction."""
    return tuple(name for name, dtype in schema.items() if dtype.is_temporal() and name != PREDICTED)


def times(kind: str, columns: tuple[str, ...], marks: pl.DataFrame) -> Times:
    """The check of a task. marks: the columns of `compared`."""
    timed, late = int(marks["timed"].sum()), int(marks["late"].sum())
    return Times(kind, columns, share(marks.height - timed, marks.height), share(late, timed) if timed else None)
