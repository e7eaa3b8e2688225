"""Reading: scores stand in the order of the examples; too little memory makes batches smaller and changes no score."""

import numpy as np
import pytest
import torch
from torch import nn

from chartune.batches.collate import Examples
from chartune.batches.tokenize import Encoded
from chartune.errors import RunError
from chartune.models.backbone import LocalBackbone
from chartune.models.heads import Head
from chartune.models.load import load_body
from chartune.models.readers import Classifier, FeatureReader
from chartune.prediction.predictions import head_logits, pooled_vectors
from chartune.testing.twins import EXACT


def reader(bert: LocalBackbone) -> Classifier:
    body = load_body(bert, EXACT)
    return Classifier(body.module, Head().build(body.hidden_size, np.zeros(2, dtype=np.float32), 0), "mean")


def texts(encoded: Encoded) -> Examples:
    count = len(encoded)
    return Examples(encoded, np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.float32), 0)


@pytest.fixture
def examples(bert: LocalBackbone) -> Examples:
    from chartune.batches.tokenize import encode, load_tokenizer

    words = ["the", "patient", "was", "admitted", "with", "chest", "pain", "and", "fever"]
    return texts(encode([" ".join(words[: 1 + n % 7]) for n in range(20)], load_tokenizer(bert), 32))


def test_each_text_is_read_as_if_it_were_alone(bert: LocalBackbone, examples: Examples) -> None:
    model = reader(bert)
    together = pooled_vectors(model, examples, EXACT)
    for n in (0, 7, 19):
        alone = pooled_vectors(model, texts(examples.encoded.take(np.array([n]))), EXACT)
        np.testing.assert_allclose(together[n], alone[0], atol=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_refused_by_how_many_texts_have_them(
    bert: LocalBackbone, examples: Examples, value: float
) -> None:
    model = reader(bert)
    vectors = pooled_vectors(model, examples, EXACT)
    vectors[[3, 7], 0] = value
    with pytest.raises(RunError, match="those of 2 of 20 texts are not"):
        head_logits(FeatureReader(model.head), vectors)


def test_where_memory_runs_out_batches_are_halved_and_scores_stay(
    bert: LocalBackbone, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = reader(bert)
    expected = pooled_vectors(model, examples, EXACT)
    sizes: list[int] = []
    read = model.pooled

    def scarce(input_ids: torch.Tensor, attention_mask: torch.Tensor, body: nn.Module) -> torch.Tensor:
        sizes.append(len(input_ids))
        if len(input_ids) > 6:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return read(input_ids, attention_mask, body)

    monkeypatch.setattr(model, "pooled", scarce)
    np.testing.assert_allclose(pooled_vectors(model, examples, EXACT), expected, atol=1e-5)
    assert max(sizes) == 20
    assert sum(size for size in sizes if size <= 6) == 20


def test_a_text_that_does_not_fit_alone_is_told_and_other_errors_pass(
    bert: LocalBackbone, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = reader(bert)

    def never(**_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("can't allocate memory")

    def broken(**_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes disagree")

    monkeypatch.setattr(model, "pooled", never)
    with pytest.raises(RunError, match="one text must fit"):
        pooled_vectors(model, examples, EXACT)
    monkeypatch.setattr(model, "pooled", broken)
    with pytest.raises(RuntimeError, match="shapes disagree"):
        pooled_vectors(model, examples, EXACT)
