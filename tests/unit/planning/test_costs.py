"""What a model costs is followed once for the cells of a grid that differ in nothing that it depends on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chartune.models.backbone import LocalBackbone
from chartune.planning import costs
from chartune.planning.costs import KEPT, Costs, costs_of, forget
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.model_stage import HeadSpec
from chartune.testing.twins import EXACT


@pytest.fixture(scope="module")
def known(bert: LocalBackbone) -> dict[Any, Costs]:
    """What is kept when one model was followed."""
    forget()
    asked(bert)
    return dict(costs._known)


@pytest.fixture(autouse=True)
def followed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Methods of the models that were followed."""
    methods, real = list[str](), costs._followed

    def counted(stage: Finetune, *given: Any) -> Costs:
        methods.append(stage.stack.title())
        return real(stage, *given)

    monkeypatch.setattr(costs, "_followed", counted)
    forget()
    yield methods
    forget()


def asked(backbone: LocalBackbone, outputs: int = 2, loss: str = "cross-entropy", row: int = 8, **fields: Any) -> Costs:
    stage = Finetune.parse({
        "data": {"source": {"kind": "mimic3", "folder": "nowhere"}}, "backbone": {"name": "x"}, "max_seq_len": 16,
        **fields,
    })  # fmt: skip
    spec = HeadSpec(np.zeros(outputs, dtype=np.float32), loss)
    return costs_of(stage, Inputs(backbone, (None,), EXACT), spec, row)


def test_seeds_rates_and_durations_are_followed_once(bert: LocalBackbone, followed: list[str]) -> None:
    first = asked(bert)
    for fields in ({"seed": 3}, {"optimisation": {"learning_rate": 0.1, "duration": {"value": 9}}}, {"name": "other"}):
        assert asked(bert, **fields) is first
    assert len(followed) == 1
    forget()
    assert asked(bert) == first  # followed anew it is the same
    assert len(followed) == 2


@pytest.mark.parametrize("fields", [
    {"outputs": 3}, {"loss": "binary-cross-entropy"}, {"row": 5}, {"max_seq_len": 12},
    {"optimisation": {"batch_size": 4}}, {"stack": {"layers": [{"kind": "fresh", "method": {"kind": "ia3"}}]}},
    {"head": {"pooling": "last"}},
])  # fmt: skip
def test_whatever_a_model_or_its_batches_depend_on_is_followed(
    bert: LocalBackbone, known: dict[Any, Costs], followed: list[str], fields: dict[str, Any]
) -> None:
    costs._known.update(known)
    asked(bert)
    assert not followed
    asked(bert, **fields)
    assert len(followed) == 1


def test_another_base_is_followed_and_the_oldest_are_forgotten(bert: LocalBackbone, followed: list[str]) -> None:
    asked(bert)
    asked(replace(bert, content_hash="0" * 64))
    assert len(followed) == 2
    costs._known.update({str(number): asked(bert) for number in range(KEPT)})
    asked(bert, row=7)
    assert len(costs._known) == KEPT
