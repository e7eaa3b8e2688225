"""Prepacked: frozen matrices in fp32 as oneDNN lays them out, on processors where PyTorch's usual product is slow.

PyTorch multiplies fp32 by MKL, which has kernels of 512 bits for Intel's processors alone: on an AMD EPYC with AVX-512
it reaches 105 GFLOP/s a core, and oneDNN with a matrix that was laid out beforehand 240. A matrix is then held twice.
Chosen by the processor, never by a timing.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

Product = Callable[[Tensor], Tensor]
"""[…, d_in] ─▶ […, d_out]."""
PROCESSOR: Final = Path("/proc/cpuinfo")


def vendor_of(about: str) -> str:
    """Who made a processor, from Linux's description of it; empty: it does not say."""
    lines = (line.split(":", 1) for line in about.splitlines() if line.startswith("vendor_id"))
    return next((value[1].strip() for value in lines), "")


@cache
def is_faster() -> bool:
    """Whether this processor multiplies prepacked matrices faster: it has AVX-512, and MKL takes it for one without."""
    known = hasattr(torch.ops.mkldnn, "_linear_pointwise") and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    mkl: Any = torch.backends.mkl
    usual = mkl.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
    return bool(known and usual) and PROCESSOR.exists() and vendor_of(PROCESSOR.read_text()) == "AuthenticAMD"


def rounded_product(matrix: nn.Module, half: torch.dtype) -> Product | None:
    """What multiplies by a frozen matrix in two bytes, as autocast would round it for each call; None: it is none.

    Args:
        matrix: of a frozen body; it is held in two bytes, too.
        half: bf16 or fp16.
    """
    if type(matrix) is not nn.Linear or matrix.weight.dtype != torch.float32:
        return None
    weight = matrix.weight.detach().to(half)
    bias = None if matrix.bias is None else matrix.bias.detach().to(half)
    return lambda states: nn.functional.linear(states.to(half), weight, bias)


def prepacked(matrix: nn.Module) -> Product | None:
    """What multiplies by a matrix that will not change, without gradients; None: nothing would be gained, or it cannot.

    Args:
        matrix: of a frozen body.
    """
    if type(matrix) is not nn.Linear or not is_faster():
        return None
    weight, bias = matrix.weight, matrix.bias
    if weight.dtype != torch.float32 or weight.device.type != "cpu":
        return None
    packed, multiplied = torch.ops.mkldnn._reorder_linear_weight(weight.detach()), torch.ops.mkldnn._linear_pointwise

    def product(states: Tensor) -> Tensor:
        made: Any = multiplied(states, packed, bias, "none", [], "")
        return made  # type: ignore[no-any-return]

    return product
