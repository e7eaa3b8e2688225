"""P-tuning: virtual tokens that a small network computes from learnt vectors; both learn."""

from itertools import pairwise
from math import prod
from typing import Annotated, Any, Literal

import torch
from peft import PromptEncoderConfig, TaskType
from pydantic import Field
from torch import Tensor, nn

from chartune.adapters.method import ROOT
from chartune.adapters.stock import PROMPT
from chartune.adapters.virtual_tokens import LAYERS, VirtualTokens, embedding
from chartune.config import Added
from chartune.models.anatomy import Anatomy
from chartune.quantities import Fraction


class PTuning(VirtualTokens):
    """P-tuning (Liu et al., 2021, arXiv:2103.10385), with the networks of stock peft.

    Its file holds the computed vectors, which are all that stock peft reads, and the network, to go on training.
    """

    kind: Literal["p-tuning"] = "p-tuning"

    network: Literal["mlp", "lstm"] = "mlp"
    """`mlp`: three matrices; `lstm`: a bidirectional LSTM and two."""
    hidden: int = Field(128, gt=0, le=65536)
    """Width h of the network."""
    layers: int = Field(2, gt=0, le=64)
    """Layers of the LSTM."""
    dropout: Annotated[Fraction, Added()] = 0.0
    """Dropout between the layers of the LSTM while training; without effect on one layer, and on the MLP."""

    @property
    def dropout_between(self) -> float:
        """Dropout where there are layers for it to stand between."""
        return self.dropout if self.network == "lstm" and self.layers > 1 else 0.0

    def maker(self, width: int) -> nn.Module:
        """The network and the vectors that it reads."""
        return Network(self, width)

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """The computed vectors, and every weight of the network."""
        width = embedding(body).shape[1]
        with torch.device("meta"):
            weights = Network(self, width).named_parameters()
        own = {f"{ROOT}{LAYERS}.{name}": tuple(tensor.shape) for name, tensor in weights}
        return {PROMPT: (self.tokens, width), **own}

    def count(self, body: nn.Module, anatomy: Anatomy) -> int:
        """What learns; the computed vectors do not."""
        return sum(prod(shape) for name, shape in self.shapes(body, anatomy).items() if name != PROMPT)

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> PromptEncoderConfig:
        """The peft config, with the networks' names in it."""
        return PromptEncoderConfig(
            task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=self.tokens, inference_mode=True,
            token_dim=embedding(body).shape[1], num_layers=1, num_attention_heads=1, num_transformer_submodules=1,
            encoder_reparameterization_type=self.network.upper(), encoder_hidden_size=self.hidden,
            encoder_num_layers=self.layers if self.network == "lstm" else 2,
            encoder_dropout=self.dropout_between,
        )  # fmt: skip

    def still(self) -> "PTuning":
        """The same method without dropout."""
        return self.model_copy(update={"dropout": 0.0})

    def state(self, body: nn.Module, name: str) -> dict[str, Tensor]:
        """The vectors as the network computes them now, without dropout, and its weights."""
        network = body.get_submodule(f"{LAYERS}.{name}")
        learns = network.training
        with torch.no_grad():
            computed = network.eval()()
        network.train(learns)
        return {PROMPT: computed, **super().state(body, name)}

    @property
    def compiles(self) -> bool:
        """With an MLP, as it was compared with plain blocks."""
        return self.network == "mlp"

    def title(self) -> str:
        """`P-tuning n=20 (MLP)`."""
        return f"P-tuning n={self.tokens} ({self.network.upper()})"


class Network(nn.Module):
    """n vectors and what computes the virtual tokens from them; the parts are called as in stock peft."""

    def __init__(self, method: PTuning, width: int) -> None:
        super().__init__()
        hidden = method.hidden
        self.embedding = nn.Embedding(method.tokens, width)
        self.lstm_head: nn.LSTM | None = None
        if method.network == "lstm":
            self.lstm_head = nn.LSTM(
                width, hidden, method.layers, bidirectional=True, batch_first=True, dropout=method.dropout_between
            )
            sizes = [2 * hidden, 2 * hidden, width]
        else:
            sizes = [width, hidden, hidden, width]
        maps: list[nn.Module] = []
        for wide, narrow in pairwise(sizes):
            maps += [nn.ReLU()] * bool(maps) + [nn.Linear(wide, narrow)]
        self.mlp_head = nn.Sequential(*maps)

    def forward(self) -> Tensor:
        """[n, D], in fp32 whatever the body computes in: not every processor has an LSTM in bf16."""
        with torch.autocast(self.embedding.weight.device.type, enabled=False):
            return self._computed()

    def _computed(self) -> Tensor:
        read = self.embedding.weight[None]  # [1, n, D]
        if self.lstm_head is not None:
            lstm: Any = self.lstm_head
            lstm._flat_weights = [getattr(lstm, name) for name in lstm._flat_weights_names]  # they may be new ones
            read = lstm(read)[0]  # [1, n, 2h]
        made: Tensor = self.mlp_head(read)[0]
        return made
