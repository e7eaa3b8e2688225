"""Drift: how the texts and labels of other data differ from those of the test split that a run was scored on.

lengths, share cut, words that the training texts lack, sections found, label prevalence: on its own data, and here
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from chartune.prediction.scorer import Reading
from chartune.runs.record import Drift
from chartune.tasks.dataset import TaskEntry

_WORD: Final = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Side:
    """Scored texts of one dataset."""

    texts: Sequence[str]
    reading: Reading
    labels: pl.DataFrame
    """`name` of each label that both sides know and `share` of rows that it applies to."""
    entry: TaskEntry


def drift(own: Side | None, here: Side, counts: str, learnt: Iterable[str]) -> tuple[Drift, ...]:
    """Each measure on the run's own test split and here.

    Args:
        own: the run's own test split; None: its data are gone.
        here: what is scored now.
        counts: what lengths count, such as `tokens`.
        learnt: the run's training texts; none: they are gone.
    """
    known = {word for text in learnt for word in words_of(text)}
    sides = (own, here)
    rows = [
        Drift(what=f"{counts} of a text, median", share=False, own=_median(own), here=_median(here)),
        Drift(what="texts that were cut", share=True, own=_cut(own), here=_cut(here)),
        Drift(what="words that no training text has", share=True,
              **dict(zip(("own", "here"), (_unknown(side, known) for side in sides), strict=True))),
    ]  # fmt: skip
    rows += [
        Drift(what=f"texts with the section {name}", share=True, own=_section(own, name), here=_section(here, name))
        for name in here.entry.sections
        if name != "texts"
    ]
    if here.labels.height <= _FEW_LABELS:
        rows += [
            Drift(what=f"prevalence of {name}", share=True, own=_prevalence(own, name), here=_prevalence(here, name))
            for name in here.labels["name"]
        ]
    return tuple(rows)


_FEW_LABELS: Final = 20
"""Labels of which each one's prevalence is listed."""


def words_of(text: str) -> list[str]:
    """Words of two letters and more, in small letters."""
    return _WORD.findall(text.lower())


def _median(side: Side | None) -> float | None:
    return None if side is None else float(np.median(side.reading.tokens))


def _cut(side: Side | None) -> float | None:
    return None if side is None else float(side.reading.truncated.mean())


def _unknown(side: Side | None, known: set[str]) -> float | None:
    if side is None or not known:
        return None
    every = [word in known for text in side.texts for word in words_of(text)]
    return 1 - sum(every) / len(every) if every else None


def _section(side: Side | None, name: str) -> float | None:
    sections = side.entry.sections if side else {}
    return sections[name] / sections["texts"] if sections.get("texts") and name in sections else None


def _prevalence(side: Side | None, name: str) -> float | None:
    return None if side is None else side.labels.filter(pl.col("name") == name)["share"].first()  # type: ignore[return-value]
