"""Adaptation prompt: in the upper blocks attention also reads learnt vectors, by a gate that starts at zero."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from peft import AdaptionPromptConfig
from pydantic import Field, model_validator
from torch import Tensor, nn

from chartune.adapters.method import ROOT, Method, without
from chartune.adapters.prefix_attention import PREFIXES, GatedPrompt, add_prefix, holders_of, reads_prefixes
from chartune.config import Added
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy, matrix_shape
from chartune.models.weights import Header

STOCK: Final = ("adaption_prompt", "adaption_gate")
"""What stock peft calls the two tensors of a block."""
READ_BY_PEFT: Final = ("llama", "mistral")
"""Families on which stock peft has it and computes the same."""


class AdaptationPrompt(Method):
    """LLaMA-Adapter (Zhang et al., 2023, arXiv:2303.16199), eq. 4-8 as stock peft computes them.

        attention(q, k, v) + g · softmax(q · (P·Wk)ᵀ / √d) · (P·Wv)        P [n, D] and g [1] learn; g starts at 0

    The keys of P have no position. Learning rates up to 1e-2 suit it.
    """

    kind: Literal["adaptation-prompt"] = "adaptation-prompt"
    unmergeable: ClassVar[str] = "its vectors are read by attention beside the text, and no matrix of a body holds them"
    idle: ClassVar[str] = "the gate is zero in every block"

    tokens: int = Field(10, gt=0, le=65536)
    """Vectors n in each block."""
    blocks: int | None = Field(None, gt=0, le=4096)
    """In how many blocks, from the top; None: in all, or in the fraction `depth` of them."""
    depth: Annotated[float | None, Added()] = Field(None, gt=0, le=1)
    """In which fraction of a base's blocks, from the top, at least in one: a setting for bases of any depth. The 10, 20
    and 30 of LLaMA-7B's 32 blocks (P1, appendix A.2) are 0.3125, 0.625 and 0.9375."""

    @model_validator(mode="after")
    def _number_or_fraction(self) -> Self:
        if self.blocks is not None and self.depth is not None:
            raise ValueError(
                f"an adaptation prompt must stand in a number of blocks or in a fraction of them, but `blocks` is "
                f"{self.blocks} and `depth` is {self.depth:g}; leave one of them out"
            )
        return self

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> AdaptionPromptConfig | None:
        """The peft config, where peft knows the family."""
        if str(body.config.model_type) not in READ_BY_PEFT:  # type: ignore[union-attr]
            return None
        return AdaptionPromptConfig(
            adapter_len=self.tokens, adapter_layers=len(self._places(anatomy)), target_modules="self_attn"
        )

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """Of each block [1, n, D] and [1]: blocks · (n·D + 1) numbers."""
        shapes: dict[str, tuple[int, ...]] = {}
        for place in self._places(anatomy):
            width = matrix_shape(body.get_submodule(_projection(place, anatomy.key)))[1]
            shapes |= {f"{ROOT}{place}.{STOCK[0]}": (1, self.tokens, width), f"{ROOT}{place}.{STOCK[1]}": (1,)}
        return shapes

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Give the attention of the upper blocks its vectors, drawn from N(0, 1) as stock peft does."""
        device, chosen = next(body.parameters()).device, self._places(anatomy)
        heads = dict(zip(anatomy.attention, anatomy.key_heads, strict=True))
        for place in chosen:
            key, value = (_projection(place, side) for side in (anatomy.key, anatomy.value))
            width, inner = matrix_shape(body.get_submodule(key))[1], len(place) + 1
            prompt = GatedPrompt(self.tokens, width, heads[place][0], (key[inner:], value[inner:]), device)
            add_prefix(body, body.get_submodule(place), name, prompt)

    @property
    def compiles(self) -> bool:
        """Yes: it was compared with plain blocks."""
        return True

    def title(self) -> str:
        """`adaptation prompt n=10`, with the number or fraction of blocks where it is not all."""
        where = (
            f" in {self.blocks} blocks" if self.blocks else f" in {self.depth:g} of the blocks" if self.depth else ""
        )
        return f"adaptation prompt n={self.tokens}{where}"

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse bodies whose attention cannot be reached, has no key and value matrix each, or has too few blocks."""
        model_type = body.config.model_type  # type: ignore[union-attr]
        if not anatomy.attention or not all(_is_plain(body, place, anatomy) for place in anatomy.attention):
            raise AdapterError(
                f"an adaptation prompt needs attention that goes through transformers' interface and has a key and a "
                f"value matrix that read the same, but {whose} stands on a {model_type}, whose attention is not so; "
                f"choose another method, such as LoRA or prefix tuning."
            )
        if self.blocks is not None and self.blocks > len(anatomy.attention):
            raise AdapterError(
                f"an adaptation prompt can stand in as many blocks as there are, but {whose} asks for {self.blocks} of "
                f"{len(anatomy.attention)}; lower `blocks`, or leave it out."
            )

    def state(self, body: nn.Module, name: str) -> dict[str, Tensor]:
        """The weights by stock peft's names, see `shapes`."""
        return {
            f"{ROOT}{place}.{called}": tensor.detach()
            for place, prompt in _prompts(body, name).items()
            for called, tensor in zip(STOCK, (prompt.prompt, prompt.gate), strict=True)
        }

    def restore(self, body: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Put back tensors that are named as stock peft names them."""
        for stock, own in self.state(body, name).items():
            own.copy_(tensors[stock])

    def is_active(self, body: nn.Module, name: str) -> bool:
        """Whether the body's attention looks for it, and has it."""
        return reads_prefixes(body) and bool(_prompts(body, name))

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """Refuse what is not a prompt of n rows and a gate for each block."""
        for name, header in headers.items():
            place, _, called = name.rpartition(".")
            shape = {STOCK[0]: (1, self.tokens, *header.shape[2:3]), STOCK[1]: (1,)}.get(called)
            if header.shape != shape or any(f"{place}.{other}" not in headers for other in STOCK):
                raise AdapterError(
                    f"an adaptation prompt must hold for each block {STOCK[0]} of {self.tokens:,} rows and "
                    f"{STOCK[1]}, but {path} holds {ascii(name)[:120]} of shape {list(header.shape)}; copy "
                    f"configuration and weights of one adapter."
                )

    def switched_off(self, body: nn.Module, name: str) -> AbstractContextManager[None]:
        """Without its vectors."""
        return without(name, holders_of(body))

    def changes(self, name: str, tensor: Tensor) -> bool:
        """Only a gate, unless it is zero."""
        return name.endswith(STOCK[1]) and bool(tensor.any())

    def _places(self, anatomy: Anatomy) -> tuple[str, ...]:
        """The attention modules that get one."""
        every = len(anatomy.attention)
        count = self.blocks or (max(1, round(self.depth * every)) if self.depth else every)
        return anatomy.attention[-count:]


def _is_plain(body: nn.Module, place: str, anatomy: Anatomy) -> bool:
    """Whether an attention module makes keys and values by one matrix each, from vectors of one width."""
    key, value = (_projection(place, side) for side in (anatomy.key, anatomy.value))
    if not key or not value or key == value:
        return False
    widths = {matrix_shape(body.get_submodule(matrix))[1] for matrix in (key, value)}
    return len(widths) == 1


def _projection(place: str, matrices: tuple[str, ...]) -> str:
    """The matrix of an attention module; empty: it has none, or several."""
    own = [name for name in matrices if name.startswith(f"{place}.")]
    return own[0] if len(own) == 1 else ""


def _prompts(body: nn.Module, name: str) -> dict[str, Any]:
    """Of one layer, by the attention module, first block to last."""
    return {
        place: getattr(module, PREFIXES)[name]
        for place, module in body.named_modules()
        if hasattr(module, PREFIXES) and name in getattr(module, PREFIXES)
    }
