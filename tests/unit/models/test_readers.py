"""A language model's loss is computed in chunks of bounded size."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from chartune.models import readers
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.readers import LanguageModel
from chartune.testing.twins import EXACT


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_and_its_gradient_do_not_depend_on_how_many_logits_are_computed_at_a_time(
    llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    body = load_body(llama, replace(EXACT, precision=precision), language_model=True)  # type: ignore[arg-type]
    model = body.language_model(body.module)
    ids = torch.randint(3, 384, (2, 100), generator=torch.Generator().manual_seed(0))
    vector = body.module.get_submodule("norm").get_parameter("weight").requires_grad_()
    given = (ids, torch.arange(100).expand(2, 100), torch.arange(198))

    def run(logits: int) -> tuple[torch.Tensor, torch.Tensor]:
        monkeypatch.setattr(readers, "LOGITS", {"cpu": logits})
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model.nll(*given)
        return loss.detach(), torch.autograd.grad(loss.sum(), vector)[0]

    whole, chunks = run(2**23), run(384 * 70)
    monkeypatch.setattr(readers, "RECOMPUTE_ABOVE", 0)
    recomputed = run(384 * 70)
    for other in (chunks, recomputed):
        assert all(
            torch.allclose(a, b, rtol=2e-3 if precision == "bf16" else 1e-5) for a, b in zip(whole, other, strict=True)
        )


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
