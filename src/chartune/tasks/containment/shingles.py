"""Shingles: a text as its runs of eight words, each hashed to 64 bits.

    "Pt. [**Name**] was seen ..." ─▶ bytes: small letters, digits, blanks ─▶ a hash per word ─▶ a hash per eight words

Case, blanks, punctuation, invisible characters and the brackets of masks do not count, nor in which of its encodings a
letter is written. Letters of every alphabet do. It works on bytes, because words as Python or polars strings take three
times as long.
"""

import re
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.notes.clean import DEIDENTIFIED, folded, without_markers

WORDS: Final = 8
"""Words of a run; a shorter text has none."""

Masks = Literal["dropped", "unwrapped"]
"""What becomes of de-identified spans: `dropped`, because releases mask the same note differently; `unwrapped`, their
brackets only, where one side is the corpus: it has lost its brackets already."""

_BLANK: Final = 32
_PLAIN: Final = bytes(
    byte if byte > 127 else ord(chr(byte).lower()) if chr(byte).isalnum() else _BLANK for byte in range(256)
)
"""Byte → small letter, digit or blank; what is not ASCII has been separated before."""
_NO_WORD: Final = re.compile(r"[^\w]+|_+")
_CHUNK: Final = 8
"""Bytes of a word that are hashed at once."""
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_FACTORS: Final = tuple(np.array([pow(0x9E3779B97F4A7C15, n, 2**64)], dtype=np.uint64) for n in (1, 2, 4))
"""Powers for runs of two, four and eight words."""
_LOWEST: Final = np.array([2 ** (8 * kept) - 1 for kept in range(_CHUNK + 1)], dtype=np.uint64)
"""Masks of the lowest bytes of a chunk, by their number."""


def shingles(texts: pl.Series, masks: Masks) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The runs of some texts, text after text, as they come: what a text says twice stands there twice.

    Args:
        texts: str [n], n ≥ 1; so many that their bytes fit into memory a few times.
        masks: what becomes of de-identified spans.

    Returns:
        Their hashes, u64 [ΣR], and how many each text has, i64 [n].
    """
    content, ends = _bytes(texts.fill_null(""), masks)
    words, starts = _words(content)
    counts = np.diff(np.searchsorted(starts, ends), prepend=0)
    return _runs(words, counts), np.maximum(counts - WORDS + 1, 0)


def _bytes(texts: pl.Series, masks: Masks) -> tuple[bytes, NDArray[np.int64]]:
    """Words with blanks around them, and where each text ends; a chunk of blanks follows the last."""
    text = pl.col("text").str.replace_all(DEIDENTIFIED, "") if masks == "dropped" else without_markers(pl.col("text"))
    bare = texts.alias("text").to_frame().select(text)["text"].to_list()
    words = [_tokenized(plain).encode() for plain in bare]
    ends = np.cumsum(np.fromiter(map(len, words), dtype=np.int64, count=len(words)) + 1)
    return b" ".join([b"", *words, b" " * _CHUNK]).translate(_PLAIN), ends


def _tokenized(text: str) -> str:
    """Small letters of any alphabet and digits with blanks between; ASCII is left to `_PLAIN`."""
    return text if text.isascii() else _NO_WORD.sub(" ", folded(text))


def _words(content: bytes) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hash of each word and where it begins, both [W]."""
    inside = np.frombuffer(content, dtype=np.uint8) != _BLANK
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1  # the first byte and the last are blanks
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    chunks = np.ndarray(len(content) - _CHUNK + 1, dtype="<u8", buffer=content, strides=(1,))
    words = (chunks[starts] & _LOWEST[np.minimum(lengths, _CHUNK)]) * _ODD
    more, done = np.flatnonzero(lengths > _CHUNK), _CHUNK
    while len(more):
        kept = np.minimum(lengths[more] - done, _CHUNK)
        words[more] = _mixed(words[more]) + (chunks[starts[more] + done] & _LOWEST[kept]) * _ODD
        done += _CHUNK
        more = more[lengths[more] > done]
    return _mixed(words), starts


def _runs(words: NDArray[np.uint64], counts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The hash of every run of words within a text."""
    if len(words) < WORDS:
        return np.zeros(0, dtype=np.uint64)
    runs = words
    for half, factor in zip((1, 2, 4), _FACTORS, strict=True):
        runs = runs[:-half] * factor + runs[half:]
    within = np.ones(len(runs), dtype=np.bool_)
    ends = np.cumsum(counts)
    crossing = (ends[:, None] - np.arange(1, WORDS)).ravel()  # where a run begins that does not end in its text
    within[crossing[(crossing >= 0) & (crossing < len(runs))]] = False
    return _mixed(runs[within])


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scattered over all 64 bits, one to one (Steele et al., 2014: SplitMix64)."""
    numbers = (numbers + _ODD).astype(np.uint64)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
