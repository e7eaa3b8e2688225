"""ModelLength: the words of a text that a model with a token limit reads, for a baseline that is to read no more.

text ─tokenize, at most T tokens─▶ n whole words ─▶ the text up to the end of its n-th word
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from chartune.batches.tokenize import Encoded, encode, load_tokenizer
from chartune.config import Config
from chartune.models.backbone import Backbone, LocalBackbone


class ModelLength(Config):
    """How much of a text a base model reads."""

    backbone: Backbone
    """Whose tokenizer counts."""
    max_seq_len: int = Field(256, gt=1)
    """Tokens of each text, special ones included."""


def as_read(texts: Sequence[str], base: LocalBackbone, max_seq_len: int) -> tuple[list[str], Encoded]:
    """The beginnings of texts [n] that a base model reads, and their tokens."""
    encoded = encode(texts, load_tokenizer(base), max_seq_len)
    return beginnings(texts, encoded.words_seen, encoded.truncated), encoded


def beginnings(texts: Sequence[str], words: NDArray[np.int32], cut: NDArray[np.bool_]) -> list[str]:
    """Each text up to the end of its `words`-th word where it is `cut`; all arrays [n]."""
    return [
        text if not shortened else text[: _end_of(text, number)]
        for text, number, shortened in zip(texts, words.tolist(), cut.tolist(), strict=True)
    ]


def _end_of(text: str, words: int) -> int:
    """Where so many words end."""
    end = 0
    for _, match in zip(range(words), re.finditer(r"\S+", text), strict=False):
        end = match.end()
    return end
