"""Decontamination: documents of a corpus that hold what another dataset asks about are left out.

MIMIC-III and MIMIC-IV hold the same admissions of 2008 to 2012 under unlinked ids, so that a model that is adapted on
one has read the test notes of the other. What is compared are fingerprints of texts, five words each. Only counts are
kept: no file, message or frame that outlives the comparison links a document of one dataset to a patient of another.

    held-out texts of other data, each once ─▶ pile of shingles ─▶ those that few texts share, round by round
                                                                                ▲
                                                        documents that are learnt from, block by block
                                                                                ▼
                                                                   which of them to leave out

Shingles lie on disk and some `ROUND` of them in memory, so that memory grows neither with the held-out texts nor with
the corpus, and what is found does not depend on the rounds.

A control of the same size leaves out as many words that nobody asks about, so that a score that falls tells the loss of
the answers from the loss of text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from chartune.config import Config
from chartune.log import progress
from chartune.notes.clean import copy_key, without_markers
from chartune.sources.splits import HashSplit
from chartune.tasks.frames import add_frame, read_pile
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.shingles import Masks, shingle_sets

COMMON: Final = 16
"""Shingles that more held-out texts share are phrases of the house and prove nothing."""
LEAST: Final = 8
"""Rare shingles that a held-out text needs to be recognised by them."""
ROUND: Final = 1 << 26
"""Shingles of held-out texts that are held at once, eight bytes each: more are looked for in several rounds."""
MASKS: Final[Masks] = "unwrapped"
"""A corpus has lost the brackets of its masks, so those of the other side are dropped, too."""
_LOW: Final = np.uint64(0xFFFFFFFF)
_HIGH: Final = np.uint64(32)
_CONTROL: Final = HashSplit(salt="control")
"""Whose hash says in which order documents are drawn."""


class Decontamination(Config):
    """Which data must not be learnt from before they are asked about."""

    against: tuple[str, ...] = Field(min_length=1)
    """Fingerprints of prepared data in the same store: their held-out texts are looked for."""
    containment: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of a held-out text's rare shingles from which on a document holds it."""
    control: bool = False
    """Leave out as many words of other documents of the same categories in their place: the control of the same
    size."""


