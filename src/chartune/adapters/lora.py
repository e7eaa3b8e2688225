"""LoRA: a low-rank update beside frozen matrices, with its published options."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import torch
from peft import LoraConfig, TaskType
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from chartune.adapters.injected import stores_transposed, tuner_layers
from chartune.adapters.lora_start import MOVED, Kept, add_start, begin_at, both, halves, starts
from chartune.adapters.low_rank import LowRank
from chartune.adapters.method import ROOT
from chartune.adapters.regime import Regime
from chartune.adapters.targeted import Shapes, Targeted
from chartune.config import Added
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy, matrix_shape
from chartune.models.weights import Header
from chartune.quantities import Fraction

MAGNITUDE: Final = "lora_magnitude_vector"
"""What stock peft calls DoRA's magnitudes."""


class LoRA(Targeted):
    """Low-rank adaptation: W ↦ W + (α/r)·BA (Hu et al., 2021, arXiv:2106.09685). Starts as the identity.

    Options: rsLoRA (`scaling`), DoRA (`decomposed`), PiSSA and OLoRA (`start`), LoRA+ (`b_rate_ratio`).
    """

    kind: Literal["lora"] = "lora"
    idle: ClassVar[str] = "B (or A) is zero in every matrix, or all is where it started"
    rank: int = Field(16, gt=0, le=65536)
    """Rank r of the update; A is [r, d_in], B is [d_out, r]."""
    alpha: float = Field(32, gt=0, le=1 << 20)
    """Scale α: the update is multiplied by α/r."""
    dropout: Fraction = 0.0
    """Dropout on the input of A while training."""
    scaling: Annotated[Literal["standard", "rank-stabilised"], Added()] = "standard"
    """`standard`: α/r; `rank-stabilised`: α/√r (rsLoRA: Kalajdzievski, 2023, arXiv:2312.03732)."""
    decomposed: Annotated[bool, Added()] = False
    """DoRA (Liu et al., 2024, arXiv:2402.09353): the magnitude of every row of a matrix is learnt apart from its
    direction; d_out numbers more for each matrix, and a step on a processor takes several times as long."""
    start: Annotated[Literal["standard", "gaussian", "pissa", "olora"], Added()] = "standard"
    """`standard`: A uniform as in peft, B = 0; `gaussian`: A from N(0, 1/r²); `pissa`, `olora`: in the matrices of the
    base (see `chartune.adapters.lora_start`), with twice the rank in the file."""
    b_rate_ratio: Annotated[float, Added()] = Field(1.0, gt=0, le=1024)
    """LoRA+ (Hayou et al., 2024, arXiv:2402.12354): the learning rate of B is so many times that of A; 16 there."""

    @field_validator("start", mode="before")
    @classmethod
    def _no_approximation(cls, start: Any) -> Any:
        if isinstance(start, str) and start.startswith("pissa_niter"):
            raise ValueError(
                "`pissa_niter_k` starts at a random approximation, which stock peft draws anew wherever the layer is "
                "loaded, so that it does not reload; use `pissa`, which is exact"
            )
        return start

    @model_validator(mode="after")
    def _magnitudes_are_of_the_base(self) -> "LoRA":
        if self.decomposed and self.start in MOVED:
            raise ValueError(
                f"`decomposed` takes magnitudes of the base's own matrices, and `start: {self.start}` moves its change "
                f"away from them; choose one of the two"
            )
        return self

    @property
    def decays(self) -> bool:
        """Not where it starts in the base's matrices: 0 would take those parts out of them."""
        return self.start not in MOVED

    @property
    def reads_matrices(self) -> bool:
        """DoRA takes the magnitudes of the base's rows; PiSSA and OLoRA start in its matrices."""
        return self.decomposed or self.start in MOVED

    @property
    def kept_rank(self) -> int:
        """The rank of what its file holds."""
        return 2 * self.rank if self.start in MOVED else self.rank

    def injected(self, body: nn.Module, anatomy: Anatomy) -> LoraConfig:
        """The peft config of the layer that learns."""
        return self._config(body, anatomy, self.rank, self.alpha)

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> LoraConfig:
        """The peft config, with its targets as short as they stay unambiguous; of twice the rank, α keeps the scale."""
        doubled = self.kept_rank / self.rank
        alpha = self.alpha * (doubled if self.scaling == "standard" else math.sqrt(doubled))
        return self._config(body, anatomy, self.kept_rank, alpha)

    def _config(self, body: nn.Module, anatomy: Anatomy, rank: int, alpha: float) -> LoraConfig:
        return LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION, r=rank, lora_alpha=alpha, lora_dropout=self.dropout,
            target_modules=self.endings(body, anatomy), bias="none", fan_in_fan_out=stores_transposed(body),
            use_rslora=self.scaling == "rank-stabilised", use_dora=self.decomposed,
            init_lora_weights="gaussian" if self.start == "gaussian" else True,
        )  # fmt: skip

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """A [r, d_in] and B [d_out, r], and magnitudes [d_out]."""
        pair: Shapes = {"lora_A.weight": (self.kept_rank, d_in), "lora_B.weight": (d_out, self.kept_rank)}
        return pair | ({MAGNITUDE: (d_out,)} if self.decomposed else {})

    def count(self, body: nn.Module, anatomy: Anatomy) -> int:
        """Σ r·(d_in + d_out), and Σ d_out of magnitudes."""
        return super().count(body, anatomy) * self.rank // self.kept_rank

    def title(self) -> str:
        """`LoRA r=8`, `rsDoRA r=8`, `LoRA r=8 (PiSSA, B rate ×16)`."""
        name = f"{'rs' if self.scaling == 'rank-stabilised' else ''}{'DoRA' if self.decomposed else 'LoRA'}"
        further = [{"pissa": "PiSSA", "olora": "OLoRA"}[self.start]] if self.start in MOVED else []
        further += [f"B rate ×{self.b_rate_ratio:g}"] if self.b_rate_ratio != 1 else []
        return f"{name} r={self.rank}" + (f" ({', '.join(further)})" if further else "")

    def still(self) -> "LoRA":
        """The same method without dropout."""
        return self.model_copy(update={"dropout": 0.0})

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse targets that the body has no matrix for, or too small a one to start in."""
        super().must_suit(body, anatomy, whose)
        if self.start in MOVED:
            sizes = {name: min(matrix_shape(body.get_submodule(name))) for name in self.matrices(body, anatomy)}
            least = min(sizes, key=lambda name: sizes[name])
            if sizes[least] < self.rank:
                raise AdapterError(
                    f"a LoRA that starts in the base's matrices must be of a rank that they have, but {whose} is of "
                    f"{self.rank} and {least} has {sizes[least]}; lower `rank`, or use `start: standard`."
                )

    @property
    def needs_own_matrices(self) -> bool:
        """True of DoRA, whose magnitudes are norms of the base's own rows."""
        return self.decomposed

    def rate_ratio(self, parameter: str) -> float:
        """`b_rate_ratio` for B (LoRA+), 1 for A."""
        return self.b_rate_ratio if ".lora_B." in parameter else 1.0

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Inject; with magnitudes in fp32, and room for where it starts."""
        super().attach(body, anatomy, name)
        if self.start in MOVED:
            add_start(body, name)
        for layer in tuner_layers(body, name) if self.decomposed else ():
            pair = {f"lora_{side}": getattr(layer, f"lora_{side}")[name].weight.detach() for side in "AB"}
            norms = layer.lora_magnitude_vector[name]
            norms.update_layer(base_layer=layer.get_base_layer(), scaling=layer.scaling[name], **pair)

    def begin(self, body: nn.Module, name: str, ids: Sequence[int]) -> None:
        """In the matrices of the base, where that is chosen."""
        if self.start in MOVED:
            begin_at(self.start, body, name)

    def regime(self, body: nn.Module, name: str, steps: int) -> Regime:
        """What keeps in each checkpoint where PiSSA or OLoRA has started."""
        return Kept(starts(body, name))

    def file_name(self, parameter: str, name: str) -> str:
        """As stock peft calls it, which leaves `weight` out of the magnitudes' names."""
        called = super().file_name(parameter, name)
        return called.removesuffix(".weight") if MAGNITUDE in called else called

    def state(self, body: nn.Module, name: str) -> dict[str, Tensor]:
        """A and B, and magnitudes; of one that started in the base's matrices, its change since then."""
        own = super().state(body, name)
        return both(own, self._began(body, name)) if self.start in MOVED else own

    def restore(self, body: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` has given."""
        if self.start not in MOVED:
            super().restore(body, name, tensors)
            return
        split = {key: halves(key, tensor) for key, tensor in tensors.items()}
        super().restore(body, name, {key: learns for key, (learns, _) in split.items()})
        for key, tensor in self._began(body, name).items():
            tensor.copy_(split[key][1])

    def _began(self, body: nn.Module, name: str) -> dict[str, Tensor]:
        """Where it started, by the names of the file."""
        called = {key: key.replace(f".lora_start.{name}.", ".lora_") + ".weight" for key in starts(body, name)}
        return {self.file_name(called[key], name): tensor for key, tensor in starts(body, name).items()}

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """Refuse what are no pairs A, B of its rank."""
        for name, header in headers.items():
            side = "A" if ".lora_A." in name else "B"
            if f".lora_{side}." not in name:
                continue
            if name.replace(f".lora_{side}.", f".lora_{'B' if side == 'A' else 'A'}.") not in headers:
                raise AdapterError(
                    f"a LoRA must hold A and B of every matrix, but {path} holds {ascii(name)[:120]} alone; ask its "
                    f"author to save it again."
                )
            if len(header.shape) != 2 or header.shape[0 if side == "A" else 1] != self.kept_rank:
                raise AdapterError(
                    f"a LoRA's matrices must be of the rank that its configuration names, but beside {path} r is "
                    f"{self.kept_rank:,} and {ascii(name)[:120]} is of shape {list(header.shape)}; copy "
                    f"configuration and weights of one adapter."
                )

    def low_rank(self, tensors: Mapping[str, Tensor]) -> dict[str, LowRank] | None:
        """A and s·B, of what started in the base's matrices [A; A₀] and s·[B, −B₀]; None of DoRA, which also scales."""
        if self.decomposed:
            return None
        scale = self.alpha / (self.rank if self.scaling == "standard" else math.sqrt(self.rank))
        downs = {name: tensor.float() for name, tensor in tensors.items() if ".lora_A." in name}
        return {
            name.removeprefix(ROOT).removesuffix(".lora_A.weight"): LowRank(
                down, tensors[name.replace(".lora_A.", ".lora_B.")].float() * scale
            )
            for name, down in downs.items()
        }

    def changes(self, name: str, tensor: Tensor) -> bool:
        """A and B both must, by not being zero; or one of them, by not being where it started."""
        if self.start in MOVED:
            learns, began = halves(name, tensor)
            return not torch.equal(learns, began)
        return bool(tensor.any())

    def is_idle(self, changing: Mapping[str, bool], path: Path) -> bool:
        """B·A is zero in every matrix, or all is where it started."""
        if self.start in MOVED:
            return not any(changing.values())
        pairs = {name: name.replace(".lora_B.", ".lora_A.") for name in changing if ".lora_B." in name}
        if not any(changing[b] or changing[a] for b, a in pairs.items()):
            raise AdapterError(
                f"an adapter must hold what was learnt, but in {path} every number of A and of B is zero: it changes "
                f"nothing, and its gradient is zero, so that it never can. It was saved before its weights were "
                f"gathered or loaded; ask its author to save it again, or train a fresh layer in its place."
            )
        return not any(changing[b] and changing[a] for b, a in pairs.items())
