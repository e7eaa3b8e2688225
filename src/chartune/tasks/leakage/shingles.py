"""Shingles: a text as the set of its runs of five words, hashed, and short keys by which similar sets find each other.

    text ─▶ words ─▶ runs of five ─hash─▶ set of u32 ─100 minima─▶ 20 keys of 5 minima      (Broder, 1997: MinHash)

Two texts whose sets overlap by J (Jaccard) share a minimum with probability J, so all five of a key with J⁵ and at
least one of twenty keys with 1 − (1 − J⁵)²⁰: 0.9997 at J = 0.8, 0.05 at J = 0.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.notes.clean import DEIDENTIFIED, without_markers

WORDS: Final = 5
"""Words of a shingle; a shorter text has one, filled up."""
BANDS: Final = 20
"""Keys of a text."""
MINIMA: Final = 5
"""Minima that a key is made of."""

_ODD: Final = np.uint64(0x9E3779B97F4A7C15)

Masks = Literal["dropped", "unwrapped"]
"""What becomes of de-identified spans: `dropped`, because releases mask the same note differently; `unwrapped`, their
brackets only, where one side is the corpus: it has lost its brackets already."""


@dataclass(frozen=True)
class Sketches:
    """n texts, ready to be compared."""

    copies: NDArray[np.uint64]
    """The same for texts that are equal but for case, blanks and punctuation (`chartune.notes.clean.copy_key`): [n]."""
    shingles: NDArray[np.uint32]
    """The set of each text, ascending, one after the other: [ΣS]."""
    offsets: NDArray[np.int64]
    """Where each set starts, and where the last ends: [n+1]."""
    bands: NDArray[np.uint64]
    """The keys of each text: [BANDS, n]."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Shingles of each text: [n]."""
        return np.diff(self.offsets)


def sketch(texts: pl.Series, masks: Masks) -> Sketches:
    """The sketches of some texts.

    Args:
        texts: str [n], n ≥ 1; so many that their words fit into memory twice.
        masks: what becomes of de-identified spans.
    """
    bare = _bare(texts.fill_null(""), masks)
    copies = bare.str.replace_all(" ", "", literal=True).hash(seed=0).to_numpy()
    shingles, sizes = _sets(*_runs(*_words(bare)))
    offsets = np.cumsum([0, *sizes], dtype=np.int64)
    return Sketches(copies, shingles, offsets, _bands(shingles, offsets))


def shingle_sets(texts: pl.Series, masks: Masks) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The shingles alone, as in `Sketches.shingles`: [ΣS], and how many each text has: [n]. texts: str [n], n ≥ 1."""
    return _sets(*_runs(*_words(_bare(texts.fill_null(""), masks))))


def joined(parts: Sequence[Sketches]) -> Sketches:
    """Several sketches as one, in their order."""
    return Sketches(
        np.concatenate([part.copies for part in parts]),
        np.concatenate([part.shingles for part in parts]),
        np.cumsum([0, *np.concatenate([part.sizes for part in parts])], dtype=np.int64),
        np.concatenate([part.bands for part in parts], axis=1),
    )


def _bare(texts: pl.Series, masks: Masks) -> pl.Series:
    """Lower-case words with one blank between them; what `chartune.notes.clean.copy_key` passes over is gone."""
    text = pl.col("text") if masks == "dropped" else without_markers(pl.col("text"))
    words = text.str.to_lowercase().str.replace_all(DEIDENTIFIED, "").str.replace_all(r"[^a-z0-9]+", " ")
    return pl.DataFrame({"text": texts}).select(words.str.strip_chars(" "))["text"]


def _words(bare: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hash of every word, text after text, and how many words each text has; at least `WORDS`."""
    split = bare.str.split(" ")
    words, counts = split.explode().hash(seed=0).to_numpy(), split.list.len().to_numpy().astype(np.int64)
    short = counts < WORDS
    if short.any():
        words = np.insert(words, np.repeat(np.cumsum(counts)[short], WORDS - counts[short]), 0)
    return words, np.maximum(counts, WORDS)


def _runs(words: NDArray[np.uint64], counts: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The hash of every run of words within a text, and how many runs each text has."""
    starts = len(words) - WORDS + 1
    mixed = np.zeros(starts, dtype=np.uint64)
    for place in range(WORDS):
        mixed *= _ODD
        mixed += words[place : starts + place]
    within = np.ones(starts, dtype=np.bool_)
    ends = np.cumsum(counts)[:-1]
    within[(ends[:, None] - np.arange(1, WORDS)).ravel()] = False
    return _mixed(mixed[within]).astype(np.uint32), counts - WORDS + 1


def _sets(runs: NDArray[np.uint32], counts: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Each run once per text, ascending, and how many each text has."""
    text = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    keys = np.sort(text << np.uint64(32) | runs)
    first = np.append(True, keys[1:] != keys[:-1])
    once = keys[first]
    return once.astype(np.uint32), np.bincount((once >> np.uint64(32)).astype(np.int64), minlength=len(counts))


def _bands(shingles: NDArray[np.uint32], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The keys of each set: [BANDS, n]."""
    scratch = np.empty_like(shingles)
    keys = np.zeros((BANDS, len(offsets) - 1), dtype=np.uint64)
    for number, (factor, term) in enumerate(_PERMUTATIONS):
        np.multiply(shingles, factor, out=scratch)
        np.add(scratch, term, out=scratch)
        band = number // MINIMA
        keys[band] = _mixed(keys[band] + np.minimum.reduceat(scratch, offsets[:-1]))
    return keys


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scattered over all 64 bits, one to one (Steele et al., 2014: SplitMix64)."""
    numbers = (numbers + _ODD).astype(np.uint64)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _permutations() -> list[tuple[np.uint32, np.uint32]]:
    """X ↦ factor · x + term modulo 2³², one to one because the factor is odd: [BANDS · MINIMA]."""
    drawn = _mixed(np.arange(2 * BANDS * MINIMA, dtype=np.uint64)).astype(np.uint32).reshape(-1, 2)
    return [(factor | np.uint32(1), term) for factor, term in drawn]


_PERMUTATIONS: Final = _permutations()
