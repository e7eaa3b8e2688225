"""A new method is one file and one line: the example of docs/architecture.md, and one that is none of peft's."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from torch import nn

from chartune.adapters.catalog import METHODS, method_class
from chartune.adapters.method import ROOT, Method
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy
from chartune.testing.chain import FINETUNE, steps
from chartune.testing.command_line import chartune
from chartune.testing.method_rules import RULES, Rule
from chartune.testing.twins import twin

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),  # stock peft asks by an old name
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable:FutureWarning"),
]


class BitFit(Method):
    """The biases of the body learn (Ben Zaken et al., 2022, arXiv:2106.10199); nothing is added."""

    kind: Literal["bitfit"] = "bitfit"

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Nothing is added."""

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """Of every bias."""
        return {ROOT + name: tuple(p.shape) for name, p in body.named_parameters() if self.owns(name, "")}

    def owns(self, parameter: str, name: str) -> bool:
        """All biases."""
        return parameter.endswith(".bias")

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse a body without biases."""
        if not self.shapes(body, anatomy):
            raise AdapterError("BitFit needs biases.")

    def title(self) -> str:
        """`BitFit`."""
        return "BitFit"


OWN = {"bitfit": "BitFit"}


@pytest.fixture
def registered(
    listed_as_on_the_page: Callable[[str, dict[str, str]], Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], type[Method]]:
    """Lists a method in the catalog, as its line would."""

    def register(kind: str) -> type[Method]:
        if kind in OWN:
            monkeypatch.setitem(sys.modules, "own", sys.modules[__name__])
            monkeypatch.setitem(METHODS, kind, f"own:{OWN[kind]}")
        else:
            listed_as_on_the_page("A method", METHODS)
        return method_class(kind)

    return register


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(("kind", "model_type"), [("loha", "llama"), ("bitfit", "bert")])
def test_it_keeps_the_rules(
    registered: Callable[[str], type[Method]], twins: Path, kind: str, model_type: str, rule: Rule
) -> None:
    rule(twin(twins, model_type), registered(kind).parse({}))


@pytest.mark.parametrize(("kind", "model_type"), [
    ("loha", "llama"), pytest.param("bitfit", "bert", marks=pytest.mark.slow),
])  # fmt: skip
def test_the_command_line_finetunes_and_plans_it(
    registered: Callable[[str], type[Method]], hospital: Path, twins: Path, tmp_path: Path, kind: str, model_type: str
) -> None:
    method, base = registered(kind).parse({}), twin(twins, model_type)
    words = [hospital, "--method", kind, "--base", base.folder, *steps(2, *FINETUNE), "--store", tmp_path / "s"]
    said = chartune("finetune", *words, "--json")
    assert said.code == 0, said.err
    run: dict[str, Any] = json.loads(said.out)
    about = json.loads((Path(run["folder"]) / "run.json").read_text())
    assert about["stack"][0]["method"] == method.model_dump(mode="json")
    assert method.title() in run["name"]
    assert f"{method.title()}:" in chartune("plan", "finetune", *words).out
