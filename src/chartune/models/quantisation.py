"""Quantised bases: frozen matrices in 4 or 8 bits, by bitsandbytes on a GPU; embeddings, norms and heads as ever.

    read, rounded and checked as any base ─▶ matrix ─▶ Linear4bit   NF4 (Dettmers et al., 2023, arXiv:2305.14314)
                                                    └▶ Linear8bitLt LLM.int8() (Dettmers et al., 2022, arXiv:2208.07339)

What they hold are codes and no numbers, so that nothing can learn in them, start from them or be merged into them.
"""

from types import ModuleType
from typing import Any, Literal

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from chartune.errors import ConfigError
from chartune.extras import installed
from chartune.models.anatomy import is_matrix, matrix_shape

Quantisation = Literal["none", "nf4", "int8"]


def must_be_possible(choice: Quantisation, device: str, *, trains_all: bool = False) -> None:
    """Refuse what cannot be quantised here.

    Args:
        choice: how the matrices are held.
        device: that computes.
        trains_all: whether every weight learns.

    Raises:
        ConfigError: there is no GPU, every weight learns, or bitsandbytes is not installed.
    """
    if choice == "none":
        return
    if device == "cpu":
        raise ConfigError(
            f"a quantised base needs a GPU, but numerics.quantisation is {choice} and torch sees no GPU here; choose "
            f"`none`: on a processor matrices in bf16 or fp32 are faster."
        )
    if trains_all:
        raise ConfigError(
            f"what learns must be held in full, but every weight of the base learns and numerics.quantisation is "
            f"{choice}; choose `none`, or a method such as `lora`."
        )
    bitsandbytes()


def bitsandbytes() -> ModuleType:
    """The package.

    Raises:
        ConfigError: it is not installed.
    """
    with installed("gpu", "a quantised base needs the package bitsandbytes", "choose numerics.quantisation=none"):
        import bitsandbytes
    return bitsandbytes  # type: ignore[no-any-return]


def quantise(body: nn.Module, choice: Quantisation, compute: torch.dtype, device: str) -> None:
    """Hold the matrices of a frozen body in 4 or 8 bits, in place; they lie on the device from then on.

    Args:
        body: headless, with all its numbers.
        choice: `nf4` or `int8`.
        compute: the type in which products of 4-bit matrices are computed; those of 8 bits have their own.
        device: that quantises, and computes.
    """
    layers = bitsandbytes().nn
    for name, matrix in [(name, module) for name, module in body.named_modules() if is_matrix(module)]:
        outputs, inputs = matrix_shape(matrix)
        weight, bias = matrix.get_parameter("weight").data, getattr(matrix, "bias", None)
        weight = (weight.T if isinstance(matrix, Conv1D) else weight).contiguous()
        made: Any
        if choice == "nf4":
            made = layers.Linear4bit(inputs, outputs, bias is not None, compute_dtype=compute, quant_type="nf4")
            made.weight = layers.Params4bit(weight, requires_grad=False, quant_type="nf4", module=made)
        else:
            made = layers.Linear8bitLt(inputs, outputs, bias is not None, has_fp16_weights=False, threshold=6.0)
            made.weight = layers.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
        if bias is not None:
            made.bias = nn.Parameter(bias.data, requires_grad=False)
        body.set_submodule(name, made.to(device))
    body.is_loaded_in_4bit, body.is_loaded_in_8bit = choice == "nf4", choice == "int8"  # type: ignore[assignment]  # peft asks
