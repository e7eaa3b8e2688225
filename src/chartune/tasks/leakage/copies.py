"""Copies: how many held-out texts stand in what is learnt from, as they are, nearly so, or quoted in a longer text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.log import progress
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.near_copies import HeldOut
from chartune.tasks.leakage.shares import Share, share
from chartune.tasks.leakage.shingles import Masks, Sketches, joined, sketch

ROUND: Final = 1 << 25
"""Shingles of held-out texts that are held at once, four bytes each: more are looked for in several rounds."""
LONG: Final = 16
"""Different runs of five words that a text has which nobody writes twice by chance: some twenty words."""


@dataclass(frozen=True)
class Asked:
    """Held-out texts."""

    name: str
    """Such as `mortality` or `corpus`."""
    split: str
    rows: Rows


@dataclass(frozen=True)
class Copies:
    """What of the held-out texts of a split stands in what is learnt from."""

    learnt: str
    """Where the training texts come from: a task, or the corpus."""
    asked: str
    """Where the held-out texts come from."""
    split: str
    exact: Share
    """Equal but for case, blanks, punctuation and masks."""
    long_exact: Share
    """Those of them that have at least `LONG` runs of words: shorter ones are written again by whoever means them."""
    near: Share
    """Exact copies, and texts that share `near` of their five-word runs with one training text (Jaccard)."""
    quoted: Share
    """Near copies, and texts of whose five-word runs `quoted` stand in one training text."""


def copies(
    learnt: str, train: Rows, asked: Sequence[Asked], masks: Masks, near: float, quoted: float
) -> tuple[Copies, ...]:
    """Look for held-out texts in training texts; both are read block by block, the training texts once per round.

    Args:
        learnt: what to call the training texts.
        train: the training texts.
        asked: the held-out texts.
        masks: what becomes of de-identified spans.
        near: least Jaccard similarity of a near copy.
        quoted: least share of a quoted text.

    Returns:
        A row for each of `asked`, in this order.
    """
    counts = np.zeros((len(asked), 5), dtype=np.int64)
    for owners, texts in _rounds(asked, masks):
        index = HeldOut(texts, near, quoted)
        with progress(f"looking for copies in {learnt}") as meter:
            for block in train.blocks("text"):
                index.look_in(sketch(block["text"], masks))
                meter.advance(block.height)
        for column, flag in enumerate(_found(index)):
            counts[:, column] += np.bincount(owners[flag], minlength=len(asked))
    return tuple(_row(learnt, one, *map(int, row)) for one, row in zip(asked, counts, strict=True))


def _found(index: HeldOut) -> Iterator[NDArray[np.bool_]]:
    """Whether a text is there at all, an exact copy, a long one, a near copy, quoted: each [n]."""
    near = index.exact | (index.jaccard >= index.near)
    yield np.ones(len(near), dtype=np.bool_)
    yield index.exact
    yield index.exact & (index.texts.sizes >= LONG)
    yield near
    yield near | (index.containment >= index.quoted)


def _rounds(asked: Sequence[Asked], masks: Masks) -> Iterator[tuple[NDArray[np.int64], Sketches]]:
    """Held-out texts in rounds of some `ROUND` shingles, each with the place of its owner in `asked`."""
    owners: list[NDArray[np.int64]] = []
    parts: list[Sketches] = []
    for place, one in enumerate(asked):
        for block in one.rows.blocks("text"):
            parts.append(sketch(block["text"], masks))
            owners.append(np.full(block.height, place))
            if sum(len(part.shingles) for part in parts) >= ROUND:
                yield _taken(owners, parts)
    if parts:
        yield _taken(owners, parts)


def _taken(owners: list[NDArray[np.int64]], parts: list[Sketches]) -> tuple[NDArray[np.int64], Sketches]:
    """All of them as one; the lists are emptied, so that nothing is held twice."""
    together = np.concatenate(owners), joined(parts)
    owners.clear()
    parts.clear()
    return together


def _row(learnt: str, asked: Asked, texts: int, *counts: int) -> Copies:
    return Copies(learnt, asked.name, asked.split, *(share(count, texts) for count in counts))
