"""Precision: the numbers in which matrix products are computed; by rule of the device, and refused where it has none.

auto ─▶ bf16 where the device multiplies it fast ─▶ else fp16 on a GPU with tensor cores (T4, V100) ─▶ else fp32
"""

from typing import Final, Literal

import torch

from chartune.errors import ConfigError

Device = Literal["cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""As chosen in a config."""
Computed = Literal["fp32", "bf16", "fp16"]
"""As in force."""
HALF: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The precisions of two bytes."""
TENSOR_CORES: Final = (7, 0)
"""Compute capability from which a GPU multiplies fp16 fast; older ones mostly do it slower than fp32."""


def precision_in_force(choice: Precision, device: Device) -> tuple[Computed, str]:
    """The precision in force, and why.

    Args:
        choice: in the config.
        device: that computes.

    Raises:
        ConfigError: fp16 is chosen for a processor.
    """
    if choice == "fp16" and device == "cpu":
        raise ConfigError(
            "fp16 needs a GPU, because processors compute it slowly, but numerics.precision is fp16 and torch sees no "
            "GPU here; choose `auto`, which takes bf16 or fp32."
        )
    if choice != "auto":
        return choice, "chosen in the config"
    if multiplies_bf16(device):
        return "bf16", "the hardware multiplies bf16 fast"
    if device == "cuda" and torch.cuda.get_device_capability() >= TENSOR_CORES:
        return "fp16", "no fast bf16, but fast fp16"
    return "fp32", "no fast bf16"


def multiplies_bf16(device: Device) -> bool:
    """Whether the device itself multiplies bf16 fast.

    A GPU must not emulate it, which torch counts, too; a processor needs AVX-512-BF16, AMX-BF16 or ARM's BF16.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


def computing(device: str, precision: Computed, *, keeps: bool = True) -> torch.autocast:
    """Meanwhile matrix products are computed in that precision; `keeps`: what learns is rounded once for all."""
    return torch.autocast(device, HALF.get(precision, torch.bfloat16), enabled=precision in HALF, cache_enabled=keeps)
