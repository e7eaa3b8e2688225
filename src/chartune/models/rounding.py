"""Frozen matrices in two bytes: norms, embeddings and with them the residual stream stay in fp32.

files ─tensor by tensor─▶ a matrix? ─yes─▶ bf16 or fp16, as soon as it is read      a base of 27 GB in fp32 takes 14
                                    └no──▶ fp32
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from chartune.errors import AdapterError
from chartune.models.anatomy import is_matrix
from chartune.models.precision import HALF
from chartune.models.values import is_finite


def round_matrices(model: Any, half: torch.dtype) -> None:
    """Round the matrices of a frozen transformers model, those of its body and a head that is tied to none."""
    for matrix in _matrices(model).values():
        weight = matrix.get_parameter("weight")
        if weight.is_floating_point():  # else it is quantised
            weight.data = weight.data.to(half)


def must_fit_fp16(model: Any, name: str) -> None:
    """Refuse matrices that were rounded to fp16 and did not fit into it.

    Raises:
        AdapterError: a number of one was too large.
    """
    large = next((part for part, each in _matrices(model).items() if not is_finite(each.get_parameter("weight"))), None)
    if large is not None:
        raise AdapterError(
            f"in fp16 no weight may exceed {torch.finfo(torch.float16).max:,.0f}, but {large} of {name} has one that "
            f"does; compute in fp32: `--set numerics.precision=fp32`."
        )


@contextmanager
def rounding_as_read(kind: Any, half: torch.dtype) -> Iterator[None]:
    """Meanwhile models of a class are read with the numbers that `round_matrices` would leave, never held in fp32.

    Args:
        kind: of transformers, which asks each model what of it is kept in another type than the rest.
        half: what they are rounded to.
    """
    stock, own = kind._get_dtype_plan, "_get_dtype_plan" in vars(kind)

    def plan(model: Any, dtype: torch.dtype) -> dict[str, torch.dtype]:
        asked: dict[str, torch.dtype] = stock(model, dtype)
        return asked | {rf"^{re.escape(name)}\.weight$": half for name in _matrices(model)}

    try:
        kind._get_dtype_plan = plan
        yield
    finally:
        if own:
            kind._get_dtype_plan = stock
        else:
            del kind._get_dtype_plan


@contextmanager
def widened(model: nn.Module) -> Iterator[None]:
    """Meanwhile a model computes in fp32 without autocast: a rounded matrix is widened for its own call alone."""
    narrow: dict[nn.Module, Tensor] = {}

    def widen(matrix: nn.Module, _: Any) -> None:
        weight = matrix.get_parameter("weight")
        narrow[matrix], weight.data = weight.data, weight.data.float()

    def restore(matrix: nn.Module, _: Any, __: Any) -> None:
        matrix.get_parameter("weight").data = narrow.pop(matrix)

    halves = set(HALF.values())
    rounded = [part for part in model.modules() if is_matrix(part) and part.get_parameter("weight").dtype in halves]
    hooks = [matrix.register_forward_pre_hook(widen) for matrix in rounded]
    hooks += [matrix.register_forward_hook(restore, always_call=True) for matrix in rounded]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _matrices(model: Any) -> dict[str, nn.Module]:
    """What is rounded of a transformers model, by name: the matrices of its body, and its head if it is tied to none.

    A head that is tied is the embedding, and stays with it in fp32.
    """
    inside, head = {id(part) for part in model.base_model.modules()}, model.get_output_embeddings()
    if head is not None and head.weight is not model.get_input_embeddings().weight:
        inside.add(id(head))
    return {name: part for name, part in model.named_modules() if id(part) in inside and is_matrix(part)}
