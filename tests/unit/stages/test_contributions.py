"""What each layer does to the logits is the difference that its absence makes, on eight training texts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from chartune.adapters.adapter import read_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.prefix import Prefix
from chartune.adapters.prompt import Prompt
from chartune.adapters.stack import AnyLayer, Attached, Fresh, Frozen, Stack, attach
from chartune.batches.collate import Examples
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.models.backbone import LocalBackbone
from chartune.models.heads import Head
from chartune.models.load import load_body
from chartune.models.readers import Classifier
from chartune.prediction.predictions import logits_of
from chartune.quantities import Duration
from chartune.stages.assembly import Model
from chartune.stages.contributions import contributions, probe_of
from chartune.testing.adapted import kept, shaken
from chartune.testing.twins import EXACT, WORDS
from chartune.train.optimizer import Optimisation, Stopping


def examples(base: LocalBackbone, count: int) -> Examples:
    words = WORDS.split()
    texts = [" ".join(words[n % 5 : n % 5 + 4]) for n in range(count)]
    ones = np.ones(count, dtype=np.float32)
    return Examples(encode(texts, load_tokenizer(base), 12), np.arange(count) % 2, ones, 0)


def model(base: LocalBackbone, folder: Path, *layers: AnyLayer) -> Model:
    body = load_body(base, EXACT)
    adapters = [read_adapter(folder) if isinstance(layer, Frozen) else None for layer in layers]
    attached: Attached = shaken(attach(Stack(layers=layers), body.module, adapters, seed=1))
    head = Head().build(body.hidden_size, np.zeros(2, dtype=np.float32), 0)
    torch.nn.init.normal_(head.linear.weight, generator=torch.Generator().manual_seed(1))
    return Model(body, attached, Classifier(attached.module, head, "mean"))


@pytest.mark.parametrize("method", [LoRA(rank=2), Prefix(tokens=2), Prompt(tokens=2)], ids=lambda each: each.kind)
def test_a_contribution_is_what_is_missing_without_the_layer(
    method: Method, bert: LocalBackbone, tmp_path: Path
) -> None:
    kept(tmp_path, bert, LoRA(rank=2))
    train = examples(bert, 15)
    below, above, unused = Frozen(adapter="x"), Fresh(method=method), Fresh(active=False)
    whole, alone = model(bert, tmp_path, below, above, unused), model(bert, tmp_path, below)
    first, second, none = contributions(whole, train, EXACT)
    places = np.arange(0, 15, 2)

    def logits(of: Model) -> np.ndarray:
        assert isinstance(of.reader, Classifier)
        return logits_of(of.reader, train, EXACT)[places]

    assert second == pytest.approx(float(np.abs(logits(whole) - logits(alone)).mean()), rel=1e-4)
    assert (first or 0.0) > 1e-4
    assert none is None
    whole.attached.must_hold()


def test_the_probe_takes_no_more_than_its_share_of_the_training(llama: LocalBackbone, tmp_path: Path) -> None:
    kept(tmp_path, llama, LoRA(rank=2))
    made, train = model(llama, tmp_path, Frozen(adapter="x"), Fresh(method=LoRA(rank=2))), examples(llama, 160)
    choice = Optimisation(batch_size=16, duration=Duration.epochs(1))
    probe = probe_of(choice, Stopping(evaluations_per_epoch=1), made, train, EXACT)
    assert probe is not None
    assert probe.every == 30  # 8 texts, three times, beside 10 steps of 16 texts, three times: 5 % at each evaluation
    assert 0.02 * probe.every * 16 * 3 >= 8 * 3
    assert list(probe.measure()) == ["contribution of layer 1", "contribution of layer 2"]
    still = model(llama, tmp_path, Frozen(adapter="x"))
    assert probe_of(choice, Stopping(), still, train, EXACT) is None
