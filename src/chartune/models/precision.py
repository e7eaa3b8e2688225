"""Precision: the numbers in which matrix products are computed; by rule of the device, and refused where it has none.

auto ─▶ bf16 where the device multiplies it fast ─▶ else fp16 on a GPU with tensor cores (T4, V100) ─▶ else fp32
"""

from typing import Annotated, Any, Final, Literal

import torch
from pydantic import BeforeValidator

from chartune.errors import ConfigError

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Computed = Literal["fp32", "bf16", "fp16"]


def _word(value: Any) -> Any:
    """YAML reads a bare on and off as truth values."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_word)]
"""A choice that a rule makes unless it is made."""
HALF: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The precisions of two bytes."""
TENSOR_CORES: Final = (7, 0)
"""Compute capability from which a GPU multiplies fp16 fast; older ones mostly do it slower than fp32."""


def chosen(choice: Precision, device: Literal["cpu", "cuda"], fast_bf16: bool) -> tuple[Computed, str]:
    """The precision in force, and why.

    Args:
        choice: in the config.
        device: that computes.
        fast_bf16: whether it multiplies bf16 fast.

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
    if fast_bf16:
        return "bf16", "the hardware multiplies bf16 fast"
    if device == "cuda" and torch.cuda.get_device_capability() >= TENSOR_CORES:
        return "fp16", "no fast bf16, but fast fp16"
    return "fp32", "no fast bf16"


def gpu_multiplies_bf16() -> bool:
    """Whether the GPU itself does: torch also counts those that emulate it, at a loss."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def computing(device: str, precision: Computed) -> torch.autocast:
    """Meanwhile matrix products are computed in that precision."""
    return torch.autocast(device, HALF.get(precision, torch.bfloat16), enabled=precision in HALF)
