"""Loss scaling: gradients come out as they are, an overflow halves the scale, quiet steps double it."""

import pytest
import torch
from torch import nn

from chartune.train.checkpoint import State
from chartune.train.scaling import FIRST, GROWING_STEPS, MOST, loss_and_norm, scale_after_step


def computed(state: State, most: float) -> tuple[float, float, list[float]]:
    """Loss, norm of the gradient and the scales that were tried, where a scaled gradient must not exceed a bound."""
    model, scales = nn.Linear(1, 1, bias=False), list[float]()

    def loss() -> float:
        scales.append(state.loss_scale)
        large = 3.0 * state.loss_scale > most
        model.weight.grad = torch.full((1, 1), float("inf") if large else 3.0 * state.loss_scale)
        return 0.5

    def clip(learning: list[nn.Parameter]) -> torch.Tensor:
        return torch.stack([parameter.grad.norm() for parameter in learning if parameter.grad is not None]).sum()

    mean, norm = loss_and_norm(state, model, loss, clip, model.zero_grad)
    return mean, norm, scales


def test_a_gradient_is_divided_by_the_scale_before_its_norm_is_taken() -> None:
    assert computed(State(loss_scale=8.0), 1e9) == (0.5, 3.0, [8.0])
    assert computed(State(), 1e9) == (0.5, 3.0, [1.0])


def test_an_overflow_halves_the_scale_until_the_gradient_fits() -> None:
    state = State(loss_scale=32.0, scaled_steps=7)
    assert computed(state, 30.0) == (0.5, 3.0, [32.0, 16.0, 8.0])
    assert (state.loss_scale, state.scaled_steps) == (8.0, 0)
    _, norm, scales = computed(state, 2.0)  # nothing helps
    assert (norm, scales) == (float("inf"), [8.0, 4.0, 2.0, 1.0])


@pytest.mark.parametrize(("scale", "doubled"), [(FIRST, 2 * FIRST), (MOST, MOST)])
def test_after_many_quiet_steps_the_scale_is_doubled_up_to_a_bound(scale: float, doubled: float) -> None:
    state = State(loss_scale=scale)
    for _ in range(GROWING_STEPS - 1):
        scale_after_step(state, "fp16")
    assert (state.loss_scale, state.scaled_steps) == (scale, GROWING_STEPS - 1)
    scale_after_step(state, "fp16")
    assert (state.loss_scale, state.scaled_steps) == (doubled, 0)
    scale_after_step(state, "bf16")
    assert state.scaled_steps == 0
