"""Compiled blocks: when, by rule; what goes through them; and what happens where they do not compile."""

import os
import re
import socket
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from chartune.adapters.catalog import METHODS, method_class
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.errors import ConfigError, RunError
from chartune.models import compiled as module
from chartune.models.backbone import LocalBackbone
from chartune.models.compiled import LEAST_FLOPS, compiled, compiled_by_rule, compiler
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, Resolved
from chartune.models.readers import LanguageModel
from chartune.store import COMPILED
from chartune.testing.twins import EXACT

COMPILING = replace(EXACT, compiled=True)
FUSED = replace(EXACT, attention="sdpa")
IDS = torch.randint(3, 300, (3, 16), generator=torch.Generator().manual_seed(0))
PLACES = torch.arange(16).expand(3, 16)


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compiler", lambda: "/usr/bin/c++")


def ruled(
    choice: str, flops: float = LEAST_FLOPS, impossible: str = "", resolved: Resolved = FUSED, attention: str = "auto",
    untried: str = "",
) -> Resolved:  # fmt: skip
    numerics = Numerics.parse({"compile": choice, "attention": attention})
    return compiled_by_rule(resolved, numerics, impossible, untried, lambda: flops)


@pytest.mark.usefixtures("able")
def test_a_long_training_on_a_processor_is_compiled_with_plain_attention_unless_that_is_chosen() -> None:
    long = ruled("auto")
    assert (long.compiled, long.attention) == (True, "eager")
    assert "a long training" in long.reason
    assert ruled("auto", attention="sdpa").attention == "sdpa"
    assert long.hashable() == {"device": "cpu", "precision": "fp32", "attention": "eager", "compiled": True}


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: ruled("auto", 0.99 * LEAST_FLOPS), "less than 1e\\+14 operations"),
        (lambda: ruled("auto", impossible="texts of many lengths"), "texts of many lengths"),
        (lambda: ruled("auto", resolved=replace(FUSED, device="cuda")), "processors alone"),
        (lambda: ruled("off"), "chosen in the config"),
        (lambda: ruled("auto", untried="not tried with DoRA"), "not tried with DoRA"),
    ],
    ids=["short", "many lengths", "gpu", "off", "untried"],
)
def test_else_it_is_not_and_says_why(made: Callable[[], Resolved], why: str) -> None:
    resolved = made()
    assert not resolved.compiled
    assert resolved.hashable() == {
        name: value for name, value in asdict(resolved).items() if name in ("device", "precision", "attention")
    }
    assert resolved.attention == "sdpa"
    assert re.search(f"not compiled: .*{why}", resolved.reason)


@pytest.mark.parametrize("there", ["no", "one that fails", "one that cannot be started"])
def test_without_a_compiler_the_rule_says_no_and_on_is_refused(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "compiler"))
    if there != "no":
        (tmp_path / "compiler").write_text("#!/bin/sh\nexit 1\n" if there == "one that fails" else "#!/no/shell\n")
        (tmp_path / "compiler").chmod(0o700)
    assert compiler() == ""
    assert "no C++ compiler" in ruled("auto").reason
    with pytest.raises(ConfigError, match=r"no C\+\+ compiler.*choose `auto`"):
        ruled("on")


@pytest.mark.usefixtures("able")
def test_on_asks_for_no_length_but_for_what_can_be_compiled() -> None:
    assert ruled("on", 0.0).compiled
    with pytest.raises(ConfigError, match="texts of many lengths"):
        ruled("on", impossible="texts of many lengths")


@pytest.mark.parametrize(("word", "meant"), [(True, "on"), (False, "off"), ("auto", "auto")])
def test_the_switch_takes_what_yaml_makes_of_on_and_off(word: object, meant: str) -> None:
    numerics = Numerics.parse({"compile": word})
    assert numerics.compile == meant
    assert numerics.hashable() == Numerics().hashable()  # what comes of it counts


