"""Attention that also reads learnt keys and values, before those of the text, in every block: a function without state.

    softmax(q · [k_prefix, k]ᵀ) · [v_prefix, v]        mask [B, 1, T, T] ─▶ [B, 1, T, n + T], the prefix always seen

It stands in transformers' registry beside the stock functions and calls them. No cache takes part, so decoders and
encoders take one way, and gradient checkpointing computes it twice alike. Where a window limits attention (Mistral,
Gemma 3, ModernBERT), the prefix lies in every window.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

PREFIXED: Final = "chartune-prefix-"
PREFIXES: Final = "prefixes"
"""The attribute of an attention module that holds its prefixes, by the name of their layer."""
Attend = Callable[..., tuple[Tensor, Any]]


class KeysAndValues(nn.Module):
    """The prefix of one attention module."""

    def __init__(self, heads: int, tokens: int, size: int, device: torch.device) -> None:
        super().__init__()
        self.key = nn.Parameter(torch.empty(heads, tokens, size, device=device))
        """[heads, n, d_head]."""
        self.value = nn.Parameter(torch.empty(heads, tokens, size, device=device))
        """[heads, n, d_head]."""


def add_prefix(body: Any, module: nn.Module, name: str, prefix: KeysAndValues) -> None:
    """Give an attention module of a body a prefix, behind those that it has.

    Args:
        body: a transformers model whose attention is `eager` or `sdpa`.
        module: reaches transformers' attention interface.
        name: of the layer.
        prefix: what it reads first.
    """
    if not hasattr(module, PREFIXES):
        module.add_module(PREFIXES, nn.ModuleDict())
    module.get_submodule(PREFIXES).add_module(name, prefix)
    if not reads_prefixes(body):
        body.set_attn_implementation(PREFIXED + body.config._attn_implementation)


def reads_prefixes(body: Any) -> bool:
    """Whether the attention of a body looks for prefixes."""
    return str(body.config._attn_implementation).startswith(PREFIXED)


def _eager(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
    """The plain attention of the architecture, which stands beside its modules and in no registry."""
    attend: Attend = sys.modules[type(module).__module__].eager_attention_forward
    return attend(module, *args, **kwargs)


def _sdpa(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
    """PyTorch's fused kernels. The mask says all, also what is causal."""
    attended: tuple[Tensor, Any] = ALL_ATTENTION_FUNCTIONS["sdpa"](module, *args, **kwargs | {"is_causal": False})
    return attended


def _with_prefixes(inner: Attend, stock: Attend) -> Attend:
    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **further: Any
    ) -> tuple[Tensor, Any]:
        """query: [B, heads, T, d_head]; key and value: [B, key heads, T, d_head]; the mask, if any: [B, 1, T, T]."""
        prefixes = list(getattr(module, PREFIXES, {}).values())
        if not prefixes:
            return stock(module, query, key, value, attention_mask, **further)
        causal = further.pop("is_causal", None)
        if attention_mask is None and (getattr(module, "is_causal", False) if causal is None else causal):
            attention_mask = _causal(query, key)
        if attention_mask is not None:
            attention_mask = _seen(attention_mask, sum(prefix.key.shape[1] for prefix in prefixes))
        keys = _before([prefix.key for prefix in prefixes], key)
        values = _before([prefix.value for prefix in prefixes], value)
        return inner(module, query, keys, values, attention_mask, **further)

    return attend


def _before(prefixes: list[Tensor], text: Tensor) -> Tensor:
    """[heads, nᵢ, d_head] each, in front of [B, heads, T, d_head]."""
    batch = len(text)
    return torch.cat([*(prefix.to(text.dtype).expand(batch, -1, -1, -1) for prefix in prefixes), text], dim=-2)


def _causal(query: Tensor, key: Tensor) -> Tensor:
    """What `sdpa` means by no mask where it is causal: [B, 1, T, T] of bool."""
    rows, columns = query.shape[-2], key.shape[-2]
    mask = torch.ones(rows, columns, dtype=torch.bool, device=query.device).tril(columns - rows)
    return mask.expand(len(query), 1, rows, columns)


def _seen(mask: Tensor, tokens: int) -> Tensor:
    """A mask with columns for a prefix that everything sees: true, or nothing added."""
    shape = (*mask.shape[:-1], tokens)
    return torch.cat([mask.new_ones(shape) if mask.dtype == torch.bool else mask.new_zeros(shape), mask], dim=-1)


def _stock_sdpa(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
    attended: tuple[Tensor, Any] = ALL_ATTENTION_FUNCTIONS["sdpa"](module, *args, **kwargs)
    return attended


for _name, _inner, _stock in (("eager", _eager, _eager), ("sdpa", _sdpa, _stock_sdpa)):
    AttentionInterface.register(PREFIXED + _name, _with_prefixes(_inner, _stock))
    AttentionMaskInterface.register(PREFIXED + _name, ALL_MASK_ATTENTION_FUNCTIONS[_name])
