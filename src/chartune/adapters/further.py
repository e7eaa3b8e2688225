"""The door for further methods of peft: a few lines each, of those that keep the rules of `testing.method_rules`.

What a kind says: peft's config and what its fields are called there, the tensors that it keeps of a matrix, and which
of them starts at zero.
`catalog.REFUSED` says why others of peft are no kinds.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import peft
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from chartune.adapters.injected import stores_transposed, tuner_layers
from chartune.adapters.targeted import Shapes, Targeted
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy, matrix_shape


class Further(Targeted):
    """Base: a method that peft puts beside matrices. Starts as the identity."""

    peft_config: ClassVar[str]
    """What peft calls its config."""
    peft_fields: ClassVar[Mapping[str, str]]
    """What peft's config calls each field of the method."""
    fixed: ClassVar[Mapping[str, Any]] = {}
    """Further fields of peft's config, the same in every layer."""
    symbols: ClassVar[Mapping[str, str]]
    """The fields that a title shows, each by its letter."""
    zero_at_start: ClassVar[str]
    """The tensor of a matrix that is zero in a fresh layer, which then changes nothing."""
    takes_conv1d: ClassVar[bool] = False
    """Whether peft puts it beside matrices that are stored the other way round, as GPT-2's are."""
    idle: ClassVar[str] = "what starts at zero is still zero in every matrix"

    def unmet(self, d_out: int, d_in: int) -> str:
        """What a matrix [d_out, d_in] would have to be, as said after `needs matrices`; empty: it suits."""
        return ""

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> Any:
        """The peft config."""
        own = {theirs: getattr(self, field) for field, theirs in self.peft_fields.items()}
        stored = {"fan_in_fan_out": stores_transposed(body)} if self.takes_conv1d else {}
        return getattr(peft, self.peft_config)(
            task_type=peft.TaskType.FEATURE_EXTRACTION, target_modules=self.endings(body, anatomy),
            **own, **self.fixed, **stored,
        )  # fmt: skip

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Inject; a layer gives what its matrix alone would give: peft's give the type of their input.

        Of a body that computes in two bytes some families (DeBERTa-v2, Longformer) would hide padding by the lowest
        number of the wider type, which the narrower one cannot hold.
        """
        super().attach(body, anatomy, name)
        for layer in tuner_layers(body, name):
            layer.register_forward_hook(_as_products)

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse matrices that peft cannot take."""
        super().must_suit(body, anatomy, whose)
        if stores_transposed(body) and not self.takes_conv1d:
            raise AdapterError(
                f"peft puts {self.title()} beside nn.Linear only, but {whose} stands on a {body.config.model_type}, "  # type: ignore[union-attr]
                f"which stores its matrices the other way round; choose another method, such as LoRA."
            )
        for name in self.matrices(body, anatomy):
            d_out, d_in = matrix_shape(body.get_submodule(name))
            if unmet := self.unmet(d_out, d_in):
                raise AdapterError(
                    f"{self.title()} needs matrices {unmet}, but {name} has {d_in:,} inputs and {d_out:,} outputs; "
                    f"choose another number, or name other matrices in `targets`."
                )

    def changes(self, name: str, tensor: Tensor) -> bool:
        """Only the tensor that starts at zero, once a number of it is not."""
        return name.endswith(self.zero_at_start) and bool(tensor.any())

    def title(self) -> str:
        """`MiSS r=16`."""
        return " ".join([type(self).__name__, *(f"{at}={getattr(self, field)}" for field, at in self.symbols.items())])


def _as_products(_: nn.Module, __: Any, out: Tensor) -> Tensor:
    kind = out.device.type
    return out.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else out


class Ranked(Further):
    """Base: a further method whose size is a rank."""

    peft_fields: ClassVar[Mapping[str, str]] = {"rank": "r"}
    symbols: ClassVar[Mapping[str, str]] = {"rank": "r"}
    rank: int = Field(16, gt=0, le=65536)
    """Rank r."""


class MiSS(Ranked):
    """MiSS (Kang and Yin, 2024, arXiv:2409.15371): the rows of a small matrix are shared along the input."""

    kind: Literal["miss"] = "miss"
    peft_config: ClassVar[str] = "MissConfig"
    zero_at_start: ClassVar[str] = "miss_block"

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """[r, d_out]: r·d_out numbers."""
        return {"miss_block": (self.rank, d_out)}


class HiRA(Ranked):
    """HiRA (Huang et al., ICLR 2025): W ↦ W + W ⊙ (B·A), of full rank."""

    kind: Literal["hira"] = "hira"
    peft_config: ClassVar[str] = "HiraConfig"
    zero_at_start: ClassVar[str] = "hira_B"
    takes_conv1d: ClassVar[bool] = True

    @property
    def needs_own_matrices(self) -> bool:
        """Its update is W times another matrix, number by number."""
        return True

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """A [r, d_in] and B [d_out, r]: r·(d_in + d_out) numbers."""
        return {"hira_A": (self.rank, d_in), "hira_B": (d_out, self.rank)}


