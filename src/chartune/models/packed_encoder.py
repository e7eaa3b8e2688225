"""An encoder of BERT's kind that reads texts one after the other, without padding and without a mask.

    [a a a a b b c c c] [N, D] ─Wq, Wk, Wv, Wo, Wi, Wd on all of them at once─▶ states [N, D]
     a·a      b·b  c·c          attention within each text

On a processor a batch is no faster than its texts alone; what it costs is its padding, which lengths as those of notes
make as large as themselves. Matrices are called as modules, so that what stands beside them is in force. They see few
numbers of rows (`rows_of`): for each, oneDNN makes code that stays, and blocks of ever other sizes tear memory up.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

STEPS: Final = 16
"""Numbers of rows between a power of two and the next."""


def rows_of(tokens: int) -> int:
    """In how many rows so many tokens are read; the last ones, 2 % on average, are no token's."""
    step = max(8, (1 << max(0, tokens.bit_length() - 1)) // STEPS)
    return -(-tokens // step) * step


class PackedEncoder:
    """A body for which `can_be_fused` holds; its matrices may have been replaced by others of `rows_of(N)` rows."""

    def __init__(self, body: Any) -> None:
        self.embeddings, self.blocks = body.embeddings, list(body.encoder.layer)

    def embedded(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Of padded tokens [R, T] the embeddings of those that are no padding, row by row: [N, D]."""
        made: Tensor = self.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        return made[attention_mask.bool()]

    def __call__(self, states: Tensor, lengths: Sequence[int]) -> Tensor:
        """Last hidden states [N, D] of embeddings [N, D], without gradients. lengths: of the texts, N in all."""
        count = len(states)
        states = pad(states, (0, 0, 0, rows_of(count) - count))
        for block in self.blocks:
            states = _block(block, states, lengths)
        return states[:count]


def _block(block: Any, states: Tensor, lengths: Sequence[int]) -> Tensor:
    own, output = block.attention.self, block.attention.output
    attended = _attended([own.query(states), own.key(states), own.value(states)], lengths, own)
    states = output.LayerNorm(output.dense(attended).add_(states))
    inner = torch.ops.aten.gelu_(block.intermediate.dense(states))
    made: Tensor = block.output.LayerNorm(block.output.dense(inner).add_(states))
    return made


def _attended(sides: Sequence[Tensor], lengths: Sequence[int], own: Any) -> Tensor:
    """What the tokens of each text see in it: [N', D] of query, key and value, [N', D] each; 0 where no token is."""
    made, start = [], 0
    for length, same in groupby(lengths):  # neighbours of one length at once
        count = sum(1 for _ in same)
        query, key, value = (
            side[start : start + count * length].view(count, length, own.num_attention_heads, -1).transpose(1, 2)
            for side in sides
        )
        one = scaled_dot_product_attention(query, key, value, scale=own.scaling)  # [count, heads, length, d_head]
        made.append(one.transpose(1, 2).reshape(count * length, -1))
        start += count * length
    return torch.cat([*made, sides[0].new_zeros(len(sides[0]) - start, sides[0].shape[1])])
