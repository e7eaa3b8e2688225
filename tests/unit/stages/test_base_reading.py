"""The base model alone reads scored texts once for all runs of a store, and never another base, text or numerics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chartune.stages.base_reading as module
from chartune.batches.pack import Blocks, pack
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.errors import StoreError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.models.readers import LanguageModel
from chartune.prediction.predictions import token_nll
from chartune.stages.base_reading import SHELF, base_nll
from chartune.store import Store

EXACT = resolve(Numerics(precision="fp32", attention="eager", compile="off"), 12)
TEXTS = ["the patient was admitted with chest pain", "cough and fever", "she was given aspirin and went home"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Blocks]:
    """What a model has read."""
    seen: list[Blocks] = []

    def watched(model: LanguageModel, blocks: Blocks, numerics: Resolved) -> Any:
        seen.append(blocks)
        return token_nll(model, blocks, numerics)

    monkeypatch.setattr(module, "token_nll", watched)
    return seen


@pytest.fixture(scope="module")
def model(llama: LocalBackbone) -> LanguageModel:
    body = load_body(llama, EXACT, language_model=True)
    return body.language_model(body.module)


def packed(base: LocalBackbone, texts: list[str] = TEXTS) -> Blocks:
    tokenizer = load_tokenizer(base)
    return pack(encode(texts, tokenizer, None, special=False), tokenizer, 12)


def test_a_second_run_reads_nothing(
    reads: list[Blocks], model: LanguageModel, llama: LocalBackbone, store: Store
) -> None:
    blocks = packed(llama)
    first, again = (base_nll(model, blocks, llama, EXACT, store) for _ in range(2))
    assert len(reads) == 1
    assert np.array_equal(first, token_nll(model, blocks, EXACT))
    assert np.array_equal(first, again)


def test_what_would_give_other_nats_is_read_anew(
    reads: list[Blocks], model: LanguageModel, llama: LocalBackbone, store: Store
) -> None:
    blocks, predicts = packed(llama), packed(llama).predicts.copy()
    predicts[0, np.flatnonzero(predicts[0])[0]] = False
    others = (
        (packed(llama, TEXTS[::-1]), llama, EXACT),
        (replace(blocks, predicts=predicts), llama, EXACT),
        (replace(blocks, positions=np.zeros_like(blocks.positions)), llama, EXACT),
        (blocks, replace(llama, content_hash="0" * 64), EXACT),
        (blocks, llama, replace(EXACT, attention="sdpa")),
    )
    for number, (read, base, numerics) in enumerate([(blocks, llama, EXACT), *others], start=1):
        base_nll(model, read, base, numerics, store)
        assert len(reads) == number


def test_a_damaged_reading_is_refused(model: LanguageModel, llama: LocalBackbone, store: Store) -> None:
    base_nll(model, packed(llama), llama, EXACT, store)
    file = store.artefacts(SHELF)[0].path / module.FILE
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))
    with pytest.raises(StoreError, match=r"damaged|changed"):
        base_nll(model, packed(llama), llama, EXACT, store)
