"""A decoder that reads both ways: later tokens count, padding does not, and without the switch nothing changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.p_tuning import PTuning
from chartune.adapters.prefix import Prefix
from chartune.adapters.prompt import Prompt
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.errors import AdapterError
from chartune.models.backbone import LocalBackbone
from chartune.models.bidirectional import must_heed_a_full_mask
from chartune.models.families import Pooling
from chartune.models.heads import Head
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier
from chartune.testing.twins import DECODERS, EXACT, twin

TEXT = torch.tensor([[5, 9, 3, 8, 6]])
OTHER = torch.tensor([[5, 9, 3, 8, 7]])


def reader(base: LocalBackbone, *, bidirectional: bool, pooling: Pooling = "first", numerics: Resolved = EXACT,
           methods: tuple[Method, ...] = ()) -> Classifier:  # fmt: skip
    body = load_body(base, numerics)
    module = attach(
        Stack(layers=tuple(Fresh(method=method) for method in methods)), body.module, [None] * len(methods), 0
    )
    head = Head().build(body.hidden_size, np.zeros(2, dtype=np.float32), 0)
    return Classifier(module.module, head, pooling, bidirectional=bidirectional).eval()


def read(model: Classifier, ids: Tensor, padding: int = 0) -> Tensor:
    mask = torch.ones_like(ids)
    if padding:
        ids = torch.cat([ids, torch.full((1, padding), 4)], dim=1)
        mask = torch.cat([mask, torch.zeros(1, padding, dtype=torch.long)], dim=1)
    with torch.no_grad():
        return model.pooled(ids, mask)


@pytest.mark.parametrize("model_type", [
    pytest.param(name, marks=[] if name in ("llama", "gpt2", "opt", "falcon") else pytest.mark.slow)
    for name in DECODERS
])  # fmt: skip
def test_a_later_token_changes_an_earlier_state_with_the_switch_alone(twins: Path, model_type: str) -> None:
    base = twin(twins, model_type)
    plain, both = (reader(base, bidirectional=way) for way in (False, True))
    must_heed_a_full_mask(both.body, base.name)
    assert torch.equal(read(plain, TEXT), read(plain, OTHER))
    assert (read(both, TEXT) - read(both, OTHER)).abs().max() > 1e-6
    assert torch.allclose(read(both, TEXT), read(both, TEXT, padding=3), atol=2e-6)


def test_with_the_switch_off_a_reader_is_what_it_was(llama: LocalBackbone) -> None:
    model = reader(llama, bidirectional=False, pooling="last")
    with torch.no_grad():
        stock = model.body(input_ids=TEXT, attention_mask=torch.ones_like(TEXT)).last_hidden_state[:, -1]
    assert torch.equal(read(model, TEXT), stock)
    assert not torch.equal(read(reader(llama, bidirectional=True, pooling="last"), TEXT), stock)


@pytest.mark.parametrize("method", [LoRA(rank=2), Prefix(tokens=2), Prompt(tokens=2), PTuning(tokens=2)],
                         ids=lambda method: str(method.kind))  # fmt: skip
def test_layers_stand_on_it(llama: LocalBackbone, method: Method) -> None:
    model = reader(llama, bidirectional=True, methods=(method,))
    assert (read(model, TEXT) - read(model, OTHER)).abs().max() > 1e-6
    assert torch.allclose(read(model, TEXT), read(model, TEXT, padding=4), atol=2e-6)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_in_two_bytes_and_with_fused_attention_it_reads_alike(llama: LocalBackbone, attention: Any) -> None:
    exact = read(reader(llama, bidirectional=True), TEXT, padding=2)
    model = reader(llama, bidirectional=True, numerics=Resolved("cpu", "bf16", attention, "a test"))
    with torch.autocast("cpu", torch.bfloat16):
        near = read(model, TEXT, padding=2)
    assert torch.allclose(near, exact, atol=0.05, rtol=0.05)


def test_a_gradient_flows_from_the_first_state_to_the_last_token(llama: LocalBackbone) -> None:
    model = reader(llama, bidirectional=True)
    words = model.body.get_input_embeddings().weight  # type: ignore[operator]
    words.requires_grad_()
    model.pooled(TEXT, torch.ones_like(TEXT)).sum().backward()  # type: ignore[no-untyped-call]
    assert words.grad[TEXT[0, -1]].abs().max() > 0


def test_a_decoder_that_heeds_no_such_mask_is_refused(llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    body = load_body(llama, EXACT).module
    forward = type(body).forward
    monkeypatch.setattr(type(body), "forward", lambda self, attention_mask=None, **given: forward(self, **given))
    with pytest.raises(AdapterError, match="but tiny-llama does not"):
        must_heed_a_full_mask(body, llama.name)
