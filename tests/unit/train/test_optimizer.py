"""The schedule is in shares of the whole, and never starts at zero."""

import pytest

from chartune.quantities import Duration
from chartune.train.optimizer import Optimisation, rate_factor


def test_warmup_takes_its_share_of_all_steps() -> None:
    choice = Optimisation(warmup_fraction=0.1)
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
