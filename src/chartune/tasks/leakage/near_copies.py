"""Near copies: which held-out texts stand, whole or in part, in a text that is learnt from.

    held-out texts ─sketch─▶ index ◀─look_in─ training texts, block by block
                               └─▶ pairs that may be alike ─▶ their sets compared ─▶ best Jaccard, best containment

Only held-out texts are kept, so memory does not grow with what is learnt from. Candidates come from two sides: equal
MinHash keys lead to texts that are alike as a whole, rare shingles to a longer text that quotes a shorter one. What is
counted has been compared exactly; what is missed was no candidate, so the counts are lower bounds.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.tasks.leakage.shingles import BANDS, Sketches

PROBES: Final = 32
"""Shingles of a held-out text, drawn by hash, that are looked for in training texts."""
COMMON: Final = 16
"""A probe that more held-out texts share is a phrase of the house, leads to nobody, and is dropped."""
ENOUGH_PROBES: Final = 0.25
"""Share of its probes that a text must have in common with another to be compared with it. A text half of which is
quoted shares half of them, and 8 of 32 with probability 0.999."""
TRIES: Final = 4
"""Texts of a block that a held-out text is compared with at most from either side, those first that share most."""
STILL_OPEN: Final = 7 / 8
"""The index is made anew when less than this share of its texts is still looked for."""
PAIRS: Final = 1 << 21
"""Pairs that are held in memory at once; a block that has more is cut in two."""
COMPARED: Final = 1 << 21
"""Shingles that are looked up at once."""

Ints = NDArray[np.int64]


class HeldOut:
    """Held-out texts, and what of each was found in the training texts looked in so far."""

    def __init__(self, texts: Sketches, near: float, quoted: float) -> None:
        """Index n held-out texts.

        Args:
            texts: their sketches.
            near: a text with this Jaccard similarity is found and no longer looked for as a whole.
            quoted: a text of which this share is contained in another is no longer looked for in part.
        """
        self.texts, self.near, self.quoted = texts, near, quoted
        self.exact: NDArray[np.bool_] = np.zeros(len(texts), dtype=np.bool_)
        """Whether an exact copy was seen: [n]."""
        self.jaccard: NDArray[np.float64] = np.zeros(len(texts))
        """|A ∩ B| / |A ∪ B| with the most similar text that it was compared with: [n]."""
        self.containment: NDArray[np.float64] = np.zeros(len(texts))
        """|A ∩ B| / |A|, the share of the held-out text A that stands in one training text B, at most: [n]."""
        self._index()
        self._probes, self._probed = _rare(*_lowest(texts))
        self._marked = np.zeros(1 << 16, dtype=np.bool_)
        self._marked[self._probes >> np.uint32(16)] = True
        self._probes_of = np.bincount(self._probed, minlength=len(texts))

    def look_in(self, block: Sketches) -> None:
        """Compare with a block of training texts."""
        self.exact |= np.isin(self.texts.copies, block.copies)
        self._look(block, 0, len(block))
        if (self.jaccard < self.near).sum() < STILL_OPEN * self._order.shape[1]:
            self._index()

    def _index(self) -> None:
        """Sort the keys of the texts without a near copy so far: those of a text that is found only cost time."""
        texts = np.flatnonzero(self.jaccard < self.near)
        order = np.argsort(self.texts.bands[:, texts], axis=1)
        self._order = texts[order]
        self._keys = np.take_along_axis(self.texts.bands[:, texts], order, axis=1)

    def _look(self, block: Sketches, first: int, last: int) -> None:
        """Compare with texts first … last - 1 of a block."""
        bands = block.bands[:, first:last]
        low = np.stack([np.searchsorted(self._keys[b], bands[b], "left") for b in range(BANDS)])
        high = np.stack([np.searchsorted(self._keys[b], bands[b], "right") for b in range(BANDS)])
        if (high - low).sum() > PAIRS and last - first > 1:
            middle = (first + last) // 2
            self._look(block, first, middle)
            self._look(block, middle, last)
            return
        wholes = self._alike(low, high, first)
        parts = self._quoting(block, first, last)
        self._compare(block, np.unique(np.concatenate([wholes, parts]), axis=0))

    def _alike(self, low: Ints, high: Ints, first: int) -> Ints:
        """(held-out, training) pairs with equal keys, of texts without a near copy so far: [P, 2]."""
        held = [self._order[b][_ranges(low[b], high[b] - low[b])] for b in range(BANDS)]
        train = [np.repeat(np.arange(low.shape[1]) + first, high[b] - low[b]) for b in range(BANDS)]
        pairs = np.stack([np.concatenate(held), np.concatenate(train)], axis=1)
        wanted, shared = np.unique(pairs[self.jaccard[pairs[:, 0]] < self.near], axis=0, return_counts=True)
        return _foremost(wanted, shared)

    def _quoting(self, block: Sketches, first: int, last: int) -> Ints:
        """(held-out, training) pairs that share enough probes, of texts not yet known to be quoted: [P, 2]."""
        start, end = block.offsets[first], block.offsets[last]
        shingles = block.shingles[start:end]
        hit = np.flatnonzero(self._marked[shingles >> np.uint32(16)])
        low = np.searchsorted(self._probes, shingles[hit], "left")
        count = np.searchsorted(self._probes, shingles[hit], "right") - low
        train = np.searchsorted(block.offsets, hit + start, "right") - 1
        pairs = np.stack([self._probed[_ranges(low, count)], np.repeat(train, count)], axis=1)
        open_ = self.containment[pairs[:, 0]] < self.quoted
        wanted, shared = np.unique(pairs[open_], axis=0, return_counts=True)
        enough = shared >= ENOUGH_PROBES * self._probes_of[wanted[:, 0]]
        return _foremost(wanted[enough], shared[enough])

    def _compare(self, block: Sketches, pairs: Ints) -> None:
        """Compare the sets of these pairs and keep what is best for each held-out text."""
        for held, train in _slices(pairs, self.texts.sizes):
            both = _shared(self.texts, block, held, train)
            sizes, others = self.texts.sizes[held], block.sizes[train]
            np.maximum.at(self.jaccard, held, both / (sizes + others - both))
            np.maximum.at(self.containment, held, both / sizes)


def _lowest(texts: Sketches) -> tuple[NDArray[np.uint32], Ints]:
    """The lowest shingles of each text and whose they are; a set is ascending, so they are its first."""
    counts = np.minimum(texts.sizes, PROBES)
    return texts.shingles[_ranges(texts.offsets[:-1], counts)], np.repeat(np.arange(len(texts)), counts)


def _rare(probes: NDArray[np.uint32], texts: Ints) -> tuple[NDArray[np.uint32], Ints]:
    """The probes that at most `COMMON` texts share, ascending."""
    order = np.argsort(probes, kind="stable")
    probes, texts = probes[order], texts[order]
    _, place, count = np.unique(probes, return_inverse=True, return_counts=True)
    rare = count[place] <= COMMON
    return probes[rare], texts[rare]


def _foremost(pairs: Ints, shared: Ints) -> Ints:
    """Of each held-out text the `TRIES` pairs that share most. pairs: [P, 2] by held-out text; shared: [P]."""
    order = np.lexsort((pairs[:, 1], -shared, pairs[:, 0]))
    held = pairs[order, 0]
    rank = np.arange(len(held)) - np.searchsorted(held, held, "left")
    best: Ints = pairs[order[rank < TRIES]]
    return best


def _slices(pairs: Ints, sizes: Ints) -> Iterator[tuple[Ints, Ints]]:
    """The pairs in runs whose held-out texts have some `COMPARED` shingles in all."""
    if not len(pairs):
        return
    done = np.cumsum(sizes[pairs[:, 0]]) // COMPARED
    for run in np.split(pairs, np.flatnonzero(np.diff(done)) + 1):
        yield run[:, 0], run[:, 1]


def _shared(texts: Sketches, block: Sketches, held: Ints, train: Ints) -> Ints:
    """|A ∩ B| of every pair: [P]."""
    mine, sizes = np.unique(train), texts.sizes[held]
    theirs = block.shingles[_ranges(block.offsets[mine], block.sizes[mine])]
    table = np.repeat(mine, block.sizes[mine]).astype(np.uint64) << np.uint64(32) | theirs
    asked = np.repeat(train, sizes).astype(np.uint64) << np.uint64(32)
    asked |= texts.shingles[_ranges(texts.offsets[held], sizes)]
    place = np.minimum(np.searchsorted(table, asked), len(table) - 1)
    both: Ints = np.add.reduceat((table[place] == asked).astype(np.int64), np.cumsum(sizes) - sizes)
    return both


def _ranges(starts: Ints, counts: Ints) -> Ints:
    """starts[0], starts[0] + 1, … (counts[0] of them), then those from starts[1]: [Σ counts]."""
    ends = np.cumsum(counts)
    places: Ints = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return places
