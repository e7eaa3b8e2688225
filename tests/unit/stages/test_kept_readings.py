"""What a model makes of texts before it learns is read once for all runs of a store, and never of another one."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import chartune.stages.kept_readings as module
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Stack, attach
from chartune.batches.collate import Examples
from chartune.batches.pack import Blocks, pack
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.errors import StoreError
from chartune.models.backbone import LocalBackbone
from chartune.models.heads import Head
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.models.readers import Classifier, LanguageModel
from chartune.prediction.predictions import pooled_vectors, token_nll
from chartune.stages.inputs import Inputs
from chartune.stages.kept_readings import SHELF, Initial, base_nll
from chartune.store import Store

EXACT = resolve(Numerics(precision="fp32", attention="eager", compile="off"), 12)
DATA = "d" * 16
TEXTS = ["the patient was admitted with chest pain", "cough and fever", "she was given aspirin and went home"]


def seen_by(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """What a function of the module is given to read, from now on."""
    real, seen = getattr(module, name), list[Any]()

    def watched(model: Any, part: Any, numerics: Resolved) -> Any:
        seen.append(part)
        return real(model, part, numerics)

    monkeypatch.setattr(module, name, watched)
    return seen


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Blocks]:
    return seen_by(monkeypatch, "token_nll")


@pytest.fixture
def texts_read(monkeypatch: pytest.MonkeyPatch) -> list[Examples]:
    return seen_by(monkeypatch, "pooled_vectors")


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
    first, again = (base_nll(model, blocks, llama, EXACT, store, DATA) for _ in range(2))
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
        base_nll(model, read, base, numerics, store, DATA)
        assert len(reads) == number


def test_a_damaged_reading_is_refused(model: LanguageModel, llama: LocalBackbone, store: Store) -> None:
    base_nll(model, packed(llama), llama, EXACT, store, DATA)
    file = store.artefacts(SHELF)[0].path / module.FILE
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))
    with pytest.raises(StoreError, match=r"damaged|changed"):
        base_nll(model, packed(llama), llama, EXACT, store, DATA)


@pytest.mark.parametrize("base", ["llama", "bert"])
@pytest.mark.parametrize("reading", ["as-trained", "merged"])
def test_a_layer_that_begins_as_nothing_leaves_every_bit(
    base: str, reading: Any, store: Store, request: pytest.FixtureRequest, texts_read: list[Examples]
) -> None:
    inputs = Inputs(request.getfixturevalue(base), (), replace(EXACT, reading=reading))
    alone, one, two = (start(inputs, store, *layers) for layers in ((), (LORA,), (LORA, {**LORA, "rank": 4})))
    vectors = [part.vectors(classifier(part), examples(inputs.base)) for part in (alone, one, two)]
    assert len(texts_read) == 1
    for part in (alone, one, two):
        assert np.array_equal(vectors[0], pooled_vectors(classifier(part), examples(inputs.base), inputs.resolved))
    assert all(np.array_equal(vectors[0], other) for other in vectors)


def test_layers_that_say_something_are_read_anew(
    llama: LocalBackbone, store: Store, texts_read: list[Examples]
) -> None:
    inputs = Inputs(llama, (), EXACT)
    moved = start(inputs, store, LORA)
    with torch.no_grad():
        next(p for name, p in moved.attached.module.named_parameters() if "lora_B" in name).fill_(0.5)
    moved.attached.states = ("trainable",)
    every = (
        start(inputs, store), moved, start(inputs, store, {"kind": "prompt", "tokens": 2}),
        start(inputs, store, {"kind": "prompt", "tokens": 2}, seed=1),
        start(inputs, store, {**LORA, "decomposed": True}),
    )  # fmt: skip
    for number, part in enumerate(every, start=1):
        part.vectors(classifier(part), examples(llama))
        assert len(texts_read) == number
    first = every[0]
    first.vectors(classifier(first, "first"), examples(llama))
    first.vectors(classifier(first), examples(llama, TEXTS[:2]))
    first.vectors(classifier(first), replace(examples(llama), window=4))
    first.vectors(classifier(first, windows="max"), replace(examples(llama), window=4))
    assert len(texts_read) == len(every) + 4
    attending = classifier(first, windows="attention")
    for _ in range(2):  # its weights of rows learn: nothing is kept
        first.vectors(attending, replace(examples(llama), window=4))
    assert len(texts_read) == len(every) + 6


def test_merged_layers_and_weights_that_all_learn_are_read_anew(
    llama: LocalBackbone, store: Store, texts_read: list[Examples]
) -> None:
    alone = start(Inputs(llama, (), EXACT), store)
    merged = Stack.parse({"layers": [{"kind": "merged", "adapter": "clinical"}]})
    bodies = [alone]
    for sha in ("1", "2"):
        adapter: Any = SimpleNamespace(sha256=sha, method=METHOD)
        attached = replace(alone.attached, stack=merged, methods=(METHOD,), states=("merged",))
        bodies.append(replace(alone, inputs=Inputs(llama, (adapter,), EXACT), attached=attached))
    full = Stack.parse({"layers": [{"kind": "fresh", "method": {"kind": "full"}}]})  # of a base in bf16 it reads fp32
    bodies.append(replace(alone, attached=replace(alone.attached, stack=full)))
    for number, part in enumerate(bodies, start=1):
        part.vectors(classifier(part), examples(llama))
        assert len(texts_read) == number


LORA: dict[str, Any] = {"kind": "lora", "rank": 2}
METHOD = LoRA(rank=2)


def start(inputs: Inputs, store: Store, *methods: dict[str, Any], seed: int = 0) -> Initial:
    """A base with fresh layers."""
    stack = Stack.parse({"layers": [{"kind": "fresh", "method": method} for method in methods]})
    body = load_body(inputs.base, inputs.resolved)
    return Initial(inputs, attach(stack, body.module, [None] * len(methods), seed), store, DATA)


def classifier(part: Initial, pooling: Any = "mean", windows: Any = "mean") -> Classifier:
    """With a head of two labels."""
    size = int(part.inputs.base.config["hidden_size"])
    head = Head().build(size, np.zeros(2, dtype=np.float32), 0, windows)
    return Classifier(part.attached.module, head, pooling)


def examples(base: LocalBackbone, texts: list[str] = TEXTS) -> Examples:
    """Texts that are only read."""
    encoded = encode(texts, load_tokenizer(base), 12)
    return Examples(encoded, np.zeros(len(texts), dtype=np.int64), np.ones(len(texts), dtype=np.float32), 0)
