"""Documents → blocks for language modelling.

packed         <s> doc one </s> <s> document | two, go- …     no padding but in the last block, no sight of a neighbour
first tokens   <s> doc one - - - | <s> document two, goes     as published: what follows in a document is never read

Positions restart with every document and every block, and the model's own mask keeps attention inside a piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chartune.batches.tokenize import Encoded


@dataclass(frozen=True)
class Blocks:
    """Packed documents."""

    ids: NDArray[np.int32]
    """[n, T]."""
    positions: NDArray[np.int32]
    """Position of each token in its piece: [n, T]."""
    predicts: NDArray[np.bool_]
    """Whether a token's successor stands in the same piece, so that it is predicted: [n, T]."""
    first: NDArray[np.int32]
    """The document that each block begins with, by its place in `numbers`: [n]."""
    numbers: NDArray[np.int32]
    """Which documents have tokens, in order."""
    bytes: NDArray[np.int32] | None = None
    """UTF-8 bytes of its text that each token adds, 0 of special tokens: [n, T]; None: not counted."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def predicted_tokens(self) -> NDArray[np.int64]:
        """Predictions per block: [n]. The weight of a block in the loss."""
        tokens: NDArray[np.int64] = self.predicts.sum(1)
        return tokens

    def targets(self) -> NDArray[np.int32]:
        """All tokens that are predicted, in order: what a unigram model is scored on."""
        return self.ids[:, 1:][self.predicts[:, :-1]]

    def target_documents(self) -> NDArray[np.int32]:
        """The document of each predicted token, in the order of `targets`: [N]."""
        begun = np.cumsum(self.positions[:, 1:] == 0, axis=1, dtype=np.int32)
        documents: NDArray[np.int32] = self.numbers[(self.first[:, None] + begun)[self.predicts[:, :-1]]]
        return documents

    def target_bytes(self) -> NDArray[np.int32]:
        """Bytes of each predicted token, in the order of `targets`, where they were counted: [N]."""
        if self.bytes is None:
            raise AssertionError("bytes are counted where texts are encoded for it")
        return self.bytes[:, 1:][self.predicts[:, :-1]]

    def some(self, count: int | None) -> "Blocks":
        """So many of the blocks, evenly spaced; None: all."""
        if count is None or count >= len(self):
            return self
        return self.chosen(np.unique(np.linspace(0, len(self) - 1, count).astype(np.int64)))

    def chosen(self, which: NDArray[np.int64]) -> "Blocks":
        """Some of the blocks, by number."""
        kept = None if self.bytes is None else self.bytes[which]
        return Blocks(
            self.ids[which], self.positions[which], self.predicts[which], self.first[which], self.numbers, kept
        )

    def batch(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """The model's arguments for some blocks: input_ids and position_ids, [B, T]; predicting, [N].

        The last names the places b·T + t of the tokens whose successor is predicted.
        """
        return {
            "input_ids": torch.from_numpy(self.ids[indices].astype(np.int64)),
            "position_ids": torch.from_numpy(self.positions[indices].astype(np.int64)),
            "predicting": torch.from_numpy(np.flatnonzero(self.predicts[indices])),
        }


def pack(documents: Encoded, tokenizer: Any, max_seq_len: int) -> Blocks:
    """Put documents one after the other, each between start and end token, and cut into blocks.

    Args:
        documents: n token lists without special tokens.
        tokenizer: knows the start and the end token; a missing one is left out.
        max_seq_len: T.
    """
    start, end = ([] if i is None else [i] for i in (tokenizer.bos_token_id, tokenizer.eos_token_id))
    pieces = [np.asarray([*start, *documents[i], *end], dtype=np.int32) for i in range(len(documents))]
    lengths = np.asarray([len(piece) for piece in pieces], dtype=np.int64)
    numbers = np.flatnonzero(lengths).astype(np.int32)
    places = np.cumsum(lengths)[numbers] - lengths[numbers]
    begins = np.zeros(lengths.sum(), dtype=np.bool_)
    begins[places] = True
    ids, starts = _rows(pieces, max_seq_len), _rows([begins], max_seq_len, True)
    added = None
    if documents.bytes is not None:
        around = (len(start), len(end))
        added = _rows([np.pad(documents.bytes_of(i), around) for i in range(len(documents))], max_seq_len)
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
