"""Anatomy: where a headless body keeps its parts, found by observing one forward pass of it without numbers.

    config ─meta device─▶ body ─one forward─▶ which matrices are called, and what attention is given
                                  autograd's graph, backwards: query ◀ … ◀ q_proj,  down_proj ◀ act ◀ gate_proj, up_proj

So an architecture needs no table of names. Only where attention does not go through transformers' interface are its
matrices distinguished by their names, and the one body that cannot run without numbers is in a table here.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel, masking_utils
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.pytorch_utils import Conv1D

from chartune.models.numberless import NoNumbers

Names = tuple[str, ...]
"""Full names of modules as `named_modules` gives them, in its order."""

SPY: Final = "chartune-spy"
"""What the attention function that only observes is called in transformers' registry."""
PROJECTIONS: Final = tuple(re.compile(rf"(^|_)({name}|qkv)(_|$)") for name in ("q|query", "k|key", "v|value"))
"""How query, key and value projections are called where attention does not go through the interface."""
OUTPUT: Final = re.compile(r"attention\.(output\.)?dense$")
NEEDS_NUMBERS: Final = {"xlnet": re.compile(r"\.ff\.layer_2$")}
"""Bodies that need real numbers to run, and how the matrices are called that end their feed-forward parts."""


@dataclass(frozen=True)
class Anatomy:
    """Where a body keeps its parts. A fused projection stands in `query`, `key` and `value` alike."""

    matrices: Names
    """Every matrix of the blocks that a forward pass reaches, `nn.Linear` or GPT-2's `Conv1D`: no pooler, and no
    projection of embeddings."""
    query: Names
    """Empty where the projections are no modules (XLNet)."""
    key: Names
    value: Names
    attention_outputs: Names
    """The projections behind attention."""
    feed_forward: Names
    """All other matrices of the blocks."""
    feed_forward_outputs: Names
    """Those of them that read nothing but what other matrices have written: IA3 scales their input."""
    norms: Names
    """Modules that hold vectors alone: LayerNorm, RMSNorm."""
    embeddings: Names
    width: int
    """D of the last hidden states."""
    attention: Names
    """Modules that reach transformers' attention interface; none where the architecture does not use it."""
    packs: bool
    """Whether positions that begin again keep texts of one row apart; else a mask must."""
    key_heads: tuple[tuple[int, int], ...]
    """Heads, and numbers in each, of the keys and values of every module in `attention`."""

    def within(self, body: nn.Module) -> "Anatomy":
        """The anatomy of a body that has only some of the blocks."""
        present = {name for name, _ in body.named_modules()}
        heads = [size for name, size in zip(self.attention, self.key_heads, strict=True) if name in present]
        fewer: dict[str, Any] = {key: tuple(name for name in getattr(self, key) if name in present) for key in _NAMES}
        return replace(self, **fewer, key_heads=tuple(heads))


_NAMES: Final = tuple(part.name for part in fields(Anatomy) if part.type is Names)


def anatomy_of(body: nn.Module) -> Anatomy:
    """Where a body keeps its parts. Its weights are not touched, and layers that were put into it do not show.

    Args:
        body: a headless transformers model, on any device.
    """
    if not isinstance(body, PreTrainedModel):
        raise TypeError(f"a body must be a transformers model, not {type(body).__name__}")
    sizes = json.loads(body.config.to_json_string(use_diff=False))
    for nothing in ("_name_or_path", "use_cache", "dtype"):  # where it lies, and how it is run: its parts are the same
        sizes.pop(nothing, None)
    return _anatomy(type(body), json.dumps(sizes))  # type: ignore[arg-type]


def is_matrix(module: nn.Module) -> bool:
    """Whether a module is a linear map of the last axis, however it stores its weight."""
    return isinstance(module, (nn.Linear, Conv1D))


