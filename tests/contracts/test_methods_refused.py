"""Methods of peft that are refused still break the rule that the catalog names."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftType, inject_adapter_in_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from torch import Tensor, nn

from chartune.adapters.catalog import METHODS, REFUSED
from chartune.models.architecture import shape_of
from chartune.models.meta import meta_body
from chartune.testing.adapted import IDS, MASK, body_of, hidden
from chartune.testing.twins import EXACT, twin

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),  # stock peft asks by an old name
]
RANKS: Mapping[str, dict[str, Any]] = {"shira": {"r": 2}}
"""Where peft's own is too large for a twin."""


def injected(kind: str, body: nn.Module, targets: tuple[str, ...]) -> nn.Module:
    """A body with a fresh layer of stock peft."""
    config = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(kind.upper())]
    inject_adapter_in_model(config(target_modules=list(targets), **RANKS.get(kind, {})), body)
    return body


def on_llama(twins: Path, kind: str) -> nn.Module:
    return injected(kind, body_of(twin(twins, "llama")), ("q_proj", "v_proj"))


def is_shared(twins: Path, kind: str) -> None:
    with pytest.raises(ValueError, match="shared state stored on the tuner"):
        on_llama(twins, kind)


def needs_numbers(twins: Path, kind: str) -> None:
    on_llama(twins, kind)
    base = twin(twins, "llama")
    with pytest.raises(NotImplementedError):
        injected(kind, meta_body(shape_of(base), base.family, EXACT).module, ("q_proj", "v_proj"))


def leaves_rounding(twins: Path, kind: str) -> None:
    expected = hidden(body_of(twin(twins, "llama")))
    states = hidden(on_llama(twins, kind))
    assert not torch.equal(states, expected)
    assert torch.allclose(states, expected, atol=1e-5)  # it is no more than that


def reads_padding(twins: Path, kind: str) -> None:
    body = on_llama(twins, kind).eval()
    for parameter in moved(body, kind).values():
        assert parameter.any()

    def states(tokens: int) -> Tensor:
        made: Tensor = body(input_ids=IDS[1:, :tokens], attention_mask=MASK[1:, :tokens]).last_hidden_state[:, :4]
        return made

    assert not torch.allclose(states(4), states(7), atol=1e-2)


def learns_nothing_of_a_zero_bias(twins: Path, kind: str) -> None:
    body = injected(kind, body_of(twin(twins, "bert")), ("query",))
    own = moved(body, kind)
    states = body(input_ids=IDS, attention_mask=MASK).last_hidden_state
    (states * torch.linspace(-1, 1, states.shape[-1])).sum().backward()
    still = [name for name, parameter in own.items() if parameter.grad is None or not parameter.grad.any()]
    assert [name.rpartition(".glora_")[2] for name in still] == ["D.default.X"] * 2


def moved(body: nn.Module, kind: str) -> dict[str, nn.Parameter]:
    """What a layer learns, away from its start."""
    own = {name: parameter for name, parameter in body.named_parameters() if f"{kind}_" in name}
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in own.values():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return own


MEASURED: Mapping[str, Callable[[Path, str], None]] = {
    "on a wrapper": is_shared,
    "cannot be planned": needs_numbers,
    "leaves rounding": leaves_rounding,
    "padding changes": reads_padding,
    "where the base's bias is zero": learns_nothing_of_a_zero_bias,
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_method_still_breaks_the_rule_that_is_named(twins: Path, kind: str) -> None:
    (measure,) = [partial(measure, twins) for words, measure in MEASURED.items() if words in REFUSED[kind]]
    assert kind not in METHODS
    measure(kind)
