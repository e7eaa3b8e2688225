"""Documents → full blocks for language modelling: no padding but in the last block, no sight of a neighbour.

<s> doc one </s> <s> document | two, go- …        positions restart with every document and every block, and the
0   1   2   3    0   1          0    1             model's own mask keeps attention inside a piece
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
        """The model's arguments for some blocks: input_ids, position_ids and predicts, each [B, T]."""
        return {
            "input_ids": torch.from_numpy(self.ids[indices].astype(np.int64)),
            "position_ids": torch.from_numpy(self.positions[indices].astype(np.int64)),
            "predicts": torch.from_numpy(self.predicts[indices]),
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
    starts[:, :1] = True
    predicts = np.concatenate([~starts[:, 1:], np.zeros((blocks, 1), np.bool_)], axis=1)
    told = predicts.any(1)  # a last block of one token predicts nothing
    return Blocks(ids[told], _positions(starts)[told], predicts[told])


def _positions(begins: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Steps since the last True, per row. begins: [n, T], True in column 0."""
    column = np.arange(begins.shape[1], dtype=np.int32)
    last = np.maximum.accumulate(np.where(begins, column, 0), axis=1)
    return (column - last).astype(np.int32)
