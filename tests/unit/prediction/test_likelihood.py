"""Likelihood of labels: equal to what transformers gives for each label behind its context, token by token."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.prediction import likelihood
from chartune.testing.twins import DECODERS, EXACT, twin

CONTEXTS = [np.array([3, 7, 9, 11, 5]), np.array([3, 8])]
LABELS = [[20], [21, 22], [21, 23, 24, 25], [30, 31]]
FEW = ("llama", "gpt2", "granite", "gemma3_text")


def direct(model: Any, context: list[int], label: list[int]) -> float:
    """Log p of a label behind a context, by transformers alone."""
    with torch.no_grad():
        logits = model(torch.tensor([[*context, *label]])).logits[0].double().log_softmax(-1)
    return float(sum(logits[len(context) - 1 + at, token] for at, token in enumerate(label)))


def asked(base: LocalBackbone, labels: list[list[int]] = LABELS) -> Any:
    body = load_body(base, EXACT, language_model=True)
    return likelihood.log_likelihoods(body.language_model(body.module), CONTEXTS, labels, EXACT)


@pytest.mark.parametrize(
    "family", [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in DECODERS if name not in FEW)]
)
def test_log_likelihoods_are_those_of_transformers(family: str, twins: Path) -> None:
    base = twin(twins, family)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, attn_implementation="eager").eval()
    expected = [[direct(model, context.tolist(), label) for label in LABELS] for context in CONTEXTS]
    np.testing.assert_allclose(asked(base), expected, rtol=1e-5, atol=1e-5)


def test_a_body_that_keeps_no_keys_reads_the_context_again(
    llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, behind = asked(llama), likelihood._behind

    def forgotten(body: Any, context: Tensor, given: Tensor, read: Any) -> Tensor:
        return behind(body, context, given, SimpleNamespace(past_key_values=None))

    monkeypatch.setattr(likelihood, "_behind", forgotten)
    np.testing.assert_allclose(asked(llama), kept, rtol=1e-5, atol=1e-5)


def test_many_labels_are_read_in_parts(llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = asked(llama)
    monkeypatch.setattr(likelihood, "AT_ONCE", 2)
    np.testing.assert_allclose(asked(llama), kept, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(asked(llama, LABELS[:1]), kept[:, :1], rtol=1e-5, atol=1e-5)
