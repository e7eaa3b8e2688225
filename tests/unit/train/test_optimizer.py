"""The schedule is in shares of the whole, and never starts at zero; matrices decay, vectors do not."""

import pytest
from torch import nn

from chartune.quantities import Duration
from chartune.train.optimizer import Optimisation, make_optimizer, rate_factor


def test_warmup_takes_its_share_of_all_steps() -> None:
    choice = Optimisation(warmup_fraction=0.1)
    counted = Optimisation(warmup_steps=4)
    assert [rate_factor(counted, step, 1000) for step in (0, 3)] == [1 / 5, 4 / 5]
    assert rate_factor(counted, 4, 1000) == 1.0
    assert "warmup_steps" not in Optimisation().hashable()  # runs of before are found
    rates = [rate_factor(choice, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[9] == pytest.approx(10 / 11)
    assert max(rates) == rates[10] == 1.0
    assert rates[-1] == pytest.approx(1 / 90)


def test_cosine_ends_near_zero_and_constant_stays() -> None:
    assert rate_factor(Optimisation(schedule="cosine", warmup_fraction=0), 99, 100) < 0.001
    assert rate_factor(Optimisation(schedule="constant", warmup_fraction=0), 99, 100) == 1.0


def test_a_duration_knows_its_unit() -> None:
    assert Duration.epochs(1.5).total_steps(10) == 15
    assert Duration.steps(7).total_steps(10) == 7
    assert Duration.epochs(0.01).total_steps(10) == 1


def test_matrices_decay_vectors_do_not_and_the_head_has_a_rate_of_its_own() -> None:
    parts = {"body": nn.Linear(3, 2), "norm": nn.LayerNorm(2), "base": nn.Linear(2, 2), "head": nn.Linear(2, 2)}
    module = nn.ModuleDict(parts)
    parts["base"].requires_grad_(False)
    choice = Optimisation(learning_rate=1e-3, head_learning_rate=5e-3, weight_decay=0.1)
    named = {id(parameter): name for name, parameter in module.named_parameters()}
    groups = {
        named[id(parameter)]: (group["peak"], group["weight_decay"])
        for group in make_optimizer(module, choice).param_groups for parameter in group["params"]
    }  # fmt: skip
    assert groups == {
        "body.weight": (1e-3, 0.1), "body.bias": (1e-3, 0.0), "norm.weight": (1e-3, 0.0), "norm.bias": (1e-3, 0.0),
        "head.weight": (5e-3, 0.1), "head.bias": (5e-3, 0.0),
    }  # fmt: skip
