"""Operations by formula, against what is counted of a batch that goes through the model without numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from chartune.adapters.full import Full
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.prompt import Prompt
from chartune.adapters.stack import Fresh
from chartune.models.flops import Sizes, of_reading, of_training
from chartune.stages.assembly import Model
from chartune.stages.efficiency import sizes_of_model
from chartune.testing.adapted import stacked
from chartune.testing.twins import twin

LENGTH = 40


def counted(module: torch.nn.Module, *, backward: bool) -> float:
    """What PyTorch counts of one text, with attention as plain products."""
    ids = torch.ones(1, LENGTH, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.set_grad_enabled(backward):
        out = module(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        if backward:
            out.sum().backward()
    return float(counter.get_total_flops())


def sizes(folder: Path, family: str, method: Method) -> tuple[torch.nn.Module, Sizes]:
    attached = stacked(twin(folder, family), Fresh(method=method))
    body = torch.nn.Module()
    return attached.module, sizes_of_model(Model(body, attached, body))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["bert", "llama", "distilbert"])
@pytest.mark.parametrize("method", [LoRA(rank=4), Full(), Prompt(tokens=8)], ids=lambda method: method.kind)
def test_the_formula_is_what_is_counted(twins: Path, family: str, method: Method) -> None:
    module, known = sizes(twins, family, method)
    assert known.forward(LENGTH) == pytest.approx(counted(module.eval(), backward=False), rel=0.02)
    assert known.training(LENGTH) == pytest.approx(counted(module.train(), backward=True), rel=0.1)


def test_full_training_takes_three_times_what_reading_does_and_lora_about_twice(twins: Path) -> None:
    full, lora = (sizes(twins, "bert", method)[1] for method in (Full(), LoRA(rank=1)))
    assert full.training(8) / full.forward(8) == pytest.approx(3)
    assert 2 < lora.training(8) / lora.forward(8) < 2.2


def test_texts_are_counted_by_their_own_lengths() -> None:
    known = Sizes(matrices=1000, beside=0, learning=1000, attention=10)
    lengths = np.array([10, 10, 30])
    once = 2 * known.training(10) + known.training(30)
    assert of_training(known, lengths, 50) == pytest.approx(once)
    assert of_training(known, lengths, 125) == pytest.approx(2.5 * once)
    assert of_reading(known, lengths) == 2 * known.forward(10) + known.forward(30)
    assert known.forward(10) == 10 * (2000 + 4 * 10 * 10)
