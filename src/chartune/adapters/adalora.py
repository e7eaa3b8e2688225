"""AdaLoRA: a low-rank update by singular values, which are dropped where they matter least, down to a budget.

    W·x + (α/r₀)·B·E·A·x      A [r₀, d_in], E [r₀], B [d_out, r₀]      Σ ranks: r₀ ─t_i─▶ cubic fall ─T − t_f─▶ target

What is dropped is a zero of E: the file keeps all r₀ rows, so that it needs no pattern of ranks beside it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import torch
from peft import AdaLoraConfig, TaskType
from peft.tuners.adalora.layer import RankAllocator
from pydantic import Field, model_validator
from torch import Tensor, nn

from chartune.adapters.injected import stores_transposed, tuner_layers
from chartune.adapters.regime import Regime
from chartune.adapters.targeted import Shapes, Targeted
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy
from chartune.models.weights import Header
from chartune.quantities import Fraction

AVERAGES: Final = ("ipt", "exp_avg_ipt", "exp_avg_unc")
"""What peft's allocator calls the sensitivity of every weight, its running mean and that of its uncertainty."""
PATTERN: Final = "rank_pattern"


class AdaLoRA(Targeted):
    """AdaLoRA (Zhang et al., 2023, arXiv:2303.10512), as stock peft computes it. Starts as the identity: E = 0.

    Early stopping looks only at models that are within the budget.
    """

    kind: Literal["adalora"] = "adalora"
    idle: ClassVar[str] = "every singular value is zero"
    target_rank: int = Field(8, gt=0, le=65536)
    """Mean rank of a matrix at the end."""
    initial_rank: int = Field(12, gt=0, le=65536)
    """Rank r₀ of each at the start; all of it is counted and kept."""
    alpha: float = Field(32, gt=0, le=1 << 20)
    """Scale α: the update is multiplied by α/r₀."""
    dropout: Fraction = 0.0
    """Dropout on the input of A while training."""
    initial_fraction: Fraction = 0.1
    """Share of all steps before the budget falls (t_i)."""
    final_fraction: Fraction = 0.3
    """Share of all steps at the end, within the budget and with fixed ranks (t_f)."""
    interval: int = Field(10, gt=0)
    """Steps from one allocation to the next (ΔT)."""
    orthogonality: float = Field(0.5, ge=0)
    """Weight γ of the penalty ‖AAᵀ − I‖ + ‖BᵀB − I‖ (Frobenius norm), a mean over all A and B."""
    sensitivity_decay: float = Field(0.85, gt=0, lt=1)
    """β₁, of the running mean of |weight · gradient|."""
    uncertainty_decay: float = Field(0.85, gt=0, lt=1)
    """β₂, of the running mean of its change."""

    @property
    def reads_matrices(self) -> bool:
        """False: the update stands beside the base's matrices."""
        return False

    @model_validator(mode="after")
    def _must_fall(self) -> "AdaLoRA":
        if self.target_rank >= self.initial_rank:
            raise ValueError(
                f"`target_rank` must be below `initial_rank`, but is {self.target_rank} of {self.initial_rank}; use a "
                f"LoRA where no rank is to be dropped"
            )
        if self.initial_fraction + self.final_fraction >= 1:
            raise ValueError("`initial_fraction` and `final_fraction` must leave steps in which the budget falls")
        return self

    def _config(self, targets: list[str], steps: int, initial: int, final: int) -> AdaLoraConfig:
        return AdaLoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION, target_r=self.target_rank, init_r=self.initial_rank,
            lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=targets, total_step=steps, tinit=initial,
            tfinal=final, deltaT=self.interval, beta1=self.sensitivity_decay, beta2=self.uncertainty_decay,
            orth_reg_weight=self.orthogonality,
        )  # fmt: skip

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> AdaLoraConfig:
        """The peft config; its schedule is a share of a training that peft knows nothing of."""
        config = self._config(self.endings(body, anatomy), 1, 0, 0)
        config.fan_in_fan_out = stores_transposed(body)
        return config

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """A [r₀, d_in], E [r₀, 1] and B [d_out, r₀]: r₀·(d_in + d_out + 1) numbers."""
        rank = self.initial_rank
        return {"lora_A": (rank, d_in), "lora_E": (rank, 1), "lora_B": (d_out, rank)}

    def title(self) -> str:
        """`AdaLoRA r=12→8`."""
        return f"AdaLoRA r={self.initial_rank}→{self.target_rank}"

    def still(self) -> "AdaLoRA":
        """The same method without dropout."""
        return self.model_copy(update={"dropout": 0.0})

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Inject; the rank that peft divides by is a number and no parameter."""
        super().attach(body, anatomy, name)
        for layer in tuner_layers(body, name):
            ranks = dict(layer.ranknum.items())
            del layer.ranknum
            layer.ranknum = ranks | {name: float(self.initial_rank)}

    def regime(self, body: nn.Module, name: str, steps: int) -> Regime:
        """The penalty that keeps A and B orthogonal, and the budget of ranks."""
        initial, final = round(self.initial_fraction * steps), max(1, round(self.final_fraction * steps))
        if initial + final >= steps:
            raise AdapterError(
                f"AdaLoRA needs steps in which its budget falls, but of {steps:,} in all the first {initial:,} come "
                f"before that and the last {final:,} after it; train for longer, or use a LoRA."
            )
        return Budget(self._config([], steps, initial, final), body, name)

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """Refuse what are no triplets A, E, B of its rank."""
        for name, header in headers.items():
            rank = {"A": header.shape[:1], "E": header.shape[:1], "B": header.shape[1:]}.get(name[-1], ())
            if rank != (self.initial_rank,) or len(header.shape) != 2:
                raise AdapterError(
                    f"an AdaLoRA must hold A, E and B of rank {self.initial_rank:,} and nothing else, but {path} holds "
                    f"{ascii(name)[:120]} of shape {list(header.shape)}; copy configuration and weights of one adapter."
                )

    def changes(self, name: str, tensor: Tensor) -> bool:
        """Only tensors of singular values, unless all of them are zero."""
        return name.endswith("lora_E") and bool(tensor.any())


class Budget(Regime):
    """Which singular values stay, by peft's own allocator."""

    def __init__(self, config: AdaLoraConfig, body: nn.Module, name: str) -> None:
        self.config, self.body, self.name = config, body, name
        self.allocator = RankAllocator(body, config, name)
        self.pattern: dict[str, list[bool]] = {}
        """Once the budget is reached: of each E, by its name in the body, which values stay."""

    @property
    def last(self) -> int:
        """The step after which ranks are fixed."""
        return int(self.config.total_step - self.config.tfinal)

    def penalty(self) -> Tensor | None:
        """How far A and B are from orthogonal (eq. 4); stock peft adds it only to models that give a loss."""
        norms = []
        for layer in tuner_layers(self.body, self.name):
            for matrix in (layer.lora_A[self.name], layer.lora_B[self.name].T):
                norms.append(torch.norm(matrix @ matrix.T - torch.eye(len(matrix), device=matrix.device)))
        mean: Tensor = self.config.orth_reg_weight * torch.stack(norms).mean()
        return mean

    def stepped(self, step: int) -> None:
        """Weigh every singular value with its vectors, and drop the least within the budget (eq. 5-12)."""
        if step < self.last:
            self.allocator.update_and_allocate(self.body, step)
        elif step == self.last:
            _, self.pattern = self.allocator.update_and_allocate(self.body, step, force_mask=True)
            self.allocator.reset_ipt()
        else:
            self.allocator.mask_using_rank_pattern(self.body, self.pattern)

    def may_be_best(self, steps: int) -> bool:
        """Only once the ranks are fixed."""
        return steps > self.last

    def memory(self) -> dict[str, Tensor]:
        """Running means of importance while ranks fall, and the pattern of those that stay."""
        kept: dict[str, Tensor] = {
            f"{kind}/{name}": tensor for kind in AVERAGES for name, tensor in getattr(self.allocator, kind).items()
        }
        return kept | {f"{PATTERN}/{name}": torch.tensor(stay) for name, stay in self.pattern.items()}

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """Put them back where the weights are."""
        self.allocator.reset_ipt()
        device = next(self.body.parameters()).device
        stores: dict[str, Any] = {kind: getattr(self.allocator, kind) for kind in AVERAGES}
        self.pattern = {}
        for key, tensor in memory.items():
            kind, _, name = key.partition("/")
            if kind == PATTERN:
                self.pattern[name] = tensor.tolist()
            else:
                stores[kind][name] = tensor.to(device)
