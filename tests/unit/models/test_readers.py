"""A language model's loss is computed in chunks of bounded size."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from chartune.models import readers
from chartune.models.backbone import LocalBackbone
from chartune.models.language import Language
from chartune.models.load import load_body
from chartune.models.readers import LanguageModel
from chartune.models.token_loss import Frozen, nll_beside_its_gradient
from chartune.testing.twins import EXACT

LANGUAGES = {
    "plain": Language(),
    "scaled": Language(multiplier=0.25),
    "capped": Language(multiplier=2.0, cap=3.0),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_and_its_gradient_depend_neither_on_the_chunks_nor_on_what_is_recomputed(
    llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch, precision: str, language: str
) -> None:
    body = load_body(llama, replace(EXACT, precision=precision), language_model=True)  # type: ignore[arg-type]
    model = body.language_model(body.module)
    model.language = LANGUAGES[language]
    random = torch.Generator().manual_seed(0)
    ids, outer = torch.randint(3, 384, (2, 100), generator=random), torch.rand(198, generator=random)
    vector = body.module.get_submodule("norm").get_parameter("weight").requires_grad_()
    given = (ids, torch.arange(100).expand(2, 100), torch.arange(198))

    def run(logits: int, *, learns: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        monkeypatch.setattr(readers, "LOGITS", {"cpu": logits})
        model.lm_head.requires_grad_(learns)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model.nll(*given)
        return loss.detach(), torch.autograd.grad((outer * loss).sum(), vector)[0]

    kept = run(2**23, learns=True)
    monkeypatch.setattr(readers, "RECOMPUTE_ABOVE", 0)
    recomputed, beside, in_chunks = run(384 * 70, learns=True), run(2**23), run(384 * 70)
    rtol, atol = (2e-2, 2e-3) if precision == "bf16" else (1e-5, 1e-6)
    for other in (recomputed, beside, in_chunks):
        assert all(torch.allclose(a, b, rtol, atol) for a, b in zip(kept, other, strict=True))


def test_a_head_that_learns_has_a_gradient(llama: LocalBackbone) -> None:
    body = load_body(llama, EXACT, language_model=True)
    model = body.language_model(body.module)
    weight = model.lm_head.get_parameter("weight").requires_grad_()
    model(torch.zeros(1, 10, dtype=torch.long), torch.arange(10).unsqueeze(0), torch.arange(9)).backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() > 0


def test_under_a_frozen_head_no_logits_are_kept(llama: LocalBackbone) -> None:
    body = load_body(llama, EXACT, language_model=True)
    model = body.language_model(body.module)
    body.module.get_submodule("norm").get_parameter("weight").requires_grad_()
    ids, kept = torch.zeros(2, 100, dtype=torch.long), list[torch.Tensor]()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.nll(ids, torch.arange(100).expand(2, 100), torch.arange(198))
    assert kept
    assert all(tensor.shape != (198, 384) for tensor in kept)


def test_a_gradient_that_was_computed_beside_the_loss_has_none_of_its_own() -> None:
    states = torch.randn(3, 4, requires_grad=True)
    head = Frozen(torch.randn(5, 4), None)
    loss = nll_beside_its_gradient(states, torch.tensor([0, 2, 4]), head, Language(), 2).square().sum()
    (gradient,) = torch.autograd.grad(loss, states, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        torch.autograd.backward(gradient.sum())


def test_a_chunk_has_as_many_rows_as_its_logits_allow(llama: LocalBackbone) -> None:
    body = load_body(llama, EXACT, language_model=True)
    model = body.language_model(body.module)
    for vocabulary, rows in ((384, 1024), (32_000, 262), (49_152, 170), (256_000, 64)):
        model.vocabulary = vocabulary
        assert model._rows("cpu") == rows


def test_a_frozen_head_is_rounded_once_for_all_chunks(llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    body = load_body(llama, replace(EXACT, precision="bf16"), language_model=True)
    monkeypatch.setattr(readers, "LOGITS", {"cpu": 384 * 64})
    heads: list[Any] = []
    chunk = LanguageModel._chunk

    def seen(self: LanguageModel, head: Any, *rest: torch.Tensor) -> torch.Tensor:
        heads.append(head)
        return chunk(self, head, *rest)

    monkeypatch.setattr(LanguageModel, "_chunk", seen)
    ids = torch.zeros(2, 100, dtype=torch.long)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        body.language_model(body.module).nll(ids, torch.arange(100).expand(2, 100), torch.arange(198))
    assert len(heads) == 4
    assert {id(head) for head in heads} == {id(heads[0])}
    assert heads[0].keywords["weight"].dtype == torch.bfloat16