def language_model(base: LocalBackbone, method: LoRA) -> LanguageModel:
    body = load_body(base, EXACT, language_model=True)
    attach(Stack(layers=(Fresh(method=method),)), body.module, [None], 1)
    return body.language_model(body.module).train()


def loss_of(model: LanguageModel, rows: int = 3) -> Tensor:
    places = torch.tensor([16 * row + token for row in range(rows) for token in range(15)])
    return model.forward(IDS[:rows], PLACES[:rows], places)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each call that went through compiled code, which here is the block as it is."""
    rows: list[int] = []

    def compile_(plain: Callable[..., Any], **_: object) -> Callable[..., Any]:
        def quick(*args: Any, **kwargs: Any) -> Any:
            rows.append(len(args[0]))
            return plain(*args, **kwargs)

        return quick

    monkeypatch.setattr(torch, "compile", compile_)
    return rows


def test_only_whole_micro_batches_of_a_training_are_compiled_and_afterwards_nothing_is(
    llama: LocalBackbone, tmp_path: Path, calls: list[int]
) -> None:
    model = language_model(llama, LoRA(rank=2, alpha=4))
    names = [name for name, _ in model.named_parameters()]
    with compiled(model.body, COMPILING, 3, tmp_path):
        torch.autograd.backward(loss_of(model))
        assert calls == [3, 3]  # two blocks
        assert [name for name, _ in model.named_parameters()] == names
        loss_of(model, rows=2)
        with torch.inference_mode():
            loss_of(model.eval())
    loss_of(model.train())
    assert calls == [3, 3]
    assert not [part for part in model.modules() if "forward" in vars(part)]


def test_the_cache_is_private_in_the_store_and_the_environment_comes_back(
    llama: LocalBackbone, tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    with compiled(language_model(llama, LoRA(rank=2, alpha=4)).body, COMPILING, 3, tmp_path):
        (place,) = (tmp_path / COMPILED).iterdir()
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(place)
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "elsewhere"
    assert "TRITON_CACHE_DIR" not in os.environ


def test_a_block_that_does_not_compile_stops_the_run_with_the_way_out(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._dynamo.exc import TorchDynamoException

    def failing(error: Exception) -> Callable[..., Any]:
        def quick(*args: Any, **kwargs: Any) -> Any:
            raise error

        return lambda plain, **_: quick

    model = language_model(llama, LoRA(rank=2, alpha=4))
    for error, shown in ((TorchDynamoException("no such\ncode"), RunError), (torch.OutOfMemoryError(), RuntimeError)):
        monkeypatch.setattr(torch, "compile", failing(error))
        with compiled(model.body, COMPILING, 3, tmp_path), pytest.raises(shown) as raised:
            loss_of(model)
        assert ("numerics.compile=off" in str(raised.value)) == (shown is RunError)
        assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.skipif(not compiler(), reason="this machine has no C++ compiler")
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # the compiler looks for one
def test_compiled_blocks_give_the_loss_and_gradients_of_plain_ones_without_a_network(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no sockets here")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "socketpair", refuse)
    gradients: list[dict[str, Tensor]] = []
    for numerics in (COMPILING, EXACT):
        model = language_model(llama, LoRA(rank=2, alpha=4, dropout=0.0))
        for part in model.parameters():
            part.data += 0.01
        with compiled(model.body, numerics, 3, tmp_path):
            torch.autograd.backward(loss_of(model))
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    ours, theirs = gradients
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6) for name in ours)
    assert any((tmp_path / COMPILED).rglob("*.so"))


@pytest.mark.usefixtures("able")
def test_auto_compiles_what_was_tried_and_on_also_what_was_not() -> None:
    assert ruled("on", untried="not tried").compiled
    tried = {kind for kind in METHODS if method_class(kind).model_validate({"kind": kind}).compiles}
    assert tried == {"lora", "adalora", "ia3", "prefix", "adaptation-prompt", "prompt", "p-tuning"}
    assert not LoRA(decomposed=True).compiles
    assert not LoRA(start="pissa").compiles
