"""Patients: whoever is learnt from must not be asked about, in any task and in no corpus."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

import polars as pl

from chartune.sources.splits import HELD_OUT
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.shares import Share, share


@dataclass(frozen=True)
class Patients:
    """How many patients stand in two places that must not share any."""

    law: str
    """Which two places, such as `in two splits of mortality`."""
    both: Share
    """Those who stand in both, of those who stand in the first."""


def patients(assignment: Rows, tasks: Mapping[str, Rows], corpus: Rows | None) -> tuple[Patients, ...]:
    """Every overlap of patients that must not be; a row per rule, whether or not it is broken.

    Args:
        assignment: `splits.parquet`.
        tasks: name → its examples, of all splits.
        corpus: its documents, of all splits; None: there is no corpus.
    """
    placed = {name: _placed(rows) for name, rows in tasks.items()}
    pretrained = _placed(corpus) if corpus else None
    everywhere = {"the assignment": _placed(assignment), **placed}
    if pretrained is not None:
        everywhere["corpus"] = pretrained
    rows = [Patients(f"in two splits of {name}", _twice(frame)) for name, frame in everywhere.items()]
    rows += _across(placed)
    if pretrained is not None:
        rows += [
            Patients(f"held out in {name}, in the training split of the corpus", _both(frame, _learnt(pretrained)))
            for name, frame in placed.items()
        ]
    return tuple(rows)


def _across(placed: Mapping[str, pl.DataFrame]) -> Iterator[Patients]:
    """Tasks with split lists of their own may learn from each other's held-out patients."""
    for name, frame in placed.items():
        others = [_learnt(other) for title, other in placed.items() if title != name]
        if others:
            learnt = reduce(lambda a, b: pl.concat([a, b]).unique(), others)
            yield Patients(f"held out in {name}, learnt from in another task", _both(frame, learnt))


def _placed(rows: Rows) -> pl.DataFrame:
    return rows.columns("subject_id", "split").unique()


def _learnt(placed: pl.DataFrame) -> pl.DataFrame:
    return placed.filter(pl.col("split") == "train").select("subject_id")


def _twice(placed: pl.DataFrame) -> Share:
    return share(
        placed.filter(pl.col("subject_id").is_duplicated())["subject_id"].n_unique(), placed["subject_id"].n_unique()
    )


def _both(placed: pl.DataFrame, learnt: pl.DataFrame) -> Share:
    held = placed.filter(pl.col("split").is_in(HELD_OUT)).select("subject_id").unique()
    return share(held.join(learnt, on="subject_id", how="semi").height, held.height)
