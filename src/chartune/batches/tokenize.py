"""Text → token ids, once: ragged arrays in the store, memory-mapped when they are read again.

    texts [n] ─tokenizer─▶ ids [ΣT] int32 + offsets [n+1]     text i is ids[offsets[i]:offsets[i+1]]

Token ids spell out the notes, so these arrays are as restricted as the text.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from chartune.config import fingerprint
from chartune.errors import AdapterError, StoreError
from chartune.log import progress
from chartune.models.local import LocalBackbone
from chartune.models.tokenizer import load_tokenizer, tokenised
from chartune.store import Store, storing, write_bytes

__all__ = ["BATCH", "Encoded", "encode", "encode_once", "load_tokenizer", "save_tokenizer", "train_tokenizer",
           "whole_words"]  # fmt: skip

REVISION: Final = 1
SHELF: Final = "tokens"
BATCH: Final = 256
FIELDS: Final = ("ids", "offsets", "words_seen", "truncated")


class Otherwise(NamedTuple):
    """Another way of making token ids of texts."""

    called: Mapping[str, Any]
    """What determines it, as plain JSON."""
    encode: Callable[[Sequence[str], Any], "Encoded"]
    """Texts [n] and a tokenizer → n texts as tokens."""
    fields: tuple[str, ...] = ()
    """Further arrays that it gives."""


@dataclass(frozen=True)
class Encoded:
    """n texts as one ragged array of token ids."""

    ids: NDArray[np.int32]
    """All tokens, one text after the other: [ΣT]."""
    offsets: NDArray[np.int64]
    """Where each text starts, and where the last ends: [n+1]."""
    words_seen: NDArray[np.int32]
    """How many whole words of each text the tokens cover: [n]."""
    truncated: NDArray[np.bool_]
    """Whether a text was cut at the maximum length: [n]."""
    bytes: NDArray[np.int32] | None = None
    """UTF-8 bytes of its text that each token adds to those before it: [ΣT]; None: not counted."""
    types: NDArray[np.int32] | None = None
    """0 of tokens of the first text of a pair, 1 of the second: [ΣT]; None: the body does not tell them apart."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: NDArray[np.int64]) -> "Encoded":
        """Some of the texts, in the order of `indices`."""
        offsets = np.cumsum([0, *self.lengths[indices]], dtype=np.int64)
        ids = np.concatenate([self[i] for i in indices]) if len(indices) else np.zeros(0, dtype=np.int32)
        ends = self.offsets[indices], self.offsets[indices + 1]
        kept = [
            None if each is None else np.concatenate([each[:0], *(each[i:j] for i, j in zip(*ends, strict=True))])
            for each in (self.bytes, self.types)
        ]
        return Encoded(ids, offsets, self.words_seen[indices], self.truncated[indices], *kept)

    def bytes_of(self, index: int) -> NDArray[np.int32]:
        """Bytes of each token of a text, where they were counted."""
        if self.bytes is None:
            raise AssertionError("bytes are counted where texts are encoded for it")
        return self.bytes[self.offsets[index] : self.offsets[index + 1]]

    def types_of(self, index: int) -> NDArray[np.int32]:
        """Of each token of a pair the text that it is of, where the body tells them apart."""
        if self.types is None:
            raise AssertionError("types are of pairs, where a body knows them")
        return self.types[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per text: [n]."""
        return np.diff(self.offsets)


def encode(
    texts: Sequence[str], tokenizer: Any, max_seq_len: int | None, *, special: bool = True, count_bytes: bool = False
) -> Encoded:
    """Tokenise texts.

    Args:
        texts: [n].
        tokenizer: from `load_tokenizer`.
        max_seq_len: tokens to keep of each text, special ones included; None: all.
        special: add the model's own start and end tokens.
        count_bytes: of each token, too.
    """
    parts: list[NDArray[np.int32]] = []
    sizes: list[NDArray[np.int32]] = []
    words: list[int] = []
    cut: list[bool] = []
    with progress("tokenise", total=len(texts)) as meter:
        for start in range(0, len(texts), BATCH):
            batch = [text or " " for text in texts[start : start + BATCH]]
            coded = tokenised(
                tokenizer, batch,
                add_special_tokens=special, truncation=max_seq_len is not None, max_length=max_seq_len,
                return_offsets_mapping=True, return_attention_mask=False, return_token_type_ids=False, verbose=False,
            )  # fmt: skip
            for text, ids, spans in zip(batch, coded["input_ids"], coded["offset_mapping"], strict=True):
                end = max((stop for _, stop in spans), default=0)
                parts.append(np.asarray(ids, dtype=np.int32))
                sizes += [_added_bytes(text, spans)] if count_bytes else []
                words.append(whole_words(text, end))
                cut.append(end < len(text.rstrip()))
            meter.advance(len(batch))
    lengths = np.asarray([0, *(len(part) for part in parts)], dtype=np.int64)
    ids = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
    counted = np.concatenate([ids[:0], *sizes]) if count_bytes else None
    return Encoded(ids, np.cumsum(lengths), np.asarray(words, dtype=np.int32), np.asarray(cut, dtype=np.bool_), counted)


def encode_once(
    texts: Sequence[str],
    backbone: LocalBackbone,
    max_seq_len: int | None,
    store: Store,
    *,
    data: str,
    special: bool = True,
    count_bytes: bool = False,
    otherwise: Otherwise | None = None,
) -> Encoded:
    """As `encode`, kept in the store: a second stage on the same texts maps the arrays instead of tokenising again.

    Raises:
        AdapterError: the tokenizer gives ids that the base model has no embedding for.
        StoreError: the arrays are damaged, or the store cannot be written.

    Args:
        texts: [n], in an order that `data` determines.
        backbone: whose tokenizer to use.
        max_seq_len: tokens to keep of each text; None: all.
        store: where the arrays are kept.
        data: what determines the texts, such as the fingerprint of the prepared data and the split.
        special: add the model's own start and end tokens.
        count_bytes: of each token, too.
        otherwise: what tokenises instead of `encode`; None: that.
    """
    parts = {
        "data": data,
        "backbone": backbone.content_hash,
        "max_seq_len": max_seq_len,
        "special": special,
        "n": len(texts),
        **({"bytes": True} if count_bytes else {}),
        **({"otherwise": otherwise.called} if otherwise else {}),
    }
    name = fingerprint(SHELF, REVISION, parts)
    fields = (*FIELDS, *(("bytes",) if count_bytes else ()), *(otherwise.fields if otherwise else ()))

    def write(folder: Path) -> None:
        tokenizer = load_tokenizer(backbone)
        usual = partial(encode, max_seq_len=max_seq_len, special=special, count_bytes=count_bytes)
        encoded = (otherwise.encode if otherwise else usual)(texts, tokenizer)
        for field in fields:
            buffer = io.BytesIO()
            np.save(buffer, getattr(encoded, field))
            write_bytes(folder / f"{field}.npy", buffer.getvalue())

    of = {"data": data.partition("/")[0], "backbone": backbone.content_hash}  # so that `clean` knows who needs them
    artefact = store.obtain(SHELF, name, write, {"sensitivity": "restricted", **of})
    encoded = Encoded(**{field: np.load(artefact.file(f"{field}.npy"), mmap_mode="r") for field in fields})
    must_be_of_the_vocabulary(encoded, backbone)
    return encoded


def must_be_of_the_vocabulary(encoded: Encoded, backbone: LocalBackbone) -> None:
    """Refuse token ids without a row in the embedding: they would read memory of others, or stop a training midway.

    Raises:
        AdapterError: an id is negative, or not below the vocabulary of the base model.
    """
    rows = backbone.config.get("vocab_size")
    least, most = (int(encoded.ids.min()), int(encoded.ids.max())) if len(encoded.ids) else (0, 0)
    if least < 0 or (isinstance(rows, int) and most >= rows):
        raise AdapterError(
            f"token ids must lie between 0 and the last row of the embedding, but those of {backbone.name} lie between "
            f"{least} and {most}, and it has {rows} rows; use the tokenizer that belongs to these weights."
        )


def train_tokenizer(texts: Iterable[str], vocabulary: int, folder: Path) -> Any:
    """Train a byte-level BPE tokenizer (as LLaMA 3's) and save it in Hugging Face layout.

    Args:
        texts: what to learn from.
        vocabulary: entries, the special ones `<s>`, `</s>`, `<pad>` included.
        folder: where tokenizer.json goes.
    """
    inner = Tokenizer(models.BPE())
    inner.normalizer = normalizers.NFC()
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["<s>", "</s>", "<pad>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    inner.train_from_iterator(texts, trainer)
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    save_tokenizer(tokenizer, folder)
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer in Hugging Face layout. Raises StoreError: the disk is full or the folder cannot be written."""
    try:
        with storing(folder):
            tokenizer.save_pretrained(folder)
    except Exception as error:  # how the tokenizers library reports a full disk: a bare Exception with the number
        if type(error) is not Exception or "os error" not in str(error):
            raise
        raise StoreError(f"a tokenizer must fit into {folder}, but writing failed: {error}; free some space.") from None


def _added_bytes(text: str, spans: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """UTF-8 bytes of the text up to the end of each token, less those up to the end of the tokens before it: [T].

    Blanks that a tokenizer passes over count for the token behind them, a character in several tokens for the first.
    """
    reached = np.maximum.accumulate(np.asarray([0, *(stop for _, stop in spans)], dtype=np.int64))
    if text.isascii():
        return np.diff(reached).astype(np.int32)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    sizes = 1 + (points >= 0x80) + (points >= 0x800).astype(np.int64) + (points >= 0x10000)
    return np.diff(np.cumsum([0, *sizes])[reached]).astype(np.int32)


def whole_words(text: str, end: int) -> int:
    """How many words of a text end before a place in it, counted in characters."""
    seen = text[:end]
    broken = end < len(text) and not text[end].isspace() and seen[-1:].strip() != ""
    return len(seen.split()) - broken
