"""Budgets: how many tokens go through a model at once is a rule of device, precision and direction, or said."""

import pytest

from chartune.batches.budgets import budget_of, reading_budget
from chartune.errors import ConfigError
from chartune.train.optimizer import Optimisation


def test_a_number_is_taken_and_auto_goes_by_device_precision_and_direction() -> None:
    assert budget_of(64, "cuda", "bf16", decoder=True) == 64
    ruled = {
        (device, precision, decoder): budget_of("auto", device, precision, decoder=decoder)
        for device in ("cpu", "cuda")
        for precision in ("fp32", "bf16")
        for decoder in (False, True)
    }
    assert ruled["cpu", "fp32", False] == ruled["cpu", "fp32", True] == ruled["cpu", "bf16", True] == 1024
    assert ruled["cpu", "bf16", False] == 1536
    assert {budget for (device, *_), budget in ruled.items() if device == "cuda"} == {4096}
    assert budget_of("auto", "cuda", "fp16", decoder=False) == 4096
    assert [reading_budget("cpu", precision) for precision in ("fp32", "bf16", "fp16")] == [1536, 768, 768]
    assert {reading_budget("cuda", precision) for precision in ("fp32", "bf16", "fp16")} == {8192}


def test_auto_is_the_default_and_no_part_of_a_name() -> None:
    choice = Optimisation()
    assert choice.micro_batch_tokens == "auto"
    assert Optimisation(micro_batch_tokens=64).hashable() == choice.hashable()


@pytest.mark.parametrize("value", [0, -5, 1.5, "lots", None])
def test_another_budget_is_refused_in_one_sentence(value: object) -> None:
    with pytest.raises(ConfigError, match=r"micro_batch_tokens.*`auto` or a whole number of tokens above 0") as refused:
        Optimisation.parse({"micro_batch_tokens": value})
    assert "literal" not in str(refused.value)