def matrix_shape(matrix: nn.Module) -> tuple[int, int]:
    """Outputs and inputs of a matrix, or of the layer around one; `Conv1D` stores its weight as [inputs, outputs]."""
    if isinstance(matrix, Conv1D):
        columns, rows = matrix.get_parameter("weight").shape
        return rows, columns
    sizes: Any = matrix
    return int(sizes.out_features), int(sizes.in_features)  # its weight may be quantised, and of another shape


@lru_cache(maxsize=64)
def _anatomy(kind: Any, config: str) -> Anatomy:
    """The anatomy of a model, by its class in transformers and its config."""
    shape = kind.config_class.from_dict(json.loads(config))
    shape.use_cache = False
    listens = bool(kind._supports_attention_backend)
    with torch.device("meta"):
        body = kind._from_config(shape, attn_implementation=SPY if listens else "eager", dtype=torch.float32).eval()
    names = _of_the_blocks(body)
    if shape.model_type in NEEDS_NUMBERS:
        ends = {name for name in names if NEEDS_NUMBERS[shape.model_type].search(name)}
        seen = _Seen(called=dict.fromkeys(names), ends=ends, width=int(shape.hidden_size))
    else:
        seen = _looked(body, names)
    return _sorted(body, seen if listens else _by_name(seen))


def _of_the_blocks(body: nn.Module) -> list[str]:
    """Names of the matrices that lie in one of the body's lists of like blocks."""
    lists = tuple(f"{name}." for name, module in body.named_modules() if isinstance(module, nn.ModuleList))
    return [name for name, module in body.named_modules() if is_matrix(module) and name.startswith(lists)]


@dataclass
class _Seen:
    """What one forward pass shows. Names are in the order of calls."""

    called: dict[str, None] = field(default_factory=dict)
    """Matrices; those of shared blocks stand here once."""
    ends: set[str] = field(default_factory=set)
    """Matrices that read nothing but what other matrices have written."""
    projections: tuple[set[str], set[str], set[str]] = field(default_factory=lambda: (set(), set(), set()))
    """Where query, key and value come from."""
    outputs: set[str] = field(default_factory=set)
    """The first matrix that is called after each attention."""
    attention: dict[nn.Module, tuple[int, int]] = field(default_factory=dict)
    """With heads and size of keys."""
    width: int = 0
    """D of the last hidden states."""
    packs: bool = False
    """Whether a mask was made from positions."""
    attended: bool = False
    """Whether attention was the last that was called."""


def _looked(body: nn.Module, names: list[str]) -> _Seen:
    """Put a few tokens through a body on the meta device and observe it."""
    observer = _Observer(dict(body.named_modules()), names)
    for name in names:
        observer.modules[name].register_forward_pre_hook(partial(observer.matrix, name))
    with _observed(observer), NoNumbers(), torch.enable_grad():  # type: ignore[no-untyped-call]
        out = body(input_ids=torch.zeros(1, 8, dtype=torch.long, device="meta"))
    observer.seen.width = int(out.last_hidden_state.shape[-1])
    return observer.seen


