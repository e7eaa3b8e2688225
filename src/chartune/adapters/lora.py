"""LoRA: a low-rank update beside frozen matrices."""

from typing import Annotated, Literal

from peft import LoraConfig, TaskType
from pydantic import Field
from torch import nn

from chartune.adapters.method import Method
from chartune.models.families import Family
from chartune.quantities import Fraction


class LoRA(Method):
    """Low-rank adaptation: W ↦ W + (α/r)·BA (Hu et al., 2021, arXiv:2106.09685). Starts as the identity: B = 0."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(8, gt=0, le=65536)
    """Rank r of the update; A is [r, d_in], B is [d_out, r]."""
    alpha: float = Field(16, gt=0, le=1 << 20)
    """Scale α: the update is multiplied by α/r."""
    dropout: Fraction = 0.0
    """Dropout on the input of A while training."""
    targets: Literal["attention", "all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = "attention"
    """`attention`: query and value projections, as published; `all-linear`: every matrix of a block; or the matrices
    by name, whole (`layers.0.mlp.up_proj`) or how their names end (`up_proj`)."""

    def to_peft(self, family: Family) -> LoraConfig:
        """The peft config; `FEATURE_EXTRACTION`, because peft wraps the headless body only."""
        return LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION, r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout,
            target_modules=list(self._names(family)), bias="none",
        )  # fmt: skip

    def count(self, body: nn.Module, family: Family) -> int:
        """Σ r·(d_in + d_out) over the targeted matrices."""
        names = self._names(family)
        matrices = [m for name, m in _matrices(body) if any(_ends(name, target) for target in names)]
        return sum(self.rank * (m.in_features + m.out_features) for m in matrices)

    def shapes(self, body: nn.Module, family: Family) -> dict[str, tuple[int, ...]]:
        """A [r, d_in] and B [d_out, r] of every targeted matrix, by the names that peft saves them under."""
        names = self._names(family)
        shapes: dict[str, tuple[int, ...]] = {}
        for name, matrix in _matrices(body):
            if any(_ends(name, target) for target in names):
                shapes[f"base_model.model.{name}.lora_A.weight"] = (self.rank, matrix.in_features)
                shapes[f"base_model.model.{name}.lora_B.weight"] = (matrix.out_features, self.rank)
        return shapes

    def without_matrix(self, body: nn.Module, family: Family) -> list[str]:
        """Targets that name no matrix of `body`; peft would pass over them silently."""
        matrices = [name for name, _ in _matrices(body)]
        return [target for target in self._names(family) if not any(_ends(name, target) for name in matrices)]

    def title(self) -> str:
        """`LoRA r=8`."""
        return f"LoRA r={self.rank}"

    def _names(self, family: Family) -> tuple[str, ...]:
        if self.targets == "attention":
            return family.attention
        return family.linear if self.targets == "all-linear" else self.targets


def _matrices(body: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [(name, module) for name, module in body.named_modules() if isinstance(module, nn.Linear)]


def _ends(name: str, target: str) -> bool:
    """As peft reads a list of targets."""
    return name == target or name.endswith("." + target)
