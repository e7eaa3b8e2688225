"""Prompt tuning: the virtual tokens themselves are learnt."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from peft import PromptTuningConfig, TaskType
from torch import Tensor, nn

from chartune.adapters.stock import PROMPT
from chartune.adapters.virtual_tokens import LAYERS, VirtualTokens, embedding, rows_of
from chartune.models.anatomy import Anatomy


class Prompt(VirtualTokens):
    """Prompt tuning (Lester et al., 2021, arXiv:2104.08691). Learning rates up to 1e-2 and more suit it."""

    kind: Literal["prompt"] = "prompt"

    start: Literal["vocabulary", "text", "random"] = "vocabulary"
    """`vocabulary`: at the embeddings of tokens drawn at random; `text`: at those of `text`, repeated or cut to n;
    `random`: at N(0, 1), as stock peft does."""
    text: str = "Finish this clinical note:"
    """Where `start: text` begins; the default is that of P1's code."""

    @property
    def start_text(self) -> str:
        """What a tokenizer must split before it can begin."""
        return self.text if self.start == "text" else ""

    def maker(self, width: int) -> nn.Module:
        """The vectors as they are."""
        return Vectors(self.tokens, width)

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """As all do; drawn from the vocabulary where that is chosen."""
        super().attach(body, anatomy, name)
        if self.start == "vocabulary":
            rows = torch.randint(len(embedding(body)), (self.tokens,))
            self.begin(body, name, rows.tolist())

    def begin(self, body: nn.Module, name: str, ids: Sequence[int]) -> None:
        """Start at the embeddings of these tokens."""
        if ids:
            self.restore(body, name, {PROMPT: rows_of(body, ids, self.tokens)})

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """[n, D]; D as the body's embedding has it."""
        return {PROMPT: (self.tokens, embedding(body).shape[1])}

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> PromptTuningConfig:
        """The peft config; the number of layers and heads is not used by it, and must be there."""
        return PromptTuningConfig(
            task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=self.tokens,
            token_dim=embedding(body).shape[1], num_layers=1, num_attention_heads=1, num_transformer_submodules=1,
        )  # fmt: skip

    def state(self, body: nn.Module, name: str) -> dict[str, Tensor]:
        """The vectors, as stock peft calls them."""
        return {PROMPT: _vectors(body, name).detach()}

    def restore(self, body: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Put back vectors that are named as stock peft names them."""
        with torch.no_grad():
            _vectors(body, name).copy_(tensors[PROMPT])

    @property
    def compiles(self) -> bool:
        """Yes: it was compared with plain blocks."""
        return True

    def title(self) -> str:
        """`prompt n=20`."""
        return f"prompt n={self.tokens}"


class Vectors(nn.Module):
    """n vectors that are learnt as they are."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tokens, width))
        """[n, D]."""

    def forward(self) -> Tensor:
        """[n, D]."""
        return self.weight


def _vectors(body: Any, name: str) -> Tensor:
    weight: Tensor = body.get_submodule(f"{LAYERS}.{name}").weight
    return weight
