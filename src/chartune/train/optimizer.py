"""AdamW and its learning rate, as numbers in a config and pure functions of the step."""

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field
from torch import nn
from torch.optim import AdamW

from chartune.batches.budgets import TokenBudget
from chartune.config import Added, Config, Unhashed
from chartune.errors import RunError
from chartune.quantities import Duration, Fraction


class Optimisation(Config):
    """How weights are moved."""

    learning_rate: float = Field(5e-4, gt=0)
    """Peak learning rate of the adapters (or of all weights under full training)."""
    head_learning_rate: float = Field(2e-3, gt=0)
    """Peak learning rate of a task head: it starts from nothing, the adapters from the identity."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay (Loshchilov and Hutter, 2019)."""
    warmup_fraction: Fraction = 0.06
    """Share of all steps in which the rate rises from 0: a share, not a count (P1's code took 0.06 *steps*)."""
    warmup_steps: Annotated[int | None, Added()] = Field(None, ge=0)
    """So many steps instead, whatever the training has: for recipes that count them. None: by the share."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls from its peak to 0 afterwards."""
    batch_size: int = Field(16, gt=0)
    """Examples (or packed blocks) per optimizer step, over all processes and micro-batches."""
    duration: Duration = Duration.epochs(3)
    """How long to train at most."""
    most_seconds: Annotated[float | None, Added()] = Field(None, gt=0)
    """Training ends after so many seconds, evaluations included, with a last evaluation; rate and `duration` are those
    of a training that is not ended. How many steps that is depends on the machine. None: no limit."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""
    micro_batch_tokens: Annotated[TokenBudget, Unhashed()] = "auto"
    """Padded tokens that go through the model at once; halved when memory runs out. Does not change the gradient.
    `auto`: by a rule of device, precision and direction of reading."""


class Stopping(Config):
    """When to evaluate on the validation split, and when to stop."""

    evaluations_per_epoch: int = Field(2, gt=0)
    """Evaluations in each epoch, evenly spaced."""
    patience: int = Field(3, gt=0)
    """Stop after so many evaluations without a better score; the best weights are kept."""


def make_optimizer(
    module: nn.Module,
    choice: Optimisation,
    undecayed: Iterable[nn.Parameter] = (),
    ratios: Mapping[nn.Parameter, float] = MappingProxyType({}),
) -> AdamW:
    """AdamW over the parameters that learn: the head in a group of its own, vectors without decay.

    Args:
        module: what learns.
        choice: rates and decay.
        undecayed: further parameters without decay.
        ratios: by what the learning rate of some is multiplied.

    Raises:
        RunError: nothing learns.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    without = {id(parameter) for parameter in undecayed}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            matrix = parameter.ndim > 1 and id(parameter) not in without
            peak = choice.head_learning_rate if name.startswith("head.") else choice.learning_rate
            groups.setdefault((peak * ratios.get(parameter, 1.0), matrix), []).append(parameter)
    if not groups:
        raise RunError("training needs weights that learn, but all are frozen; add a layer that is fresh or trainable.")
    return AdamW(
        [
            {"params": parameters, "peak": peak, "weight_decay": choice.weight_decay if matrix else 0.0}
            for (peak, matrix), parameters in groups.items()
        ],
        lr=choice.learning_rate, betas=(0.9, 0.98),
    )  # fmt: skip


def rate_factor(choice: Optimisation, step: int, total_steps: int) -> float:
    """The share of the peak learning rate at a step, counted from 0; never 0 before the end."""
    warmup = round(choice.warmup_fraction * total_steps) if choice.warmup_steps is None else choice.warmup_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if choice.schedule == "constant":
        return 1.0
    left = 1 - (step - warmup) / max(1, total_steps - warmup)
    return left if choice.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))