class _Observer:
    """Notes what one forward pass calls."""

    def __init__(self, modules: dict[str, nn.Module], names: list[str]) -> None:
        self.seen, self.modules = _Seen(), modules
        self.weights = {id(modules[name].weight): name for name in names}
        self.biases = {id(getattr(modules[name], "bias", None)) for name in names}

    def matrix(self, name: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """A matrix is called: the first one behind attention is its output."""
        self.seen.called[name] = None
        if self.seen.attended:
            self.seen.outputs.add(name)
        elif _sources(inputs[0], self.weights, self.biases).alone:
            self.seen.ends.add(name)
        self.seen.attended = False

    def attention(self, module: nn.Module, *projected: Tensor) -> None:
        """Attention is called with query, key and value, each [B, heads, T, d_head]."""
        self.seen.attention[module] = (projected[1].shape[1], projected[1].shape[3])
        for names, tensor in zip(self.seen.projections, projected, strict=True):
            names |= _sources(tensor, self.weights, self.biases).names
        self.seen.attended = True


@contextmanager
def _observed(observer: _Observer) -> Iterator[None]:
    """Attention is reported to `observer`, and whether a mask is made from positions."""
    token, stock = _watcher.set(observer.attention), masking_utils.find_packed_sequence_indices

    def positions(ids: Tensor) -> Any:
        observer.seen.packs = True
        return stock(ids)

    try:
        masking_utils.find_packed_sequence_indices = positions
        yield
    finally:
        _watcher.reset(token)
        masking_utils.find_packed_sequence_indices = stock


@dataclass(frozen=True)
class _Sources:
    """The nearest matrices that a tensor was computed by."""

    names: set[str]
    alone: bool
    """Whether nothing else that is learnt took part: no norm, no embedding."""


def _sources(tensor: Tensor, weights: dict[int, str], biases: set[int]) -> _Sources:
    """Walk autograd's graph backwards, up to the first matrix on each way.

    Args:
        tensor: a result of the body.
        weights: matrices by the `id` of their weights.
        biases: of the same matrices, by `id`.
    """
    names: set[str] = set()
    alone, known, ahead = True, set(), [tensor.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in known:
            continue
        known.add(node)
        here = {weights[i] for i in _leaves(node) if i in weights}
        names |= here
        alone &= not hasattr(node, "variable") or id(node.variable) in biases
        ahead += [] if here else [before for before, _ in node.next_functions]
    return _Sources(names, alone)


def _leaves(node: Any) -> Iterator[int]:
    """The `id` of every parameter that an operation takes, as it is or transposed."""
    for before, _ in node.next_functions:
        if hasattr(before, "variable"):
            yield id(before.variable)
        elif type(before).__name__ in ("TBackward0", "PermuteBackward0"):
            yield from _leaves(before)


def _by_name(seen: _Seen) -> _Seen:
    """Assign the matrices of attention by their names."""
    for names, pattern in zip(seen.projections, PROJECTIONS, strict=True):
        names |= {name for name in seen.called if pattern.search(name.rpartition(".")[2])}
    seen.outputs |= {name for name in seen.called if OUTPUT.search(name)}
    return seen


def _sorted(body: nn.Module, seen: _Seen) -> Anatomy:
    """What was seen, in the order of the body's modules."""
    modules = dict(body.named_modules())

    def those(which: Callable[[str], bool]) -> Names:
        return tuple(name for name in modules if which(name))

    query, key, value = seen.projections
    of_attention = query | key | value | seen.outputs
    attending = [name for name in modules if modules[name] in seen.attention]
    return Anatomy(
        matrices=those(seen.called.__contains__),
        query=those(query.__contains__),
        key=those(key.__contains__),
        value=those(value.__contains__),
        attention_outputs=those(seen.outputs.__contains__),
        feed_forward=those((seen.called.keys() - of_attention).__contains__),
        feed_forward_outputs=those((seen.ends - of_attention).__contains__),
        norms=those(lambda name: _is_norm(modules[name])),
        embeddings=those(lambda name: isinstance(modules[name], nn.Embedding)),
        width=seen.width,
        packs=seen.packs,
        attention=tuple(attending),
        key_heads=tuple(seen.attention[modules[name]] for name in attending),
    )


def _is_norm(module: nn.Module) -> bool:
    own = list(module.parameters())
    return bool(own) and not list(module.children()) and all(parameter.ndim == 1 for parameter in own)


_watcher: ContextVar[Callable[..., None]] = ContextVar("_watcher")
"""Called with each call of attention: the module, then query, key and value, each [B, heads, T, d_head]."""


def _spy(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: Any
) -> tuple[Tensor, None]:
    """Attention in shape only: the values as they are, [B, T, heads, d_head]."""
    _watcher.get()(module, query, key, value)
    return value.repeat_interleave(query.shape[1] // value.shape[1], dim=1).transpose(1, 2).contiguous(), None


AttentionInterface.register(SPY, _spy)
AttentionMaskInterface.register(SPY, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
