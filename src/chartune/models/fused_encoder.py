"""An encoder of BERT's kind in fewer operations: how it reads where nothing learns.

    x ─[Wq; Wk; Wv]─▶ q, k, v ─PyTorch's fused attention, without a mask where nothing is padded─▶ Wo ─ + x ─▶ norm
      ─Wi─ GELU in place ─ Wd ─ + x ─▶ norm

Which architectures are of that kind is read off one of their bodies: the parts of each block and no others, attention
through transformers' interface, GELU. Every other takes the way of transformers.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention
from transformers.modeling_outputs import BaseModelOutput

from chartune.models.anatomy import anatomy_of

PARTS: Final = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip
"""The modules with weights of each block, by name."""
PROJECTIONS: Final = ("query", "key", "value")
KNOWN: Final = re.compile(rf"(embeddings|pooler)\..+|encoder\.layer\.\d+\.({'|'.join(map(re.escape, PARTS))})\.\w+")
"""Names of weights of a whole body."""


def can_be_fused(body: nn.Module) -> bool:
    """Whether an architecture is of BERT's kind.

    Args:
        body: headless, without layers, on any device.
    """
    config: Any = body.config
    if not of_known_parts(name for name, _ in body.named_parameters()):
        return False
    if getattr(config, "hidden_act", None) != "gelu" or getattr(config, "is_decoder", False):
        return False
    blocks: Any = body.get_submodule("encoder.layer")
    attending = tuple(f"encoder.layer.{index}.attention.self" for index in range(len(blocks)))
    parts = {f"{part}.{kind}" for part in PARTS for kind in ("weight", "bias")}
    return anatomy_of(body).attention == attending and all(
        {name for name, _ in block.named_parameters()} == parts and hasattr(block.attention.self, "scaling")
        for block in blocks
    )


def of_known_parts(names: Iterable[str]) -> bool:
    """Whether weights, by their names, are those of embeddings and blocks alone, and there are some."""
    known = [bool(KNOWN.fullmatch(name)) for name in names]
    return any(known) and all(known)


def copied_bytes(module: nn.Module) -> int:
    """Bytes of the weights that a `FusedEncoder` holds twice, of a body or of some of its blocks."""
    own = [part for name, part in module.named_modules() if name.endswith("attention.self")]
    three = (_innermost(getattr(part, side)) for part in own for side in PROJECTIONS)
    return sum(weight.nbytes for matrix in three for weight in matrix.parameters())


class FusedEncoder:
    """A body of that kind; its weights are those of the body, which must not change as long as this is used."""

    def __init__(self, body: Any) -> None:
        self.embeddings = body.embeddings
        self.blocks = [_Block(block) for block in body.encoder.layer]

    def acting_as(self, block: nn.Module) -> nn.Module:
        """What does the work of one of the body's blocks."""
        return next(acting for acting in self.blocks if acting.block is block)

    def __call__(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> BaseModelOutput:
        """Last hidden states [B, T, D] of tokens [B, T], without gradients; `token_type_ids` of pairs, [B, T]."""
        mask = None if bool(attention_mask.all()) else attention_mask[:, None, None].bool()  # [B, 1, 1, T]
        states = self.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        for block in self.blocks:
            states = block(states, mask)
        return BaseModelOutput(last_hidden_state=states)


class _Block(nn.Module):
    """One block, with query, key and value in one matrix."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        own = block.attention.self
        self.block, self.heads, self.scale = block, own.num_attention_heads, own.scaling
        three = [_innermost(getattr(own, side)) for side in PROJECTIONS]
        self.weight = torch.cat([matrix.weight for matrix in three])  # [3 · D, D]
        self.bias = torch.cat([matrix.bias for matrix in three])

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, D] ─▶ [B, T, D]; `states` is overwritten."""
        block, (batch, length, _) = self.block, states.shape
        three = linear(states, self.weight, self.bias).view(batch, length, 3, self.heads, -1)
        query, key, value = three.permute(2, 0, 3, 1, 4)  # [B, heads, T, d_head] each
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=self.scale)
        output = block.attention.output
        states = output.LayerNorm(states.add_(output.dense(attended.transpose(1, 2).flatten(2))))
        inner = torch.ops.aten.gelu_(block.intermediate.dense(states))
        mixed: Tensor = block.output.LayerNorm(states.add_(block.output.dense(inner)))
        return mixed


def _innermost(projection: Any) -> Any:
    """The base's own matrix, below the layers that stand around it."""
    while hasattr(projection, "base_layer"):
        projection = projection.base_layer
    return projection
