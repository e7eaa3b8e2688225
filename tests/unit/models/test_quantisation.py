"""Quantised bases: what is refused, what is recorded, and which matrices become codes."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, BitsAndBytesConfig

from chartune.adapters.adalora import AdaLoRA
from chartune.adapters.catalog import METHODS, method_class
from chartune.adapters.ia3 import IA3
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.errors import AdapterError, ConfigError
from chartune.models.architecture import shape_of
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.models.quantisation import Quantisation
from chartune.models.weights import stored
from chartune.stages.exporting import _must_hold_numbers
from chartune.stages.facts import environment
from chartune.stages.inputs import Inputs, must_suit_quantisation
from chartune.testing.twins import EXACT, twin


class Codes(nn.Linear):
    """Stands for a layer of bitsandbytes: keeps what it was made with."""

    def __init__(self, inputs: int, outputs: int, bias: bool, **given: Any) -> None:
        super().__init__(inputs, outputs, bias)
        self.given = given


def parameter(data: Tensor, **given: Any) -> nn.Parameter:
    """Stands for a parameter of bitsandbytes."""
    return nn.Parameter(data, requires_grad=given["requires_grad"])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("bitsandbytes")
    package.nn = SimpleNamespace(  # type: ignore[attr-defined]
        Linear4bit=Codes, Linear8bitLt=Codes, Params4bit=parameter, Int8Params=parameter
    )
    monkeypatch.setitem(sys.modules, "bitsandbytes", package)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


@pytest.mark.parametrize("choice", ["nf4", "int8"])
def test_a_quantised_base_is_refused_without_a_gpu_or_the_package_or_where_all_weights_learn(
    choice: Quantisation, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    numerics = Numerics(quantisation=choice)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=rf"needs a GPU, .* is {choice} .* choose `none`"):
            resolve(numerics, 64)
    request.getfixturevalue("gpu")
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ConfigError, match=r"pip install 'chartune\[gpu\]'"):
        resolve(numerics, 64)
    request.getfixturevalue("stand_in")
    with pytest.raises(ConfigError, match=rf"every weight of the base learns and numerics.quantisation is {choice}"):
        resolve(numerics, 64, trains_all=True)
    resolved = resolve(numerics, 64)
    assert (resolved.device, resolved.quantisation) == ("cuda", choice)


def test_how_a_base_is_held_is_recorded_and_part_of_a_run_s_name_only_where_it_is_quantised() -> None:
    plain = Resolved("cuda", "bf16", "sdpa", "a test")
    quantised = replace(plain, quantisation="nf4")
    assert quantised.hashable() == {**plain.hashable(), "quantisation": "nf4"}
    assert Numerics().hashable() == {"precision": "auto", "attention": "auto"}
    assert Numerics(quantisation="nf4").hashable()["quantisation"] == "nf4"
    assert environment(quantised, {})["quantisation"] == "nf4"
    assert "quantisation" not in environment(plain, {})


def fresh(kind: str) -> Method:
    return method_class(kind).parse({"kind": kind})


WITHOUT = {"lora", "ia3", "adalora", "prefix", "adaptation-prompt", "prompt", "p-tuning", "full"}
"""Kinds that compute without the numbers of the matrices; `full` is refused for another reason."""


@pytest.mark.parametrize("kind", METHODS)
def test_a_method_that_computes_with_the_base_s_matrices_is_refused_on_codes(kind: str) -> None:
    method = fresh(kind)
    must_suit_quantisation([method], "none")
    if kind in WITHOUT:
        must_suit_quantisation([method], "nf4")
    else:
        with pytest.raises(AdapterError, match=r"must do without the numbers .* choose `none`, or plain LoRA"):
            must_suit_quantisation([LoRA(), method], "int8")


@pytest.mark.parametrize("method", [LoRA(start="pissa"), LoRA(start="olora"), LoRA(decomposed=True)])
def test_options_of_lora_that_take_the_base_s_matrices_are_refused_on_codes(method: LoRA) -> None:
    with pytest.raises(AdapterError, match=r"numerics\.quantisation is nf4"):
        must_suit_quantisation([method], "nf4")
    for kept in (LoRA(scaling="rank-stabilised"), LoRA(start="gaussian"), IA3(), AdaLoRA()):
        must_suit_quantisation([kept], "nf4")


def test_layers_that_learnt_on_codes_are_not_merged_into_numbers() -> None:
    with pytest.raises(AdapterError, match=r"learnt on a base in nf4, .* export without --merged"):
        _must_hold_numbers(Inputs(None, (), Resolved("cuda", "bf16", "sdpa", "a test", quantisation="nf4")))
    _must_hold_numbers(Inputs(None, (), EXACT))


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("family", "choice"), [("llama", "nf4"), ("gpt2", "int8")])
def test_the_matrices_of_the_body_become_codes_and_nothing_else(family: str, choice: Quantisation, twins: Path) -> None:
    base, resolved = twin(twins, family), Resolved("cpu", "bf16", "eager", "a test", quantisation=choice)
    plain = load_body(base, Resolved("cpu", "fp32", "eager", "a test"), language_model=True).whole
    body = load_body(base, resolved, language_model=True)
    codes = {name: module for name, module in body.module.named_modules() if isinstance(module, Codes)}
    matrices = [
        name for name, module in plain.base_model.named_modules() if type(module).__name__ in ("Linear", "Conv1D")
    ]
    assert list(codes) == matrices
    given = {"compute_dtype": torch.bfloat16, "quant_type": "nf4"}
    assert codes[matrices[0]].given == (given if choice == "nf4" else {"has_fp16_weights": False, "threshold": 6.0})
    ids = torch.arange(5, 29).reshape(1, 24)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected, read = (model(input_ids=ids).logits.float() for model in (plain, body.whole))
    assert torch.allclose(read, expected, atol=0.05)  # GPT-2 stores its matrices the other way round
    assert not isinstance(body.lm_head, Codes)
    assert not any(parameter.requires_grad for parameter in body.whole.parameters())
    assert vars(body.module)["is_loaded_in_4bit"] == (choice == "nf4")


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_four_bits_are_those_of_transformers(family: str, twins: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra gpu is not installed")
    base = twin(twins, family)
    body = load_body(base, Resolved("cpu", "fp32", "eager", "a test", quantisation="nf4")).module
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    stock = cast(Any, AutoModel._model_mapping[type(shape_of(base))]).from_pretrained(
        None, config=shape_of(base), state_dict=stored(base.weights), dtype=torch.float32, attn_implementation="eager",
        quantization_config=config, **base.family.parts(language_model=False),
    )  # fmt: skip
    half = load_body(base, Resolved("cpu", "bf16", "eager", "a test", quantisation="nf4")).module
    assert {p.dtype for p in half.parameters()} == {torch.float32, torch.uint8}
    ids = torch.arange(5, 53).reshape(2, 24)
    with torch.no_grad():
        assert torch.equal(body(input_ids=ids).last_hidden_state, stock(input_ids=ids).last_hidden_state)
