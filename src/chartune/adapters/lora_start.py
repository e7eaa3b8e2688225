"""LoRA that starts in the matrices of the base, as PiSSA and OLoRA do: what it starts from is subtracted beside them.

    W·x + s·(B·A − B₀·A₀)·x          PiSSA: s·B₀A₀ holds the r largest singular values of W; OLoRA: B₀A₀ = Q_r·R_r

Stock peft takes s·B₀A₀ out of W itself, and so must factorise W again wherever the layer is loaded. Here the base stays
as it is: frozen layers, stacks and other tasks keep their base, a matrix in bf16 is rounded no second time, and the
file holds both products as one plain LoRA of rank 2r, which is what peft converts such a layer to.
"""

from collections.abc import Mapping
from typing import Any, Final

import torch
from peft.tuners.lora.layer import LoraVariant
from torch import Tensor, nn
from torch.nn.functional import linear

from chartune.adapters.injected import stored, tuner_layers
from chartune.adapters.regime import Regime

STARTS: Final = "lora_start"
"""The attribute of a peft layer that holds where its LoRAs began, by the name of the layer."""
SIDES: Final = ("A", "B")


class Start(nn.Module):
    """Where a LoRA began: A₀ [r, d_in] and B₀ [d_out, r], which never learn."""

    A: Tensor
    B: Tensor

    def __init__(self, down: Tensor, up: Tensor) -> None:
        super().__init__()
        for side, tensor in zip(SIDES, (down, up), strict=True):
            self.register_buffer(side, torch.zeros_like(tensor, dtype=torch.float32))


class Moved(LoraVariant):  # type: ignore[misc]
    """How peft computes such a layer: its change is that since the start."""

    @staticmethod
    def forward(module: Any, active_adapter: str, x: Tensor, result: Tensor, **_: Any) -> Tensor:
        """`result` and s·(B·A − B₀·A₀)·x; dropout is on the input of what learns, as in stock peft."""
        start: Start = getattr(module, STARTS)[active_adapter]
        up, down = module.lora_B[active_adapter], module.lora_A[active_adapter]
        moved = up(down(module.lora_dropout[active_adapter](x))) - linear(linear(x, start.A), start.B)
        changed: Tensor = result + moved * module.scaling[active_adapter]
        return changed

    @staticmethod
    def merge_unsafe(module: Any, active_adapter: str, orig_weight: Tensor) -> None:
        """Add the change to a matrix."""
        start: Start = getattr(module, STARTS)[active_adapter]
        change = module.get_delta_weight(active_adapter)
        orig_weight.data += change - stored(module, start.B @ start.A) * module.scaling[active_adapter]


def add_start(body: nn.Module, name: str) -> None:
    """Give every matrix of a LoRA a start, at zero."""
    for layer in tuner_layers(body, name):
        if not hasattr(layer, STARTS):
            layer.add_module(STARTS, nn.ModuleDict())
        pair = layer.lora_A[name].weight, layer.lora_B[name].weight
        layer.get_submodule(STARTS).add_module(name, Start(*pair))
        layer.lora_variant[name] = Moved()


def begin_at(kind: str, body: nn.Module, name: str) -> None:
    """Put every matrix of a LoRA and its start at a factor of the base's own matrix: `pissa` or `olora`."""
    with torch.no_grad():
        for layer in tuner_layers(body, name):
            weight = stored(layer, layer.get_base_layer().weight.detach()).float()  # [d_out, d_in]
            pair = _FACTORS[kind](weight, layer.r[name], layer.scaling[name])
            start = getattr(layer, STARTS)[name]
            for side, tensor in zip(SIDES, pair, strict=True):
                getattr(layer, f"lora_{side}")[name].weight.copy_(tensor)
                getattr(start, side).copy_(tensor)


def starts(body: nn.Module, name: str) -> dict[str, Tensor]:
    """The starts of a LoRA in a body: A₀ and B₀ of every matrix, by their names."""
    return {key: tensor for key, tensor in body.named_buffers() if f".{STARTS}.{name}." in key}


class Kept(Regime):
    """Tensors of a body that never learn and that a checkpoint keeps: another machine may factorise otherwise."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors

    def memory(self) -> dict[str, Tensor]:
        """As they are."""
        return dict(self.tensors)

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """In place."""
        for name, tensor in self.tensors.items():
            tensor.copy_(memory[name])


def both(own: Mapping[str, Tensor], began: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A and B by the names of a file, and A₀ and B₀, as one LoRA: [A; A₀] and [B, −B₀]."""
    return {
        name: torch.cat([tensor, began[name]]) if ".lora_A." in name else torch.cat([tensor, -began[name]], dim=1)
        for name, tensor in own.items()
    }


def halves(name: str, tensor: Tensor) -> tuple[Tensor, Tensor]:
    """`both` undone for one tensor: what learns, and where it began."""
    learns, began = tensor.chunk(2, dim=0 if ".lora_A." in name else 1)
    return learns, began if ".lora_A." in name else -began


def _principal(weight: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
    """PiSSA (Meng et al., 2024, arXiv:2404.02948, eq. 2-4): s·B₀A₀ = U_r·S_r·V_rᵀ, each side with √S_r."""
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    root = (values[:rank] / scale).sqrt()
    return root[:, None] * right[:rank], left[:, :rank] * root


def _orthonormal(weight: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
    """OLoRA (Büyükakyüz, 2024, arXiv:2406.01775): the first columns of Q and rows of R, W = Q·R."""
    columns, rows = torch.linalg.qr(weight)
    return rows[:rank], columns[:, :rank]


_FACTORS: Final = {"pissa": _principal, "olora": _orthonormal}
MOVED: Final = frozenset(_FACTORS)
"""Starts that lie in the matrices of the base."""
