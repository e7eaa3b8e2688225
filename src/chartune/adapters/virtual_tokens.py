"""Virtual tokens: learnt vectors that a body reads before the embeddings of a text.

    ids [B, T] ─embed─▶ [B, T, D] ─▶ [virtual | text] [B, n + T, D] ─▶ body ─▶ hidden states, those of the text last

The text's positions begin n later, as in stock peft. Where several texts share a row, each of them sees the virtual
tokens and none sees another text.
"""

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from pydantic import Field
from torch import Tensor, nn

from chartune.adapters.method import Method, without
from chartune.adapters.stock import PROMPT
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy
from chartune.models.language import pieces_mask
from chartune.models.weights import Header

LAYERS: Final = "virtual_tokens"
"""The attribute of a body that holds what makes its virtual tokens, by the name of the layer."""


class VirtualTokens(Method):
    """Base of the methods that add tokens to the input and leave the body as it is."""

    starts_as_identity: ClassVar[bool] = False
    lengthens_sequence: ClassVar[bool] = True
    unmergeable: ClassVar[str] = "its vectors stand beside the tokens of a text, and no matrix of a body holds them"

    tokens: int = Field(20, gt=0, le=65536)
    """Virtual tokens n."""

    @property
    def positions_taken(self) -> int:
        """n: the text begins behind them."""
        return self.tokens

    @abstractmethod
    def maker(self, width: int) -> nn.Module:
        """A module without input that gives the virtual tokens, [n, `width`]; its weights are drawn at random."""

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Put the maker beside the body's parts, and its result before every text."""
        maker = self.maker(embedding(body).shape[1]).to(embedding(body).device)
        if not hasattr(body, LAYERS):
            body.add_module(LAYERS, nn.ModuleDict())
        body.get_submodule(LAYERS).add_module(name, maker)
        body.register_forward_pre_hook(partial(_prepend, name), with_kwargs=True)

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse bodies that read nothing but token ids."""
        if "inputs_embeds" not in inspect.signature(body.forward).parameters:
            raise AdapterError(
                f"virtual tokens need a body that reads embeddings, and a {body.config.model_type} does not ({whose} "  # type: ignore[union-attr]
                f"adds some); choose another method, such as LoRA."
            )

    def is_active(self, body: nn.Module, name: str) -> bool:
        """Whether the maker is there; its hook is as old as itself."""
        return name in getattr(body, LAYERS, {})

    def switched_off(self, body: nn.Module, name: str) -> AbstractContextManager[None]:
        """Without its virtual tokens."""
        return without(name, [body.get_submodule(LAYERS)])  # type: ignore[list-item]

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """A row per virtual token."""
        shape = headers[PROMPT].shape if PROMPT in headers else ()
        if len(shape) != 2 or shape[0] != self.tokens:
            raise AdapterError(
                f"virtual tokens must be held as {PROMPT} of {self.tokens:,} rows, but {path} holds "
                f"{ascii(sorted(headers)[:1])[1:-1][:120]} of shape {list(shape)}; copy configuration and weights of "
                f"one adapter."
            )


def embedding(body: nn.Module) -> Tensor:
    """The vectors of a body's vocabulary, [V, D]."""
    table: Tensor = body.get_input_embeddings().weight  # type: ignore[operator]
    return table.detach()


def rows_of(body: nn.Module, ids: Sequence[int], count: int) -> Tensor:
    """The vectors of some tokens, again and again until there are `count`: [count, D]."""
    chosen = torch.tensor(ids, device=embedding(body).device).repeat(-(-count // len(ids)))[:count]
    return embedding(body)[chosen]


def _prepend(name: str, body: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Before a body runs: it reads embeddings with the virtual tokens first. It is called with names."""
    makers = getattr(body, LAYERS)
    if name not in makers:  # the layer is switched off
        return args, kwargs
    given = dict(kwargs)
    ids, text = given.pop("input_ids", None), given.get("inputs_embeds")
    text = body.get_input_embeddings()(ids) if text is None else text
    virtual = makers[name]().to(text.dtype)
    count, mask, positions = len(virtual), given.get("attention_mask"), given.get("position_ids")
    given["inputs_embeds"] = torch.cat([virtual.expand(len(text), -1, -1), text], dim=1)
    if mask is None and positions is not None:  # texts that share a row are told apart by their positions
        mask = pieces_mask(positions)
    if mask is not None:
        given["attention_mask"] = _seen_by_all(mask, count) if mask.ndim == 4 else _kept(mask, count)
    if (types := given.get("token_type_ids")) is not None:  # virtual tokens stand before the first text
        given["token_type_ids"] = torch.cat([types.new_zeros(len(types), count), types], dim=1)
    if positions is not None:
        before = positions[:, :1] + torch.arange(count, device=positions.device)
        given["position_ids"] = torch.cat([before, positions + count], dim=1)
    return args, given


def _kept(mask: Tensor, count: int) -> Tensor:
    """[B, T] ─▶ [B, n + T]: virtual tokens are no padding."""
    return torch.cat([mask.new_ones(len(mask), count), mask], dim=1)


def _seen_by_all(mask: Tensor, count: int) -> Tensor:
    """[B, 1, T, T], added to scores ─▶ [B, 1, n + T, n + T]: each text sees all virtual tokens, and they no text."""
    rows = mask.shape[2]
    seen, unseen = torch.zeros_like(mask[:, :, :, :1]), torch.finfo(mask.dtype).min
    text = torch.cat([seen.expand(-1, -1, -1, count), mask], dim=3)  # [B, 1, T, n + T]
    order = torch.ones(count, count + rows, dtype=torch.bool, device=mask.device).tril()
    virtual = torch.zeros_like(order, dtype=mask.dtype).masked_fill(~order, unseen)  # [n, n + T]
    return torch.cat([virtual.expand(len(mask), 1, -1, -1), text], dim=2)
