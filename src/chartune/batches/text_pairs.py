"""Pairs of texts → tokens: both sides in one row, as the tokenizer of the base model writes pairs.

    BERT       [CLS] a a a [SEP] b b [SEP]      token types  0 0 0 0 0 1 1 1
    RoBERTa    <s> a a a </s></s> b b </s>      none
    LLaMA      <s> a a a ⏎ b b                  nothing stands between, so that a line break is put there

A pair with more tokens than a row holds loses tokens of its longer side until both are as long, then of both in turn
(`longest_first` of Hugging Face's tokenizers): both sides are always read, each from its beginning.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chartune.batches.long_texts import AnyLong, First, encode_long, encode_long_once
from chartune.batches.tokenize import BATCH, Encoded, Otherwise, encode, encode_once, whole_words
from chartune.errors import ConfigError, DataError
from chartune.log import progress
from chartune.models.local import LocalBackbone
from chartune.models.tokenizer import tokenised
from chartune.notes.text_pair import Text, TextPair
from chartune.store import Store

BREAK: Final = "\n"
"""What parts both sides where a tokenizer puts nothing between them."""


def knows_types(config: Any) -> bool:
    """Whether a body has an embedding for tokens of a second text; config: of transformers, or as plain data."""
    types = config.get("type_vocab_size") if isinstance(config, dict) else getattr(config, "type_vocab_size", None)
    return isinstance(types, int) and types > 1


def encode_texts(
    texts: Sequence[Text], tokenizer: Any, max_seq_len: int | None, long: AnyLong, *, typed: bool
) -> Encoded:
    """Tokenise texts as they are read, or pairs of texts.

    Args:
        texts: [n], all of them pairs or none.
        tokenizer: from `load_tokenizer`.
        max_seq_len: tokens of a row, special ones included; None: all.
        long: what is read of a text that has more.
        typed: whether the body tells tokens of a second text from those of the first (`knows_types`).

    Raises:
        ConfigError: a row has no room, or `long` is not of pairs.
        DataError: some are pairs and some are not.
    """
    if are_pairs(texts):
        must_keep_both_sides(long)
        return encode_pairs(texts, tokenizer, max_seq_len, typed=typed)  # type: ignore[arg-type]
    return encode(texts, tokenizer, None) if max_seq_len is None else encode_long(texts, tokenizer, max_seq_len, long)  # type: ignore[arg-type]


def encode_texts_once(
    texts: Sequence[Text], backbone: LocalBackbone, max_seq_len: int, store: Store, *, data: str, long: AnyLong
) -> Encoded:
    """As `encode_texts`, kept in the store; arguments and errors as of `encode_once`, too."""
    if not are_pairs(texts):
        return encode_long_once(texts, backbone, max_seq_len, store, data=data, long=long)  # type: ignore[arg-type]
    must_keep_both_sides(long)
    typed = knows_types(backbone.config)
    way = Otherwise(
        {"kind": "pairs", "typed": typed}, partial(encode_pairs, max_seq_len=max_seq_len, typed=typed),
        ("types",) if typed else (),
    )  # fmt: skip
    return encode_once(texts, backbone, max_seq_len, store, data=data, otherwise=way)  # type: ignore[arg-type]


def are_pairs(texts: Sequence[Text]) -> bool:
    """Whether texts are pairs. Raises DataError: some are, and some are not."""
    pairs = sum(isinstance(text, TextPair) for text in texts)
    if pairs not in (0, len(texts)):
        raise DataError(
            f"texts must be all pairs, or none, but {pairs:,} of {len(texts):,} are; give them to runs of their own."
        )
    return pairs > 0


def must_keep_both_sides(long: AnyLong) -> None:
    """Raises ConfigError: a way of reading long texts that is not of pairs."""
    if not isinstance(long, First):
        raise ConfigError(
            f"of a long pair the longer text is cut, so that both are read, but `long` is {long.kind}; leave it out."
        )


def encode_pairs(pairs: Sequence[TextPair], tokenizer: Any, max_seq_len: int | None, *, typed: bool) -> Encoded:
    """Tokenise pairs; arguments and errors as of `encode_texts`."""
    parted, around = _frame(tokenizer)
    if max_seq_len is not None and max_seq_len < around + 2:
        raise ConfigError(
            f"max_seq_len must leave room for a token of each text beside {around} special ones, but got "
            f"{max_seq_len}; give a larger one."
        )
    lead = "" if parted else BREAK
    rows: list[NDArray[np.int32]] = []
    types: list[NDArray[np.int32]] = []
    read: list[tuple[int, bool]] = []
    with progress("tokenise", total=len(pairs)) as meter:
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            coded = tokenised(
                tokenizer, [pair.first for pair in batch], [lead + pair.second for pair in batch],
                truncation="longest_first" if max_seq_len else False, max_length=max_seq_len,
                return_offsets_mapping=True, return_attention_mask=False, return_token_type_ids=typed, verbose=False,
            )  # fmt: skip
            rows += [np.asarray(ids, dtype=np.int32) for ids in coded["input_ids"]]
            types += [np.asarray(each, dtype=np.int32) for each in coded["token_type_ids"]] if typed else []
            places = zip(batch, coded["offset_mapping"], map(coded.sequence_ids, range(len(batch))), strict=True)
            read += [_read(pair, offsets, sides, len(lead)) for pair, offsets, sides in places]
            meter.advance(len(batch))
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    words, cut = (np.asarray([each[part] for each in read]) for part in (0, 1))
    return Encoded(
        _joined(rows), offsets, words.astype(np.int32), cut.astype(np.bool_), types=_joined(types) if typed else None
    )


def _read(
    pair: TextPair, offsets: Sequence[tuple[int, int]], sides: Sequence[int | None], lead: int
) -> tuple[int, bool]:
    """How many whole words of both texts are read, and whether something of either is not."""
    ends = [0, lead]
    for (_, end), side in zip(offsets, sides, strict=True):
        if side is not None:
            ends[side] = max(ends[side], end)
    reached = ends[0], ends[1] - lead
    words = sum(whole_words(text, end) for text, end in zip(pair, reached, strict=True))
    return words, any(end < len(text.rstrip()) for text, end in zip(pair, reached, strict=True))


def _frame(tokenizer: Any) -> tuple[bool, int]:
    """Whether special tokens part both sides of a pair, and how many special tokens a pair has."""
    sides = tokenised(tokenizer, "a", "a").sequence_ids(0)
    last = max(place for place, side in enumerate(sides) if side == 0)
    return sides[last + 1] is None, sides.count(None)


def _joined(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
