"""Documents → blocks for language modelling.

packed         <s> doc one </s> <s> document | two, go- …     no padding but in the last block, no sight of a neighbour
first tokens   <s> doc one - - - | <s> document two, goes     as published: what follows in a document is never read

Positions restart with every document and every block, and the model's own mask keeps attention inside a piece.
"""

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
    stream = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32)
    begins = np.zeros(len(stream), dtype=np.bool_)
    begins[np.cumsum([0, *(len(p) for p in pieces)])[:-1]] = True
    blocks = -(-len(stream) // max_seq_len)
    padding = blocks * max_seq_len - len(stream)
    ids = np.concatenate([stream, np.zeros(padding, dtype=np.int32)]).reshape(blocks, max_seq_len)
    starts = np.concatenate([begins, np.ones(padding, dtype=np.bool_)]).reshape(blocks, max_seq_len)
    return _blocks(ids, starts)


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
    for row in range(len(documents)):
        piece = [*start, *documents[row][: max_seq_len - len(start)]]
        ids[row, : len(piece)] = piece
        starts[row, 1 : len(piece)] = False
    return _blocks(ids, starts)


def _blocks(ids: NDArray[np.int32], starts: NDArray[np.bool_]) -> Blocks:
    """Blocks of tokens [n, T], of which these begin a piece; padding begins one with every token."""
    starts[:, :1] = True
    predicts = np.concatenate([~starts[:, 1:], np.zeros((len(ids), 1), np.bool_)], axis=1)
    useful = predicts.any(1)  # a block of one token predicts nothing
    return Blocks(ids[useful], _positions(starts)[useful], predicts[useful])


def _positions(begins: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Steps since the last True, per row. begins: [n, T], True in column 0."""
    column = np.arange(begins.shape[1], dtype=np.int32)
    last = np.maximum.accumulate(np.where(begins, column, 0), axis=1)
    return (column - last).astype(np.int32)
