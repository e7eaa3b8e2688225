"""Prefix tuning: learnt keys and values in front of those of the text, in every block; no weight of the body moves."""

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import torch
from peft import PrefixTuningConfig, TaskType
from pydantic import Field
from torch import Tensor, nn

from chartune.adapters.method import Method, without
from chartune.adapters.prefix_attention import (
    PREFIXES,
    KeysAndValues,
    ProjectedKeysAndValues,
    Projection,
    add_prefix,
    holders_of,
    reads_prefixes,
)
from chartune.adapters.stock import PROMPT
from chartune.config import Added
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy
from chartune.models.families import family_of
from chartune.models.weights import Header

PROJECTIONS: Final = "prefix_projections"
"""The attribute of a body that holds what computes its prefixes, by the name of the layer."""


class Prefix(Method):
    """Prefix tuning (Li and Liang, 2021, arXiv:2101.00190); without a projection as in P-tuning v2 (arXiv:2110.07602).

    Keys and values start at random: a fresh layer is not the identity. Learning rates up to 1e-2 suit it. A projection
    learns in their place and computes them; what is kept is what it computed, as in the paper and in stock peft.
    """

    kind: Literal["prefix"] = "prefix"
    starts_as_identity: ClassVar[bool] = False
    unmergeable: ClassVar[str] = (
        "its keys and values stand beside those of the text, and no matrix of a body holds them"
    )

    tokens: int = Field(20, gt=0, le=65536)
    """Virtual tokens n in each block."""
    positions: Literal["shifted", "unshifted"] = "shifted"
    """`shifted`: the text's positions begin at n, as stock peft has it and P1 used it; `unshifted`: at 0, as the body
    was pretrained."""
    projection_hidden: Annotated[int | None, Added()] = Field(None, gt=0, le=65536)
    """Width h of a network that computes the prefix from n vectors of heads·d_head: Linear, tanh, Linear. None: the
    prefix itself learns. P1 says no width; stock peft's default is that of the vectors, 1,090,867,200 weights on a
    LLaMA of 7B with 20 tokens."""

    @property
    def positions_taken(self) -> int:
        """As many as its tokens where the text's positions begin behind the prefix; else none."""
        return self.tokens if self.positions == "shifted" else 0

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> PrefixTuningConfig:
        """The peft config. Stock peft shifts positions, whatever is chosen here."""
        heads, size = anatomy.key_heads[0]
        return PrefixTuningConfig(
            task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=self.tokens, token_dim=heads * size,
            num_attention_heads=heads, num_layers=len(anatomy.attention), num_transformer_submodules=1,
        )  # fmt: skip

    def misread_by_peft(self, body: nn.Module, anatomy: Anatomy) -> str:
        """Stock peft shifts positions, and gives prefixes as a cache, which some encoders do not take."""
        if self.positions == "unshifted":
            return "stock peft shifts positions, and `positions: unshifted` was chosen"
        cached = "past_key_values" in inspect.signature(body.forward).parameters
        return "" if cached else f"stock peft gives prefixes as a cache, and a {body.config.model_type} takes none"  # type: ignore[union-attr]

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """[n, 2·blocks·heads·d_head]: per token the first block's keys, its values, the second's keys, and so on."""
        return {PROMPT: (self.tokens, sum(2 * heads * size for heads, size in anatomy.key_heads))}

    def count(self, body: nn.Module, anatomy: Anatomy) -> int:
        """What learns: the prefix, or n·D + (D·h + h) + (h + 1)·2·blocks·D of its projection, D = heads·d_head."""
        hidden = self.projection_hidden
        if hidden is None:
            return super().count(body, anatomy)
        heads, size = anatomy.key_heads[0]
        width, every = heads * size, 2 * len(anatomy.key_heads) * heads * size
        return self.tokens * width + (width + 1) * hidden + (hidden + 1) * every

    def as_kept(self) -> "Prefix":
        """The same method without its projection: the file holds what that has computed."""
        return self.model_copy(update={"projection_hidden": None})

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Give every attention module a prefix drawn from N(0, 1), as stock peft does, or computed."""
        place = next(body.parameters()).device
        if self.projection_hidden is not None:
            self._project(self.projection_hidden, body, anatomy, name, place)
        else:
            for module, (heads, size) in zip(anatomy.attention, anatomy.key_heads, strict=True):
                add_prefix(body, body.get_submodule(module), name, KeysAndValues(heads, self.tokens, size, place))
            drawn = {file: torch.randn(shape) for file, shape in self.shapes(body, anatomy).items()}
            self.restore(body, name, drawn)
        if self.positions == "shifted":
            first = body.get_submodule(anatomy.attention[0])
            body.register_forward_pre_hook(partial(_shift, self.tokens, name, first), with_kwargs=True)

    def _project(self, hidden: int, body: nn.Module, anatomy: Anatomy, name: str, place: torch.device) -> None:
        heads, size = anatomy.key_heads[0]
        made = Projection(self.tokens, heads * size, hidden, len(anatomy.attention)).to(place)
        if not hasattr(body, PROJECTIONS):
            body.add_module(PROJECTIONS, nn.ModuleDict())
        body.get_submodule(PROJECTIONS).add_module(name, made)
        for block, module in enumerate(anatomy.attention):
            add_prefix(body, body.get_submodule(module), name, ProjectedKeysAndValues(made, block, heads))

    @property
    def compiles(self) -> bool:
        """Without a projection, as it was compared with plain blocks."""
        return self.projection_hidden is None

    def title(self) -> str:
        """`prefix n=20`, `prefix n=20 (projection h=512)`."""
        return f"prefix n={self.tokens}" + (
            f" (projection h={self.projection_hidden})" if self.projection_hidden else ""
        )

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse bodies whose attention cannot be given keys, or whose positions cannot be shifted."""
        model_type = body.config.model_type  # type: ignore[union-attr]
        if not anatomy.attention:
            raise AdapterError(
                f"prefix tuning needs attention that goes through transformers' interface, but {whose} stands on a "
                f"{model_type}, whose attention does not; choose another method, such as LoRA, or another base model."
            )
        if len(set(anatomy.key_heads)) > 1:
            raise AdapterError(
                f"prefix tuning needs keys of one shape in all blocks, and those of a {model_type} differ; choose "
                f"another method, such as LoRA."
            )
        if self.positions == "shifted" and "position_ids" not in inspect.signature(body.forward).parameters:
            raise AdapterError(
                f"positions can be shifted where a body takes them, and a {model_type} does not; use "
                f"`positions: unshifted`."
            )

    def state(self, body: nn.Module, name: str) -> dict[str, Tensor]:
        """The weights in stock peft's layout, see `shapes`."""
        sides = [side.detach() for prefix in _prefixes(body, name) for side in prefix.pair()]
        return {PROMPT: torch.stack(sides).permute(2, 0, 1, 3).reshape(self.tokens, -1)}

    def restore(self, body: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Put back tensors in stock peft's layout."""
        prefixes = _prefixes(body, name)
        heads, _, size = prefixes[0].key.shape
        sides = tensors[PROMPT].reshape(self.tokens, 2 * len(prefixes), heads, size).permute(1, 2, 0, 3)
        with torch.no_grad():
            for index, prefix in enumerate(prefixes):
                prefix.key.copy_(sides[2 * index])
                prefix.value.copy_(sides[2 * index + 1])

    def is_active(self, body: nn.Module, name: str) -> bool:
        """Whether the body's attention looks for prefixes, and has this one."""
        return reads_prefixes(body) and bool(_prefixes(body, name))

    def switched_off(self, body: nn.Module, name: str) -> AbstractContextManager[None]:
        """Without its prefixes, and with the positions of the text as they were below it."""
        return without(name, holders_of(body))

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """One tensor, a row per virtual token."""
        shape = headers[PROMPT].shape if headers.keys() == {PROMPT} else ()
        if len(shape) != 2 or shape[0] != self.tokens:
            raise AdapterError(
                f"a prefix must hold {PROMPT} of {self.tokens:,} rows and nothing else, but {path} holds "
                f"{ascii(sorted(headers)[:1])[1:-1][:120]} of shape {list(shape)}; copy configuration and weights of "
                f"one adapter."
            )


def _prefixes(body: nn.Module, name: str) -> list[Any]:
    """The prefixes of one layer, from the first block to the last."""
    return [layers[name] for layers in holders_of(body) if name in layers]


def _shift(
    tokens: int, name: str, first: nn.Module, body: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Before a body runs: its positions begin `tokens` later. It is called with names, as all bodies here are.

    Where the first of its attention modules has no such prefix, the layer is switched off.
    """
    if name not in getattr(first, PREFIXES):
        return args, kwargs
    given = kwargs.get("position_ids")
    given = _positions(body, kwargs.get("input_ids"), kwargs.get("inputs_embeds")) if given is None else given
    return args, kwargs | {"position_ids": given + tokens}


def _positions(body: Any, ids: Tensor | None, embedded: Tensor | None) -> Tensor:
    """The positions that a body gives tokens by itself, [B, T]; only RoBERTa's begin after the padding's id.

    Args:
        body: a headless model.
        ids: of the tokens, [B, T]; None where it is given embeddings.
        embedded: those, [B, T, D].
    """
    shape = ids if ids is not None else embedded[..., 0] if embedded is not None else torch.empty(0, 0)
    plain = torch.arange(shape.shape[1], device=shape.device).expand(shape.shape)
    if not family_of(body.config.model_type, "the body").numbers_after_padding:
        return plain
    pad = int(body.config.pad_token_id)
    if ids is None:
        return plain + pad + 1
    kept = (ids != pad).long()
    counted: Tensor = kept.cumsum(dim=1) * kept + pad
    return counted
