"""Vocabulary: which words training texts have, eight bytes of each, so that many tasks can hold theirs.

words ─hash of this process─▶ sorted numbers      two words of one hash: once in some 10¹⁰ of 100,000 words
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from chartune.stages.drift import words_of


@dataclass(frozen=True)
class Vocabulary:
    """Words that are known; no word can be read out of it."""

    hashes: NDArray[np.int64]
    """In ascending order, each once, [W]."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """All words of some texts."""
        known = {hash(word) for text in texts for word in words_of(text)}
        return cls(np.sort(np.fromiter(known, dtype=np.int64, count=len(known))))

    def __len__(self) -> int:
        return len(self.hashes)

    def unknown(self, words: Sequence[str]) -> int:
        """How many of these are not known; a word counts as often as it stands there."""
        asked = np.fromiter(map(hash, words), dtype=np.int64, count=len(words))
        places = np.minimum(np.searchsorted(self.hashes, asked), max(0, len(self) - 1))
        return int((self.hashes[places] != asked).sum()) if len(self) else len(words)
