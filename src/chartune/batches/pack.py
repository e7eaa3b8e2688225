"""Documents → blocks for language modelling.

packed         <s> doc one </s> <s> document | two, go- …     no padding but in the last block, no sight of a neighbour
first tokens   <s> doc one - - - | <s> document two, goes     as published: what follows in a document is never read
rows           [CLS] doc one [SEP] - | [CLS] document [SEP]   for encoders, which see both ways: a piece in each row

Positions restart with every document and every block, and the model's own mask keeps attention inside a piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chartune.batches.tokenize import Encoded
from chartune.models.tokenizer import padding_of, tokenised


@dataclass(frozen=True)
class Blocks:
    """Packed documents, or rows of one piece each."""

    ids: NDArray[np.int32]
    """[n, T]."""
    positions: NDArray[np.int32]
    """Position of each token in its piece: [n, T]."""
    predicts: NDArray[np.bool_]
    """Whether a place predicts: because a token's successor stands in the same piece, or, of a row, because its token
    can be masked: [n, T]."""
    first: NDArray[np.int32]
    """The document that each block begins with, by its place in `numbers`: [n]."""
    numbers: NDArray[np.int32]
    """Which documents have tokens, in order."""
    bytes: NDArray[np.int32] | None = None
    """UTF-8 bytes of its text that each token adds, 0 of special tokens: [n, T]; None: not counted."""
    ahead: Literal[0, 1] = 1
    """How many places after its own the token stands that a place predicts: 1 of packed documents, 0 of rows."""
    shown: NDArray[np.int32] | None = None
    """What an encoder is given in place of `ids`, some of it masked: [n, T]; None: the tokens themselves."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def predicted_tokens(self) -> NDArray[np.int64]:
        """Predictions per block: [n]. The weight of a block in the loss."""
        tokens: NDArray[np.int64] = self.predicts.sum(1)
        return tokens

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens that a block is read with: [n]. Of packed documents all T; of rows their own, without padding."""
        if self.ahead:
            return np.full(len(self), self.ids.shape[1], dtype=np.int64)
        tokens: NDArray[np.int64] = (self.positions == np.arange(self.ids.shape[1])).sum(1)
        return tokens

    @property
    def _predicted(self) -> NDArray[np.bool_]:
        """Whether a token is predicted, [n, T]; the last place of a packed block predicts nothing."""
        return np.roll(self.predicts, self.ahead, axis=1)

    def targets(self) -> NDArray[np.int32]:
        """All tokens that are predicted, in order: what a unigram model is scored on."""
        return self.ids[self._predicted]

    def target_documents(self) -> NDArray[np.int32]:
        """The document of each predicted token, in the order of `targets`: [N]."""
        begun = np.cumsum(self.positions == 0, axis=1, dtype=np.int32) - 1
        documents: NDArray[np.int32] = self.numbers[(self.first[:, None] + begun)[self._predicted]]
        return documents

    def target_bytes(self) -> NDArray[np.int32]:
        """Bytes of each predicted token, in the order of `targets`, where they were counted: [N]."""
        if self.bytes is None:
            raise AssertionError("bytes are counted where texts are encoded for it")
        return self.bytes[self._predicted]

    def some(self, count: int | None) -> "Blocks":
        """So many of the blocks, evenly spaced; None: all."""
        if count is None or count >= len(self):
            return self
        return self.chosen(np.unique(np.linspace(0, len(self) - 1, count).astype(np.int64)))

    def chosen(self, which: NDArray[np.int64]) -> "Blocks":
        """Some of the blocks, by number."""
        counted, shown = (None if part is None else part[which] for part in (self.bytes, self.shown))
        return replace(
            self, ids=self.ids[which], positions=self.positions[which], predicts=self.predicts[which],
            first=self.first[which], bytes=counted, shown=shown,
        )  # fmt: skip

    def batch(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """The model's arguments for some blocks: input_ids and position_ids, [B, T]; predicting, [N].

        The last names the places b·T + t that predict: of packed documents the successors of their tokens, of rows the
        targets, [N], which are given too. T is there that of the longest row.
        """
        rows = self.chosen(indices)
        width = int(rows.lengths.max())
        given = rows.ids if rows.shown is None else rows.shown
        batch = {
            "input_ids": torch.from_numpy(given[:, :width].astype(np.int64)),
            "position_ids": torch.from_numpy(rows.positions[:, :width].astype(np.int64)),
            "predicting": torch.from_numpy(np.flatnonzero(rows.predicts[:, :width])),
        }
        return batch if self.ahead else batch | {"targets": torch.from_numpy(rows.targets().astype(np.int64))}


def pack(documents: Encoded, tokenizer: Any, max_seq_len: int) -> Blocks:
    """Put documents one after the other, each between start and end token, and cut into blocks.

    Args:
        documents: n token lists without special tokens.
        tokenizer: knows the start and the end token; a missing one is left out.
        max_seq_len: T.
    """
    start, end = ([] if i is None else [i] for i in (tokenizer.bos_token_id, tokenizer.eos_token_id))
    ids = np.asarray(documents.ids)  # of a memory map each slice would be one, too
    between = zip(documents.offsets[:-1].tolist(), documents.offsets[1:].tolist(), strict=True)
    pieces = [np.asarray([*start, *ids[i:j].tolist(), *end], dtype=np.int32) for i, j in between]
    lengths = np.asarray([len(piece) for piece in pieces], dtype=np.int64)
    numbers = np.flatnonzero(lengths).astype(np.int32)
    places = np.cumsum(lengths)[numbers] - lengths[numbers]
    begins = np.zeros(lengths.sum(), dtype=np.bool_)
    begins[places] = True
    ids, starts = _rows(pieces, max_seq_len), _rows([begins], max_seq_len, True)
    added = None
    if documents.bytes is not None:
        sides = (len(start), len(end))
        added = _rows([np.pad(documents.bytes_of(i), sides) for i in range(len(documents))], max_seq_len)
    first = np.searchsorted(places, max_seq_len * np.arange(len(ids)), side="right").astype(np.int32) - 1
    return _blocks(ids, starts, first, numbers, added)


def first_tokens(documents: Encoded, tokenizer: Any, max_seq_len: int) -> Blocks:
    """Make a block of the beginning of each document, behind the start token and padded (Gema et al. 2023, as coded).

    Args:
        documents: n token lists without special tokens.
        tokenizer: knows the start token; a missing one is left out.
        max_seq_len: T; documents with less than two tokens teach nothing and are left out.
    """
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = np.zeros((len(documents), max_seq_len), dtype=np.int32)
    starts = np.ones_like(ids, dtype=np.bool_)
    added = None if documents.bytes is None else np.zeros_like(ids)
    for row in range(len(documents)):
        piece = [*start, *documents[row][: max_seq_len - len(start)]]
        ids[row, : len(piece)] = piece
        starts[row, 1 : len(piece)] = False
        if added is not None:
            added[row, len(start) : len(piece)] = documents.bytes_of(row)[: max_seq_len - len(start)]
    every = np.arange(len(documents), dtype=np.int32)
    return _blocks(ids, starts, every, every, added)


def rows(documents: Encoded, tokenizer: Any, max_seq_len: int, *, first_only: bool = False) -> Blocks:
    """Cut each document into rows of its own, each between the tokens that stand around a text in fine-tuning.

    Args:
        documents: n token lists without special tokens.
        tokenizer: of an encoder; its special tokens are never masked, wherever they stand.
        max_seq_len: T, more than those tokens.
        first_only: of each document the first row alone.
    """
    before, after = (np.asarray(part, dtype=np.int32) for part in around(tokenizer))
    room = max_seq_len - len(before) - len(after)
    texts = [documents[i][: room if first_only else None] for i in range(len(documents))]
    pieces = [(i, text[start : start + room]) for i, text in enumerate(texts) for start in range(0, len(text), room)]
    ids = np.full((len(pieces), max_seq_len), padding_of(tokenizer), dtype=np.int32)
    text = np.zeros_like(ids, dtype=np.bool_)  # the rest is padding
    for row, (_, piece) in enumerate(pieces):
        whole = np.concatenate([before, piece, after])
        ids[row, : len(whole)], text[row, : len(whole)] = whole, True
    starts, can = ~text, text & ~np.isin(ids, tokenizer.all_special_ids)
    starts[:, :1] = True
    first = np.asarray([i for i, _ in pieces], dtype=np.int32)
    every = Blocks(ids, _positions(starts), can, first, np.arange(len(documents), dtype=np.int32), ahead=0)
    return every.chosen(np.flatnonzero(can.any(1)))


def around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and after a text."""
    plain, whole = (tokenised(tokenizer, "a", add_special_tokens=special)["input_ids"] for special in (False, True))
    start = next(i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
    return whole[:start], whole[start + len(plain) :]


def _rows(parts: Sequence[NDArray[Any]], width: int, filler: int = 0) -> NDArray[Any]:
    """Arrays one after the other, in rows of one width, the last filled up: [n, T]."""
    stream = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
    return np.pad(stream, (0, -len(stream) % width), constant_values=filler).reshape(-1, width)


def _blocks(
    ids: NDArray[np.int32], starts: NDArray[np.bool_], first: NDArray[np.int32], numbers: NDArray[np.int32],
    added: NDArray[np.int32] | None,
) -> Blocks:  # fmt: skip
    """Blocks of tokens [n, T], of which these begin a piece, but those that predict none; padding begins one each."""
    starts[:, :1] = True
    predicts = np.concatenate([~starts[:, 1:], np.zeros((len(ids), 1), np.bool_)], axis=1)
    every = Blocks(ids, _positions(starts), predicts, first, numbers, added)
    return every.chosen(np.flatnonzero(predicts.any(1)))  # a block of one token predicts nothing


def _positions(begins: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Steps since the last True, per row. begins: [n, T], True in column 0."""
    column = np.arange(begins.shape[1], dtype=np.int32)
    last = np.maximum.accumulate(np.where(begins, column, 0), axis=1)
    return (column - last).astype(np.int32)
