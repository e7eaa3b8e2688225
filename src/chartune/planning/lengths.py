"""Lengths: how many tokens texts have, and rows documents, from some of them.

texts ─some, evenly spaced─▶ tokenizer of the base ─▶ mean tokens, mean rows; without a tokenizer by words
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np

from chartune.batches.long_texts import FIRST, AnyLong
from chartune.batches.text_pairs import encode_texts
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.models.backbone import LocalBackbone
from chartune.notes.text_pair import Text, joined
from chartune.stages.finetune import Finetune
from chartune.stages.marking import rows_of, words_in_rows

T = TypeVar("T")
SAMPLE: Final = 200
"""Texts of a split that are tokenised."""
TOKENS_PER_WORD: Final = 3.2
"""Where the tokenizer is not made yet: measured with that of the small LLaMA on notes of the made-up hospital."""
AROUND: Final = 2
"""Special tokens that begin and end a text."""


def sampled(texts: Sequence[T]) -> list[T]:
    """At most SAMPLE of them, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(texts) - 1, min(SAMPLE, len(texts))).astype(np.int64))
    return [texts[i] for i in chosen]


def mean_rows(texts: Sequence[str], backbone: LocalBackbone | None, stage: Finetune) -> tuple[float, float]:
    """Mean rows of a document, and mean tokens of a row, from at most SAMPLE documents, evenly spaced."""
    if not texts:
        return 1.0, 0.0
    sample = sampled(texts)
    if backbone is not None:
        made = words_in_rows(sample, None, load_tokenizer(backbone), 0, stage.max_seq_len, stage.long).encoded
        return len(made) / len(sample), float(made.lengths.mean())
    overlap, most = rows_of(stage.long, stage.max_seq_len)
    guessed = np.asarray([TOKENS_PER_WORD * len(text.split()) for text in sample])
    rows = np.maximum(1, np.ceil((guessed - overlap) / (stage.max_seq_len - AROUND - overlap)))
    rows = rows if most is None else np.minimum(rows, most)
    return float(rows.mean()), float(min(stage.max_seq_len, (guessed.sum() + (rows - 1).sum() * overlap) / rows.sum()))


def mean_tokens(
    texts: Sequence[Text], backbone: LocalBackbone | None, max_seq_len: int | None, long: AnyLong = FIRST
) -> float:
    """Mean tokens of the texts that are kept, from at most SAMPLE of them, evenly spaced."""
    if not texts:
        return 0.0
    sample = sampled(texts)
    if backbone is not None:
        tokenizer = load_tokenizer(backbone)
        if max_seq_len is None:
            return float(encode(joined(sample), tokenizer, None, special=False).lengths.mean())
        return float(encode_texts(sample, tokenizer, max_seq_len, long, typed=False).lengths.mean())
    guessed = [TOKENS_PER_WORD * len(text.split()) for text in joined(sample)]
    return float(np.mean(guessed if max_seq_len is None else np.minimum(guessed, long.rows * max_seq_len)))
