"""Round: the rare runs of some held-out texts in memory, in which documents are looked up block by block.

A run and the number of its text share 64 bits, 42 of them the run's: of a million runs that are looked up some four
are taken for another. A small table tells first which runs may be there at all, because most are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.tasks.containment.shingles import Masks, shingles

LEAST: Final = 8
"""Rare runs that a text needs to be judged: some fifteen words that are no boilerplate."""
PAIRS: Final = 1 << 17
"""Pairs of a document and a text, by run, that are held at once, and those of one document more: what a processor has
in its cache takes half the time."""
NUMBER: Final = 22
"""Bits for the number of a text, document or patient."""
LOW: Final = np.uint64((1 << NUMBER) - 1)
_APART: Final = 4
"""Numbers for each that is counted, at most, where numbers are counted in a table of them all."""
_MARK: Final = 26
"""Bits of a run by which the small table knows it, at most; two more than would number the runs."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Shared:
    """Pairs of a document and a held-out text that share a run, of texts that can be judged: each [P]."""

    documents: Ints
    """Place in the block."""
    texts: Ints
    """Number of the text."""
    shares: NDArray[np.float64]
    """Share of the text's rare runs that stand in the document."""


class Round:
    """The rare runs of some held-out texts, in memory."""

    def __init__(self, first: int, masks: Masks, keys: NDArray[np.uint64], sizes: Ints) -> None:
        """Index them.

        Args:
            first: number of the first text.
            masks: what becomes of de-identified spans, on both sides.
            keys: run and number of the text from `first` on, ascending: [S].
            sizes: rare runs of each text: [n].
        """
        self.first, self.sizes = first, sizes
        """`sizes`: rare runs of each text from `first` on: [n]."""
        self._masks, self._keys = masks, keys
        bits = min(len(keys).bit_length() + 2, _MARK)
        self._passed_over = np.uint64(64 - bits)
        self._marked = np.zeros(1 << bits, dtype=np.bool_)
        self._marked[keys >> self._passed_over] = True

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which texts have enough rare runs to be judged: [n]."""
        return self.sizes >= LEAST

    def look_in(self, texts: pl.Series) -> Iterator[Shared]:
        """What documents share with the held-out texts, some documents at a time.

        Args:
            texts: str [n], 0 < n < 2²².
        """
        runs, counts = shingles(texts, self._masks)
        may = np.flatnonzero(self._marked[runs >> self._passed_over])
        asked = once(keyed(runs[may], np.repeat(np.arange(len(counts)), counts)[may]))
        low, count = self._places(asked & ~LOW)
        hit = np.flatnonzero(count)
        document = numbers(asked[hit])
        order = np.argsort(document.astype(np.uint16 if len(counts) < 1 << 16 else np.int64), kind="stable")
        yield from self._pairs(document[order], low[hit][order], count[hit][order])

    def _places(self, runs: NDArray[np.uint64]) -> tuple[Ints, Ints]:
        """From which place on ascending runs stand in the index, and in how many texts; each is looked up once."""
        first = np.flatnonzero(np.append(True, runs[1:] != runs[:-1])[: len(runs)])
        low = np.searchsorted(self._keys, runs[first], "left")
        count = np.searchsorted(self._keys, runs[first] | LOW, "right") - low
        times = np.diff(np.append(first, len(runs)))
        return np.repeat(low, times), np.repeat(count, times)

    def _pairs(self, document: Ints, low: Ints, count: Ints) -> Iterator[Shared]:
        """The pairs behind runs that stand in `document` and in `count` texts from place `low` on; by document."""
        ends = np.append(np.flatnonzero(np.diff(document)) + 1, len(document))
        upto = np.append(0, np.cumsum(count))[ends]
        cuts = ends[:-1][np.diff(upto // PAIRS) > 0]
        for begin, end in pairwise([0, *cuts, len(document)]):
            if end > begin:
                yield self._shared(document[begin:end], low[begin:end], count[begin:end])

    def _shared(self, document: Ints, low: Ints, count: Ints) -> Shared:
        """The pairs of some documents, from their runs [R]; Σcount = H hits, P pairs."""
        before = np.cumsum(count) - count  # [R]: hits of the runs before
        places = np.arange(count.sum()) + np.repeat(low - before, count)  # [H]: in the index
        n, first = len(self.sizes), document[0]
        hits = np.repeat((document - first) * n, count) + numbers(self._keys[places])  # [H]: document · n + text
        pairs, shared = _counted(hits)  # [P], [P]
        documents, texts = np.divmod(pairs, n)
        judged = self.judged[texts]
        documents, texts, shared = documents[judged] + first, texts[judged], shared[judged]
        return Shared(documents, texts + self.first, shared / self.sizes[texts])


def _counted(pairs: Ints) -> tuple[Ints, Ints]:
    """Each pair once, ascending, and how often it is there; sorted are only those that are too far apart to count."""
    if pairs.max(initial=0) >= _APART * len(pairs):
        return np.unique(pairs, return_counts=True)
    counts = np.bincount(pairs)
    present = np.flatnonzero(counts)
    return present, counts[present]


def keyed(runs: NDArray[np.uint64], numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """A run and a number below 2²² in 64 bits, by run first."""
    keys: NDArray[np.uint64] = runs & ~LOW | numbers.astype(np.uint64)
    return keys


def numbers(keys: NDArray[np.uint64]) -> Ints:
    """The numbers of such keys."""
    low: Ints = (keys & LOW).astype(np.int64)
    return low


def once(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Ascending, each once."""
    keys.sort()
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    return keys[first]


def among(some: NDArray[np.uint64], asked: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of these are among some ascending numbers."""
    place = np.minimum(np.searchsorted(some, asked), len(some) - 1)
    among: NDArray[np.bool_] = some[place] == asked
    return among
