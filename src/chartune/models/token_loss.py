"""Negative log-likelihood under a frozen head, whose gradient is computed beside it, so that no logits are kept.

    states [N, D] ─frozen head, in chunks─▶ logits ─▶ −log p(target)  and  (p − 1 at the target)·W, its gradient [N, D]

Tokens do not share a loss, so the gradient of each state is known, but for a factor, as soon as its logits are. They
are computed once: keeping them takes rows × vocabulary numbers, recomputing them a third product with the head.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from chartune.models.language import Language


def token_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target, [n]. logits: [n, V] in fp32; targets: [n]."""
    return nn.functional.cross_entropy(logits, targets, reduction="none")


class Frozen(NamedTuple):
    """A head that learns nothing, in the type in which it multiplies."""

    weight: Tensor
    """[V, D]."""
    bias: Tensor | None
    """[V]."""


def frozen_matrix(head: nn.Module) -> nn.Linear | None:
    """The head, if it is a matrix that learns nothing."""
    plain = head if type(head) is nn.Linear else None
    return None if plain is None or any(each.requires_grad for each in plain.parameters()) else plain


def rounded(head: nn.Linear, products: torch.dtype) -> Frozen:
    """A frozen head in the type that it multiplies in: rounded once for all chunks."""
    return Frozen(head.weight.to(products), None if head.bias is None else head.bias.to(products))


def nll_beside_its_gradient(states: Tensor, targets: Tensor, head: Frozen, language: Language, rows: int) -> Tensor:
    """Negative log-likelihood of each target, [N], differentiable once, by the states.

    Args:
        states: that predict, [N, D].
        targets: what they predict, [N].
        head: of the states.
        language: how logits come of what the head gives.
        rows: of logits that are held at a time.
    """
    nll: Tensor = _Beside.apply(states, targets, head, language, rows)  # type: ignore[no-untyped-call]
    return nll


class _Beside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, targets: Tensor, head: Frozen, language: Language, rows: int) -> Tensor:
        chunks = zip(torch.split(states, rows), torch.split(targets, rows), strict=True)
        losses, gradients = zip(*(_chunk(some, wanted, head, language) for some, wanted in chunks), strict=True)
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        (inner,) = ctx.saved_tensors  # [N, D]
        return outer[0].unsqueeze(1) * inner, None, None, None, None


def _chunk(states: Tensor, targets: Tensor, head: Frozen, language: Language) -> tuple[Tensor, Tensor]:
    """Losses [n] and their gradients [n, D] in the type of the states [n, D]."""
    logits = language.logits(nn.functional.linear(states.to(head.weight.dtype), *head).float())  # [n, V]
    errors, at = nn.functional.log_softmax(logits, 1), targets.unsqueeze(1)  # [n, V], [n, 1]
    losses = -errors.gather(1, at).squeeze(1)
    errors.exp_().scatter_add_(1, at, -torch.ones_like(at, dtype=errors.dtype))  # p − 1 at the target
    return losses, (language.of_raw(errors, logits).to(head.weight.dtype) @ head.weight).to(states.dtype)