class Fingerprints:
    """The rare shingles of held-out texts, on disk until they are looked for."""

    def __init__(self, texts: Iterable[pl.Series], pile: Path) -> None:
        """Take in held-out texts.

        Args:
            texts: in blocks. Equal texts count once: most tasks about an admission read the same note.
            pile: a new file for their shingles.

        Raises:
            StoreError: it cannot be written.
        """
        self._pile = pile
        sizes = [np.zeros(1, dtype=np.int64)]
        known = 0
        for block in _distinct(texts):
            shingles, counts = shingle_sets(block, MASKS)
            text = np.repeat(np.arange(known, known + len(counts), dtype=np.uint32), counts)
            add_frame(pl.DataFrame({"text": text, "shingle": shingles}), pile)
            sizes.append(counts)
            known += len(counts)
        self._ends = np.cumsum(np.concatenate(sizes))
        self._common = self._shared_by_many(parts=-(-int(self._ends[-1]) // ROUND))

    def holding(self, documents: Sequence[Rows], containment: float) -> pl.Series:
        """note_id of the documents that hold that share of a held-out text.

        Args:
            documents: note_id · text, read block by block, once per round.
            containment: least share of the rare shingles of a held-out text.
        """
        found = [pl.Series("note_id", [], dtype=pl.String)]
        for some in self.rounds():
            with progress("looking for held-out texts of other data") as meter:
                for rows in documents:
                    for block in rows.blocks("note_id", "text"):
                        found.append(block["note_id"].filter(pl.Series(some.held_by(block["text"], containment))))
                        meter.advance(block.height)
            del some  # before the next round is read
        return pl.concat(found).unique(maintain_order=True)

    def rounds(self) -> Iterator["HeldOut"]:
        """The texts in rounds of some `ROUND` shingles."""
        ends = self._ends[1:]
        cuts = np.flatnonzero(np.diff((ends - 1) // ROUND)) + 1
        for first, last in pairwise(np.unique([0, *cuts, len(ends)])):
            yield self._round(first, last)

    def _round(self, first: np.int64, last: np.int64) -> "HeldOut":
        """Texts first … last - 1."""
        keys = np.empty(self._ends[last] - self._ends[first], dtype=np.uint64)
        sizes = np.zeros(last - first, dtype=np.int64)
        filled = 0
        for text, shingle in self._shingles():
            mine = (text >= first) & (text < last)
            mine[mine] = ~_among(self._common, shingle[mine])
            whose = text[mine] - np.uint32(first)
            keys[filled : filled + len(whose)] = _keys(shingle[mine], whose)
            sizes += np.bincount(whose, minlength=len(sizes))
            filled += len(whose)
        keys[:filled].sort()
        return HeldOut(keys[:filled], sizes)

    def _shared_by_many(self, parts: int) -> NDArray[np.uint32]:
        """The shingles of more than `COMMON` texts, ascending; those of one of so many parts are held at once."""
        found = [np.zeros(0, dtype=np.uint32)]
        for part in range(parts):
            some = np.concatenate([shingle[shingle % parts == part] for _, shingle in self._shingles()])
            some.sort()
            found.append(np.unique(some[COMMON:][some[COMMON:] == some[:-COMMON]]))
        return np.sort(np.concatenate(found))

    def _shingles(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
        """Whose they are, by number of the text, and the shingles: a block at a time."""
        for block in read_pile(self._pile) if self._pile.is_file() else ():
            yield block["text"].to_numpy(), block["shingle"].to_numpy()


@dataclass(frozen=True)
class HeldOut:
    """The rare shingles of some held-out texts, in memory."""

    keys: NDArray[np.uint64]
    """Shingle · 2³² + number of the text, ascending: [S]."""
    sizes: NDArray[np.int64]
    """Rare shingles of each text: [n]."""

    def held_by(self, documents: pl.Series, containment: float) -> NDArray[np.bool_]:
        """Which documents hold that share of one of the texts. documents: str [n], n ≥ 1."""
        shingles, sizes = shingle_sets(documents, MASKS)
        asked = np.sort(_keys(shingles, np.repeat(np.arange(len(sizes)), sizes)))
        low = np.searchsorted(self.keys, asked & ~_LOW, "left")
        count = np.searchsorted(self.keys, asked | _LOW, "right") - low
        hit = np.flatnonzero(count)
        low, count = low[hit], count[hit]
        places = np.arange(count.sum()) + np.repeat(low - (np.cumsum(count) - count), count)
        pairs, shared = np.unique(
            _keys(np.repeat(asked[hit] & _LOW, count), self.keys[places] & _LOW), return_counts=True
        )
        needed = self.sizes[pairs & _LOW]
        found = np.zeros(len(sizes), dtype=np.bool_)
        found[pairs[(needed >= LEAST) & (shared >= containment * needed)] >> _HIGH] = True
        return found


def left_out(documents: pl.DataFrame, held: pl.Series, control: bool) -> pl.DataFrame:
    """The documents to leave out.

    Args:
        documents: note_id · split · category · words, of the whole corpus.
        held: note_id of those that hold a held-out text.
        control: whether others that are learnt from are left out in their place, of each category so many that their
            words are those of its `held` or, by less than the last document, more. All of them, if they have fewer.
    """
    holds = pl.col("note_id").is_in(held.implode())
    holding = documents.filter(holds)
    return drawn(documents.filter(~holds & (pl.col("split") == "train")), holding, ["category"]) if control else holding


def drawn(documents: pl.DataFrame, like: pl.DataFrame, groups: Sequence[str]) -> pl.DataFrame:
    """Documents by lot, of each group so many that their words are those of `like` or, by less than the last, more.

    Args:
        documents: note_id · words and the columns of the groups; all of a group, if it has fewer words.
        like: words and the columns of the groups.
        groups: columns that tell a group.
    """
    words = pl.col("words").cast(pl.Int64)
    wanted = like.group_by(groups).agg(wanted=words.sum())
    order = pl.col("note_id").map_elements(_CONTROL.bits, return_dtype=pl.UInt64)
    before = words.cum_sum().over(groups) - words
    there = documents.join(wanted, on=groups).sort(order, "note_id")
    return there.filter(before < pl.col("wanted")).drop("wanted")


def _distinct(texts: Iterable[pl.Series]) -> Iterator[pl.Series]:
    """Each text once, but for case, blanks and punctuation."""
    seen: set[int] = set()
    for block in texts:
        keyed = pl.DataFrame({"text": block}).with_columns(key=copy_key(without_markers(pl.col("text"))))
        first = keyed.unique("key", maintain_order=True)
        fresh = first.filter(pl.Series([key not in seen for key in first["key"]], dtype=pl.Boolean))
        seen.update(fresh["key"])
        if fresh.height:
            yield fresh["text"]


def _keys(high: NDArray[np.integer], low: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Pairs of numbers below 2³² as single numbers."""
    keys: NDArray[np.uint64] = high.astype(np.uint64) << _HIGH | low.astype(np.uint64)
    return keys


def _among(some: NDArray[np.uint32], asked: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of these are among some ascending numbers."""
    there: NDArray[np.bool_] = np.searchsorted(some, asked, "left") < np.searchsorted(some, asked, "right")
    return there
