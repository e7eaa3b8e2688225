"""Every method of the catalog on every family: the laws that all keep; in pairs, and in full when slow."""

from pathlib import Path

import pytest

from chartune.adapters.catalog import METHODS, method_class
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.prefix import Prefix
from chartune.adapters.stack import Fresh
from chartune.errors import AdapterError
from chartune.testing.method_laws import LAWS, Law, gap, stacked
from chartune.testing.twins import OWN, twin

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),  # stock peft asks by an old name
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable:FutureWarning"),
]
USUAL = [method_class(kind).parse({}) for kind in METHODS if not method_class(kind).trains_all]
UNUSUAL: list[Method] = [LoRA(rank=2, targets="all-linear", dropout=0.1), Prefix(tokens=3, positions="unshifted")]
EVERY = [*USUAL, *UNUSUAL]
PAIRS = {(number % len(EVERY), model_type) for at, model_type in enumerate(OWN) for number in (at, at + 1)}
"""Two methods on each family, and so each method on two families or more."""


def called(method: Method) -> str:
    return "-".join([method.kind, *(str(getattr(method, name, "")) for name in ("targets", "positions"))]).rstrip("-")


def pairs() -> list[object]:
    return [
        pytest.param(model_type, method, id=f"{model_type}-{called(method)}", marks=() if paired else pytest.mark.slow)
        for model_type in OWN
        for number, method in enumerate(EVERY)
        for paired in [(number, model_type) in PAIRS]
    ]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("model_type", "method"), pairs())
def test_a_method_keeps_the_law_on_a_family(twins: Path, model_type: str, method: Method, law: Law) -> None:
    base = twin(twins, model_type)
    if gap(base, method):
        with pytest.raises(AdapterError):
            stacked(base, Fresh(method=method))
        return
    law(base, method)


def test_each_method_stands_on_two_families_and_each_family_has_two_methods() -> None:
    assert len(OWN) * 2 == len(PAIRS)
    for number in range(len(EVERY)):
        assert sum(number == one for one, _ in PAIRS) >= 2
