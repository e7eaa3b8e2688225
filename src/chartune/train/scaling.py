"""Loss scaling: in fp16 a loss is multiplied before the backward pass, and its gradient divided after it.

Small gradients would be zero in fp16, large ones infinite (Micikevicius et al., 2018, arXiv:1710.03740). Where others
skip a step that overflows (torch.amp.GradScaler), it is computed again here at half the scale: no example is lost, the
schedule stays, and a checkpoint holds all there is to know: two numbers.
"""

import math
from collections.abc import Callable
from typing import Final, cast

from torch import Tensor, nn

from chartune.models.precision import Computed
from chartune.train.checkpoint import State

FIRST: Final = 2.0**16
"""The scale of the first step, as of torch.amp.GradScaler."""
MOST: Final = 2.0**24
"""The largest scale; a bound, not measured."""
GROWING_STEPS: Final = 2000
"""After so many steps without an overflow the scale is doubled, as of torch.amp.GradScaler."""


def first_scale(precision: Computed) -> float:
    """The scale of a training that begins; 1: nothing is scaled."""
    return FIRST if precision == "fp16" else 1.0


def loss_and_norm(
    state: State, model: nn.Module, loss: Callable[[], float], clip: Callable[[list[nn.Parameter]], Tensor],
    clear: Callable[[], None],
) -> tuple[float, float]:  # fmt: skip
    """The loss of a step and the norm of its gradient: computed again at half the scale while the gradient overflows.

    Args:
        state: holds the scale.
        model: whose parameters get the gradient.
        loss: makes the gradient of the loss times the scale, and gives the mean loss.
        clip: bounds the gradient, and gives its norm.
        clear: forgets the gradient.
    """
    while True:
        mean, learning = loss(), [parameter for parameter in model.parameters() if parameter.grad is not None]
        if state.loss_scale != 1.0:  # a power of two: exact
            for parameter in learning:
                cast(Tensor, parameter.grad).div_(state.loss_scale)
        norm = float(clip(learning))
        if math.isfinite(norm) or not math.isfinite(mean) or state.loss_scale <= 1.0:
            return mean, norm
        state.loss_scale, state.scaled_steps = state.loss_scale / 2, 0
        clear()


def scale_after_step(state: State, precision: Computed) -> None:
    """Count a step that was made without overflow, and after many double the scale."""
    if precision != "fp16":
        return
    state.scaled_steps += 1
    if state.scaled_steps >= GROWING_STEPS:
        state.loss_scale, state.scaled_steps = min(2 * state.loss_scale, MOST), 0
