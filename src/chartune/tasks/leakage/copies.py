"""Copies: how many held-out texts stand in what is learnt from, whole or in part, each in one training text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.log import progress
from chartune.notes.clean import copy_key, without_markers
from chartune.tasks.containment.held_out import HeldOutTexts
from chartune.tasks.containment.round import LEAST
from chartune.tasks.containment.shingles import Masks
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.shares import Share, share

PILE: Final = "held-out.pile"


@dataclass(frozen=True)
class Asked:
    """Held-out texts."""

    name: str
    """Such as `mortality` or `corpus`."""
    split: str
    rows: Rows


@dataclass(frozen=True)
class Limits:
    """From which share on a text of which runs is contained in another."""

    containment: float
    """Least share of a text that is contained."""
    look: float
    """Least share of a text that stands there in part."""
    boilerplate: int
    """Runs in texts of more held-out patients are boilerplate."""


@dataclass(frozen=True)
class Copies:
    """What of the held-out texts of a split stands in what is learnt from."""

    learnt: str
    """Where the training texts come from: a task, or the corpus."""
    asked: str
    """Where the held-out texts come from."""
    split: str
    exact: Share
    """Equal to a training text but for case, blanks, punctuation and masks."""
    long_exact: Share
    """Those of them that have at least `LEAST` runs of eight words: shorter ones are written again by whoever means
    them."""
    contained: Share
    """Of the texts that can be judged those of whose rare runs `containment` or more stand in one training text."""
    partly: Share
    """Of the texts that can be judged those of which less stands in one training text, but `look` or more."""
    unjudged: Share
    """Texts with fewer than `LEAST` rare runs: too short, or boilerplate."""


def copies(
    learnt: str, train: Rows, asked: Sequence[Asked], masks: Masks, limits: Limits, folder: Path
) -> tuple[Copies, ...]:
    """Look for held-out texts in training texts; both are read block by block, the training texts once per round.

    Args:
        learnt: what to call the training texts.
        train: the training texts.
        asked: the held-out texts.
        masks: what becomes of de-identified spans.
        limits: what counts.
        folder: where the runs of the held-out texts lie meanwhile.

    Returns:
        A row for each of `asked`, in this order.
    """
    with HeldOutTexts(folder / PILE, masks, limits.boilerplate) as held:
        keys: dict[int, int] = {}
        numbers = [_taken_in(part.rows.blocks("subject_id", "text"), held, keys) for part in asked]
        looked = _looked(held, np.array([keys[n] for n in range(len(held))], dtype=np.uint64), train, learnt)
    return tuple(_row(learnt, part, counts, looked, limits) for part, counts in zip(asked, numbers, strict=True))


@dataclass(frozen=True)
class _Looked:
    """What was seen of each text: [n]."""

    long: NDArray[np.bool_]
    exact: NDArray[np.bool_]
    rare: NDArray[np.int64]
    best: NDArray[np.float64]
    """Greatest share in one training text."""


def _taken_in(blocks: Iterable[pl.DataFrame], held: HeldOutTexts, keys: dict[int, int]) -> NDArray[np.int64]:
    """The numbers of these texts; `keys` gets the key of each that copies of it share."""
    every = [np.zeros(0, dtype=np.int64)]
    for block in blocks:
        numbers = held.add(block)
        keys.update(zip(numbers.tolist(), _copy_keys(block["text"], held.masks).tolist(), strict=True))
        every.append(numbers)
    return np.concatenate(every)


def _looked(held: HeldOutTexts, keys: NDArray[np.uint64], train: Rows, learnt: str) -> _Looked:
    """Look for the texts in all training texts."""
    n = len(held)
    measured = _Looked(held.sizes >= LEAST, np.zeros(n, np.bool_), np.zeros(n, np.int64), np.zeros(n))
    for number, some in enumerate(held.rounds()):
        measured.rare[some.first : some.first + len(some.sizes)] = some.sizes
        with progress(f"looking for copies in {learnt}") as meter:
            for block in train.blocks("text"):
                if not number:
                    measured.exact[np.isin(keys, _copy_keys(block["text"], held.masks))] = True
                for shared in some.look_in(block["text"]):
                    np.maximum.at(measured.best, shared.texts, shared.shares)
                meter.advance(block.height)
    return measured


def _copy_keys(texts: pl.Series, masks: Masks) -> NDArray[np.uint64]:
    text = pl.col("text").fill_null("")
    key = copy_key(text if masks == "dropped" else without_markers(text))
    return texts.alias("text").to_frame().select(key)["text"].to_numpy()


def _row(learnt: str, asked: Asked, texts: NDArray[np.int64], looked: _Looked, limits: Limits) -> Copies:
    exact, long, best = looked.exact[texts], looked.long[texts], looked.best[texts]
    judged = looked.rare[texts] >= LEAST
    contained = best >= limits.containment
    n, some = len(texts), int(judged.sum())
    return Copies(
        learnt, asked.name, asked.split,
        exact=share(int(exact.sum()), n), long_exact=share(int((exact & long).sum()), n),
        contained=share(int(contained.sum()), some),
        partly=share(int((~contained & (best >= limits.look)).sum()), some),
        unjudged=share(n - some, n),
    )  # fmt: skip