class GraLoRA(Ranked):
    """GraLoRA (Jung et al., 2025, arXiv:2505.20355): a LoRA of rank r/k for each of k² parts of a matrix."""

    kind: Literal["gralora"] = "gralora"
    peft_config: ClassVar[str] = "GraloraConfig"
    peft_fields: ClassVar[Mapping[str, str]] = {"rank": "r", "alpha": "alpha", "parts": "gralora_k"}
    symbols: ClassVar[Mapping[str, str]] = {"rank": "r", "parts": "k"}
    zero_at_start: ClassVar[str] = "gralora_B"
    alpha: float = Field(32, gt=0, le=1 << 20)
    """Scale α: the update is multiplied by α/r."""
    parts: int = Field(2, gt=0, le=1024)
    """Parts k along each side; they divide the rank and both sides of every matrix."""

    @model_validator(mode="after")
    def _parts_divide(self) -> "GraLoRA":
        if self.rank % self.parts:
            raise ValueError(f"`parts` must divide `rank`, but {self.parts} does not divide {self.rank}; change one")
        return self

    def unmet(self, d_out: int, d_in: int) -> str:
        """Sides that the parts divide."""
        return f"whose sides {self.parts} divides" if d_out % self.parts or d_in % self.parts else ""

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """A [k, d_in/k, r] and B [k, r, d_out/k]: r·(d_in + d_out) numbers, as a LoRA."""
        k = self.parts
        return {"gralora_A": (k, d_in // k, self.rank), "gralora_B": (k, self.rank, d_out // k)}


class OFT(Further):
    """OFT (Qiu et al., 2023, arXiv:2306.07280): the input of a matrix is turned in blocks."""

    kind: Literal["oft"] = "oft"
    peft_config: ClassVar[str] = "OFTConfig"
    peft_fields: ClassVar[Mapping[str, str]] = {"block": "oft_block_size"}
    symbols: ClassVar[Mapping[str, str]] = {"block": "b"}
    zero_at_start: ClassVar[str] = "oft_R.weight"
    block: int = Field(32, gt=1, le=65536)
    """Size b of a block, which divides d_in; d_in·(b − 1)/2 numbers for each matrix."""

    def unmet(self, d_out: int, d_in: int) -> str:
        """An input that blocks divide."""
        return f"with inputs that blocks of {self.block} divide" if d_in % self.block else ""

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """[d_in/b, b·(b − 1)/2]."""
        return {"oft_R.weight": (d_in // self.block, self.block * (self.block - 1) // 2)}


class C3A(Further):
    """C3A (Chen et al., 2024, arXiv:2407.19342): the update is made of circulant blocks.

    peft's documentation advises learning rates near 0.1.
    """

    kind: Literal["c3a"] = "c3a"
    peft_config: ClassVar[str] = "C3AConfig"
    peft_fields: ClassVar[Mapping[str, str]] = {"block": "block_size"}
    fixed: ClassVar[Mapping[str, Any]] = {"init_weights": True}  # peft's own initialisation is at random
    symbols: ClassVar[Mapping[str, str]] = {"block": "b"}
    zero_at_start: ClassVar[str] = "c3a_kernel"
    block: int = Field(128, gt=0, le=65536)
    """Size b of a block, which divides both sides of every matrix."""

    def unmet(self, d_out: int, d_in: int) -> str:
        """Sides that blocks divide."""
        return f"whose sides blocks of {self.block} divide" if d_out % self.block or d_in % self.block else ""

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """[d_out/b, d_in/b, b]: d_out·d_in/b numbers."""
        return {"c3a_kernel": (d_out // self.block, d_in // self.block, self.block)}


class FourierFT(Further):
    """FourierFT (Gao et al., 2024, arXiv:2405.03003): some Fourier coefficients of the update are learnt."""

    kind: Literal["fourierft"] = "fourierft"
    peft_config: ClassVar[str] = "FourierFTConfig"
    peft_fields: ClassVar[Mapping[str, str]] = {
        "frequencies": "n_frequency", "scale": "scaling", "seed": "random_loc_seed",
    }  # fmt: skip
    fixed: ClassVar[Mapping[str, Any]] = {"init_weights": True}  # peft's own initialisation is at random
    symbols: ClassVar[Mapping[str, str]] = {"frequencies": "n"}
    zero_at_start: ClassVar[str] = "fourierft_spectrum"
    takes_conv1d: ClassVar[bool] = True
    frequencies: int = Field(1000, gt=0, le=1 << 24)
    """Coefficients n of each matrix."""
    scale: float = Field(150, gt=0, le=1 << 20)
    """By what the update is multiplied; for LLaMA the authors take 300."""
    seed: int = Field(777, ge=0, lt=1 << 32)
    """Says which coefficients they are."""

    def unmet(self, d_out: int, d_in: int) -> str:
        """At least as many numbers as coefficients."""
        return f"of at least {self.frequencies:,} numbers" if d_out * d_in < self.frequencies else ""

    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """[n]: n numbers, whatever the sides."""
        return {"fourierft_spectrum": (self.frequencies,)}
