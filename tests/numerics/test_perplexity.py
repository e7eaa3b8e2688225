"""Perplexity: the same negative log-likelihood as transformers' own loss, every predicted token weighing the same."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM

from chartune.batches.budgets import READ
from chartune.batches.pack import Blocks, pack
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel
from chartune.prediction.predictions import total_nll
from chartune.stages.base import lm_evaluation
from chartune.testing.twins import EXACT

LONG = "the patient was admitted with chest pain and fever after a fall"
SHORT = "denies stroke"
WIDTH = 160


def reader(backbone: LocalBackbone, attention: str = "eager") -> LanguageModel:
    assert attention in ("eager", "sdpa")
    resolved = Resolved("cpu", "fp32", "sdpa" if attention == "sdpa" else "eager", "a test")
    body = load_body(backbone, resolved, language_model=True)
    assert body.lm_head is not None
    return body.language_model(body.module)


def blocks(backbone: LocalBackbone, *texts: str, width: int = WIDTH) -> Blocks:
    tokenizer = load_tokenizer(backbone)
    return pack(encode(texts, tokenizer, None, special=False), tokenizer, width)


def tokens(backbone: LocalBackbone, text: str) -> list[int]:
    tokenizer = load_tokenizer(backbone)
    inner = tokenizer(text, add_special_tokens=False)["input_ids"]
    return [tokenizer.bos_token_id, *inner, tokenizer.eos_token_id]


def theirs(backbone: LocalBackbone, text: str) -> tuple[float, int]:
    """Summed nats of one document alone, and its predicted tokens, by transformers' own loss (a mean)."""
    model = AutoModelForCausalLM.from_pretrained(backbone.folder, dtype=torch.float32).eval()
    ids = torch.tensor([tokens(backbone, text)])
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=ids).loss)
    return loss * (ids.shape[1] - 1), ids.shape[1] - 1


@pytest.mark.parametrize("text", [LONG, SHORT])
def test_one_document_costs_what_transformers_says(llama: LocalBackbone, text: str) -> None:
    nats, count = total_nll(reader(llama), blocks(llama, text), EXACT)
    expected, predicted = theirs(llama, text)
    assert count == predicted
    assert nats == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_documents_in_one_block_cost_what_they_cost_alone(llama: LocalBackbone, attention: str) -> None:
    packed = blocks(llama, LONG, SHORT, SHORT)
    assert len(packed) == 1
    nats, count = total_nll(reader(llama, attention), packed, EXACT)
    alone = [theirs(llama, text) for text in (LONG, SHORT, SHORT)]
    assert count == sum(predicted for _, predicted in alone)
    assert nats == pytest.approx(sum(cost for cost, _ in alone), rel=1e-5)


def test_the_mean_is_over_tokens_and_not_over_documents(llama: LocalBackbone) -> None:
    packed = blocks(llama, LONG, SHORT)
    alone = [theirs(llama, text) for text in (LONG, SHORT)]
    by_token = sum(cost for cost, _ in alone) / sum(count for _, count in alone)
    by_document = float(np.mean([cost / count for cost, count in alone]))
    found = lm_evaluation(reader(llama), packed, EXACT)
    assert abs(by_token - by_document) > 1e-4
    assert found.values["nll"] == pytest.approx(by_token, rel=1e-5)
    assert found.values["perplexity"] == pytest.approx(np.exp(by_token), rel=1e-5)
    assert found.score == -found.values["nll"]


def test_what_stands_after_a_cut_is_read_without_what_stood_before(llama: LocalBackbone) -> None:
    packed = blocks(llama, LONG, width=8)
    ids = tokens(llama, LONG)
    assert len(packed) == -(-len(ids) // 8)
    model = AutoModelForCausalLM.from_pretrained(llama.folder, dtype=torch.float32).eval()

    def cost(piece: list[int]) -> float:
        if len(piece) < 2:
            return 0.0
        with torch.no_grad():
            return float(model(input_ids=torch.tensor([piece]), labels=torch.tensor([piece])).loss) * (len(piece) - 1)

    nats, _ = total_nll(reader(llama), packed, EXACT)
    assert nats == pytest.approx(sum(cost(ids[start : start + 8]) for start in range(0, len(ids), 8)), rel=1e-5)


def test_how_blocks_are_batched_does_not_change_the_sum(llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, model = blocks(llama, *[LONG] * 9, width=24), reader(llama)
    whole = total_nll(model, packed, EXACT)
    monkeypatch.setitem(READ, "fp32", 24)
    single = total_nll(model, packed, EXACT)
    assert whole[1] == single[1]
    assert whole[0] == pytest.approx(single[0], rel=1e-6)


def test_no_padding_is_ever_a_target(llama: LocalBackbone) -> None:
    packed = blocks(llama, SHORT)
    targets: NDArray[np.int32] = packed.targets()
    assert targets.tolist() == tokens(llama, SHORT)[1:]
