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
    late: Share | None
    """Examples with a time later than the prediction; None: not measured."""


def late(block: pl.DataFrame) -> pl.Series:
    """Whether a row has a time later than its prediction: booleans [n]; false where there is nothing to compare."""
    later = [pl.col(name) > pl.col(PREDICTED) for name in time_columns(block.schema)]
    if not later:
        return pl.repeat(False, block.height, dtype=pl.Boolean, eager=True).alias("late")
    return block.select(late=pl.any_horizontal(*later).fill_null(False))["late"]


def time_columns(schema: pl.Schema) -> tuple[str, ...]:
    """The columns with times of the text: every column of times but that of the prediction."""
    return tuple(name for name, dtype in schema.items() if dtype.is_temporal() and name != PREDICTED)


def times(kind: str, columns: tuple[str, ...], marks: pl.DataFrame) -> Times:
    """The check of a task. marks: the column of `late`."""
    return Times(kind, columns, share(int(marks["late"].sum()), marks.height) if columns else None)
