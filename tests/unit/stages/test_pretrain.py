"""Pretraining: validation stops it, the test patients measure it, and every predicted token weighs the same."""

import numpy as np
import pytest

from chartune.batches.pack import Blocks, pack
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.load import load_body
from chartune.prediction.predictions import total_nll
from chartune.runs.run import Run
from chartune.stages.pretrain import Pretrain, pretrain
from chartune.store import Store
from chartune.tasks.prepare import Preparation
from chartune.testing.raw_tables import RawHospital
from chartune.testing.twins import EXACT

WIDTH = 16
NOTES = {
    "train": [f"the patient was admitted with chest pain {n % 7} and fever" for n in range(9)],
    "validation": ["admitted with chest pain and fever", "the patient denies history of stroke", "fever"],
    "test": ["zebra xylophone quartz", "jazz quiz vex", "fjord gym wok", "pain", "unit of unit"],
}
"""What the test patients are written about is not what training teaches to read."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Preparation:
    """These radiology reports, each of a patient of its own."""
    raw, lists = RawHospital(), tmp_path_factory.mktemp("lists")
    for first, (split, texts) in zip((1, 101, 201), NOTES.items(), strict=True):
        ids = range(first, first + len(texts))
        (lists / f"{split}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
        for n, text in zip(ids, texts, strict=True):
            raw.patient(n)
            raw.admission(n, 1000 + n)
            raw.note(n, None, text, category="Radiology")
    return Preparation.parse({
        "source": {"kind": "mimic3", "folder": raw.write(tmp_path_factory.mktemp("raw"))},
        "splits": {"kind": "imported", "folder": lists}, "corpus": {"repeats": "kept"},
    })  # fmt: skip


@pytest.fixture(scope="module")
def adapted(asked: Preparation, llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A few steps, each over all that is learnt from, with an evaluation on the validation split after each."""
    return pretrain(stage(asked, llama), Store(tmp_path_factory.mktemp("store")).open())


def stage(asked: Preparation, base: LocalBackbone, steps: int = 6) -> Pretrain:
    return Pretrain.parse({
        "data": asked, "backbone": Backbone(name=str(base.folder)), "max_seq_len": WIDTH,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "method": {"kind": "lora", "rank": 2, "dropout": 0.0, "targets": "all-linear"},
        "optimisation": {"learning_rate": 0.01, "batch_size": 99, "duration": {"value": steps, "unit": "steps"}},
        "stopping": {"evaluations_per_epoch": 1, "patience": 99},
    })  # fmt: skip


def blocks(base: LocalBackbone, split: str) -> Blocks:
    tokenizer = load_tokenizer(base)
    return pack(encode(NOTES[split], tokenizer, None, special=False), tokenizer, WIDTH)


def untrained(base: LocalBackbone, split: str) -> tuple[float, int]:
    """Nats per predicted token of the base model as it is, and how many tokens are predicted."""
    body = load_body(base, EXACT, language_model=True)
    assert body.lm_head is not None
    nats, tokens = total_nll(body.language_model(body.module), blocks(base, split), "fp32")
    return nats / tokens, tokens


def test_the_weights_that_are_kept_are_those_that_read_the_validation_part_best(adapted: Run) -> None:
    looks = [event.value for event in adapted.events() if event.name == "perplexity" and event.split == "validation"]
    validation, test = (adapted.scores[split]["perplexity"].value for split in ("validation", "test"))
    assert len(set(looks)) == 6
    assert validation == pytest.approx(min(looks), rel=1e-6)
    assert abs(test - validation) > 1


def test_before_and_after_are_measured_on_the_test_patients(adapted: Run, llama: LocalBackbone) -> None:
    before, after = (adapted.scores["test"][name] for name in ("perplexity_before", "perplexity"))
    (expected, tokens), (other, _) = untrained(llama, "test"), untrained(llama, "validation")
    assert abs(np.exp(expected) - np.exp(other)) > 1
    assert before.value == pytest.approx(np.exp(expected), rel=1e-5)
    assert before.n == after.n == tokens == adapted.scores["test"]["unigram_perplexity"].n


def test_the_loss_is_the_mean_over_predicted_tokens_and_not_over_blocks(adapted: Run, llama: LocalBackbone) -> None:
    counts = blocks(llama, "train").predicted_tokens
    assert counts.min() < counts.max()
    first = next(event.value for event in adapted.events() if event.name == "loss")
    assert first == pytest.approx(untrained(llama, "train")[0], rel=1e-5)
