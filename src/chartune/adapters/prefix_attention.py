"""Attention that also reads learnt keys and values, before those of the text, in every block: a function without state.

    softmax(q · [k_prefix, k]ᵀ) · [v_prefix, v]        mask [B, 1, T, T] ─▶ [B, 1, T, n + T], the prefix always seen
    softmax(q · kᵀ) · v + gate · softmax(q · k_promptᵀ) · v_prompt                            an adaptation prompt

It stands in transformers' registry beside the stock functions and calls them. No cache takes part, so decoders and
encoders take one way, and gradient checkpointing computes it twice alike. Where a window limits attention (Mistral,
Gemma 3, ModernBERT), the prefix lies in every window.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
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

    def pair(self) -> tuple[Tensor, Tensor]:
        """Key and value."""
        return self.key, self.value


class Projection(nn.Module):
    """n vectors and the network that computes the prefix of every block from them, called as in stock peft."""

    def __init__(self, tokens: int, width: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.transform = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 2 * blocks * width))

    def sides(self, block: int) -> Tensor:
        """Keys and values of one block, [n, 2 · heads · d_head], in fp32 whatever the body computes in."""
        last: Any = self.transform[2]
        rows = slice(2 * block * self.embedding.embedding_dim, 2 * (block + 1) * self.embedding.embedding_dim)
        with torch.autocast(last.weight.device.type, enabled=False):
            made: Tensor = linear(self.transform[:2](self.embedding.weight), last.weight[rows], last.bias[rows])
            return made


class ProjectedKeysAndValues(nn.Module):
    """The prefix of one attention module, computed anew in each pass: activations may be computed again, too."""

    def __init__(self, projection: Projection, block: int, heads: int) -> None:
        super().__init__()
        self.shared, self.block, self.heads = [projection], block, heads  # a list: the body holds it, once

    def pair(self) -> tuple[Tensor, Tensor]:
        """Key and value, [heads, n, d_head] each."""
        computed = self.shared[0].sides(self.block)
        key, value = computed.view(len(computed), 2, self.heads, -1).permute(1, 2, 0, 3)
        return key, value


class GatedPrompt(nn.Module):
    """The adaptation prompt of one attention module: vectors that its own projections make keys and values of."""

    def __init__(self, tokens: int, width: int, heads: int, projections: tuple[str, str], device: torch.device) -> None:
        super().__init__()
        self.heads, self.projections = heads, projections
        self.prompt = nn.Parameter(torch.randn(1, tokens, width).to(device))
        """[1, n, D]."""
        self.gate = nn.Parameter(torch.zeros(1, device=device))
        """[1]."""

    def sides(self, module: nn.Module, dtype: torch.dtype) -> Iterator[Tensor]:
        """Keys and values, without positions: [1, key heads, n, d_head] each."""
        for projection in self.projections:
            made: Tensor = module.get_submodule(projection)(self.prompt.to(dtype))
            yield made.view(1, made.shape[1], self.heads, -1).transpose(1, 2).to(dtype)


Prefixed = KeysAndValues | ProjectedKeysAndValues | GatedPrompt


def add_prefix(body: Any, module: nn.Module, name: str, prefix: Prefixed) -> None:
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


def holders_of(body: nn.Module) -> list[nn.ModuleDict]:
    """What holds the prefixes of each attention module, first block to last."""
    return [getattr(module, PREFIXES) for module in body.modules() if hasattr(module, PREFIXES)]


def reads_prefixes(body: Any) -> bool:
    """Whether the attention of a body looks for prefixes."""
    return str(body.config._attn_implementation).startswith(PREFIXED)


def _eager(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
    """The plain attention of the architecture, which stands beside its modules and in no registry."""
    attend: Attend = sys.modules[type(module).__module__].eager_attention_forward
    return attend(module, *args, **kwargs)


def _sdpa(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
    """PyTorch's fused kernels. The mask says all, also what is causal."""
    return _stock_sdpa(module, *args, **kwargs | {"is_causal": False})


def _with_prefixes(inner: Attend, stock: Attend) -> Attend:
    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **further: Any
    ) -> tuple[Tensor, Any]:
        """query: [B, heads, T, d_head]; key and value: [B, key heads, T, d_head]; the mask, if any: [B, 1, T, T]."""
        learnt = list(getattr(module, PREFIXES, {}).values())
        prefixes = [each.pair() for each in learnt if not isinstance(each, GatedPrompt)]
        if prefixes:
            mask = _widened(module, attention_mask, query, key, further, sum(own.shape[1] for own, _ in prefixes))
            keys, values = _before([own for own, _ in prefixes], key), _before([own for _, own in prefixes], value)
            states, weights = inner(module, query, keys, values, mask, **further)
        else:
            states, weights = stock(module, query, key, value, attention_mask, **further)
        for prompt in learnt:
            if isinstance(prompt, GatedPrompt):
                states = states + prompt.gate.to(states.dtype) * _read(inner, module, query, prompt, further)
        return states, weights

    return attend


def _read(inner: Attend, module: nn.Module, query: Tensor, prompt: GatedPrompt, further: dict[str, Any]) -> Tensor:
    """What attention finds in a prompt, all of which every token sees: [B, T, heads, d_head]."""
    key, value = (side.expand(len(query), -1, -1, -1) for side in prompt.sides(module, query.dtype))
    scaled = {name: further[name] for name in ("scaling",) if name in further}
    states: Tensor = inner(module, query, key, value, None, dropout=0.0, **scaled)[0]
    return states


def _widened(
    module: nn.Module, mask: Tensor | None, query: Tensor, key: Tensor, further: dict[str, Any], tokens: int
) -> Tensor | None:
    """The mask with columns for prefixes, made where `sdpa` means a causal one by none; takes `is_causal` out."""
    causal = further.pop("is_causal", None)
    if mask is None and (getattr(module, "is_causal", False) if causal is None else causal):
        mask = _causal(query, key)
    return mask if mask is None else _seen(mask, tokens)


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
