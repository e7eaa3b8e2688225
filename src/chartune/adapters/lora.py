"""LoRA: a low-rank update beside frozen matrices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from peft import LoraConfig, TaskType
from pydantic import Field
from torch import Tensor, nn

from chartune.adapters.injected import Injected, all_matrices, chosen, must_target, shortened, stores_transposed
from chartune.adapters.method import ROOT, selects
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy, matrix_shape
from chartune.models.weights import Header
from chartune.quantities import Fraction


class LoRA(Injected):
    """Low-rank adaptation: W ↦ W + (α/r)·BA (Hu et al., 2021, arXiv:2106.09685). Starts as the identity: B = 0."""

    kind: Literal["lora"] = "lora"
    idle: ClassVar[str] = "B (or A) is zero in every matrix"
    rank: int = Field(16, gt=0, le=65536)
    """Rank r of the update; A is [r, d_in], B is [d_out, r]."""
    alpha: float = Field(32, gt=0, le=1 << 20)
    """Scale α: the update is multiplied by α/r."""
    dropout: Fraction = 0.0
    """Dropout on the input of A while training."""
    targets: Literal["attention", "all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all-linear"
    """`all-linear`: every matrix of a block; `attention`: query and value projections, as published; or the matrices
    by name, whole (`layers.0.mlp.up_proj`) or how their names end (`up_proj`)."""

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> LoraConfig:
        """The peft config, with its targets as short as they stay unambiguous."""
        names = self._named(anatomy)
        targets = shortened(names, body) if names else self.targets
        return LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION, r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout,
            target_modules=list(targets), bias="none", fan_in_fan_out=stores_transposed(body),
        )  # fmt: skip

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """A [r, d_in] and B [d_out, r] of every targeted matrix; Σ r·(d_in + d_out) numbers."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name in self._matrices(body, anatomy):
            d_out, d_in = matrix_shape(body.get_submodule(name))
            shapes[f"{ROOT}{name}.lora_A.weight"] = (self.rank, d_in)
            shapes[f"{ROOT}{name}.lora_B.weight"] = (d_out, self.rank)
        return shapes

    def title(self) -> str:
        """`LoRA r=8`."""
        return f"LoRA r={self.rank}"

    def still(self) -> "LoRA":
        """Without dropout."""
        return self.model_copy(update={"dropout": 0.0})

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse targets that the body has no matrix for; peft would pass over them silently."""
        must_target((*self._named(anatomy), *self._by_name()), whose, body, anatomy)

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """Pairs of matrices of its rank."""
        for name, header in headers.items():
            side = "A" if ".lora_A." in name else "B"
            if f".lora_{side}." not in name:
                continue
            if name.replace(f".lora_{side}.", f".lora_{'B' if side == 'A' else 'A'}.") not in headers:
                raise AdapterError(
                    f"a LoRA must hold A and B of every matrix, but {path} holds {ascii(name)[:120]} alone; ask its "
                    f"author to save it again."
                )
            if len(header.shape) != 2 or header.shape[0 if side == "A" else 1] != self.rank:
                raise AdapterError(
                    f"a LoRA's matrices must be of the rank that its configuration names, but beside {path} r is "
                    f"{self.rank:,} and {ascii(name)[:120]} is of shape {list(header.shape)}; copy configuration and "
                    f"weights of one adapter."
                )

    def changes(self, name: str, tensor: Tensor) -> bool:
        """A and B both must, by not being zero."""
        return bool(tensor.any())

    def is_idle(self, changing: Mapping[str, bool], path: Path) -> bool:
        """B·A is zero in every matrix."""
        if not any(changing.values()):
            raise AdapterError(
                f"an adapter must hold what was learnt, but in {path} every number of A and of B is zero: it changes "
                f"nothing, and its gradient is zero, so that it never can. It was saved before its weights were "
                f"gathered or loaded; ask its author to save it again, or train a fresh layer in its place."
            )
        pairs = {name: name.replace(".lora_B.", ".lora_A.") for name in changing if ".lora_B." in name}
        return not any(changing[b] and changing[a] for b, a in pairs.items())

    def _by_name(self) -> tuple[str, ...]:
        return () if isinstance(self.targets, str) else self.targets

    def _named(self, anatomy: Anatomy) -> tuple[str, ...]:
        """Full names of the targets where a word stands for them."""
        if self.targets == "attention":
            return chosen(anatomy, (*anatomy.query, *anatomy.value))
        return anatomy.matrices if self.targets == "all-linear" else ()

    def _matrices(self, body: nn.Module, anatomy: Anatomy) -> list[str]:
        targets = (*self._named(anatomy), *self._by_name())
        return [name for name in all_matrices(body) if any(selects(target, name) for target in targets)]
