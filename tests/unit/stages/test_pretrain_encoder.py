"""Pretraining an encoder: it guesses masked tokens with its own head, and its adapter is a layer as any other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForMaskedLM

from chartune.adapters.adapter import read_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.stack import Fresh, Frozen, Stack, attach
from chartune.batches.masking import Masker, Masking
from chartune.batches.pack import Blocks, rows
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.errors import AdapterError, ConfigError
from chartune.log import EventLog
from chartune.models.backbone import Backbone, LocalBackbone, inspect
from chartune.models.load import load_body, must_be_language_model
from chartune.planning.plan import plan
from chartune.prediction.predictions import token_nll
from chartune.quantities import Duration
from chartune.report.adaptation import kinds
from chartune.report.variants import numbered
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.base import lm_evaluation, lm_objective
from chartune.stages.exporting import export
from chartune.stages.pretrain import Pretrain, cutting_of, pretrain
from chartune.stages.texts import corpus_texts
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.short_texts import reports
from chartune.testing.support import TRIED, called
from chartune.testing.twins import EXACT, make_twin, twin
from chartune.train.checkpoint import trainable
from chartune.train.loop import fit
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.training import Training

WIDTH = 16
NOTES = {
    "train": [f"the patient was admitted with chest pain {n % 7} and fever to unit after a fall" for n in range(9)],
    "validation": ["admitted with chest pain and fever", "the patient denies history of stroke"],
    "test": ["zebra xylophone quartz", "jazz quiz vex", "pain on stairs", "fjord gym wok and a long history of pain"],
}


@pytest.fixture(scope="module")
def base(twins: Path) -> LocalBackbone:
    return twin(twins, "bert", masked=True)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Preparation:
    return reports(NOTES, tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("lists"))


def stage(asked: Preparation, base: LocalBackbone, **further: Any) -> Pretrain:
    return Pretrain.parse({
        "data": asked, "backbone": Backbone(name=str(base.folder)), "max_seq_len": WIDTH, "seed": 3,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "method": {"kind": "lora", "rank": 2, "dropout": 0.0, "targets": "all-linear"},
        "optimisation": {"learning_rate": 0.02, "batch_size": 8, "duration": {"value": 12, "unit": "steps"}},
        "stopping": {"evaluations_per_epoch": 1, "patience": 99}, "train_blocks": 3, **further,
    })  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store")).open()


@pytest.fixture(scope="module")
def adapted(asked: Preparation, base: LocalBackbone, place: Store) -> Run:
    return pretrain(stage(asked, base), place)


def read(base: LocalBackbone, texts: list[str]) -> Blocks:
    tokenizer = load_tokenizer(base)
    return rows(encode(texts, tokenizer, None, special=False), tokenizer, WIDTH)


def masker(base: LocalBackbone) -> Masker:
    return Masker.of(load_tokenizer(base), Masking(), base.name)


def stock_perplexity(folder: Path, held: Blocks) -> float:
    """Of masked tokens by transformers' own model."""
    assert held.shown is not None
    seen = torch.from_numpy((held.positions == np.arange(WIDTH)).astype(np.int64))
    labels = torch.from_numpy(np.where(held.predicts, held.ids, -100)).long()
    stock = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        loss = stock(input_ids=torch.from_numpy(held.shown).long(), attention_mask=seen, labels=labels).loss
    return float(loss.exp())


def test_the_score_is_that_of_transformers_own_model_under_a_mask_that_no_seed_moves(
    adapted: Run, base: LocalBackbone
) -> None:
    held = masker(base).evaluated(read(base, NOTES["test"]))
    before = adapted.scores["test"]["masked_lm_perplexity_before"]
    assert before.value == pytest.approx(stock_perplexity(base.folder, held), rel=1e-5)
    assert before.n == int(held.predicts.sum())


def test_what_an_encoder_guesses_has_names_of_its_own_and_no_bits_per_byte(adapted: Run) -> None:
    assert set(adapted.scores["test"]) == {
        "masked_lm_perplexity_before", "masked_lm_perplexity", "masked_lm_perplexity_ratio",
        "masked_lm_unigram_perplexity",
    }  # fmt: skip
    assert set(adapted.scores["train"]) == {"masked_lm_perplexity"}  # no published formula
    assert (adapted.headline.metric, adapted.headline.worded) == ("masked_lm_perplexity", "masked-LM perplexity")
    watched = [event.value for event in adapted.events("masked_lm_perplexity", "validation")]
    assert adapted.scores["validation"]["masked_lm_perplexity"].value == pytest.approx(min(watched), rel=1e-6)
    assert not adapted.events("perplexity")
    assert min(watched) < watched[0]
    rows = adapted.nll()
    assert rows is not None
    assert rows["bytes"].null_count() == len(rows)


def test_its_adapter_is_a_layer_on_the_headless_body_that_fine_tuning_reads(adapted: Run, base: LocalBackbone) -> None:
    adapter = read_adapter(adapted.path / "adapter")
    adapter.must_fit(base)
    bodies = [load_body(base, EXACT, language_model=whole).module.eval() for whole in (True, False)]
    ids = torch.tensor([[5, 9, 60, 31]])
    states: list[Tensor] = []
    for body in bodies:
        untrained = body(input_ids=ids).last_hidden_state
        attach(Stack(layers=(Frozen(adapter=str(adapter.folder)), Fresh())), body, [adapter, None], 0)
        states.append(body(input_ids=ids).last_hidden_state)
        assert not torch.equal(untrained, states[-1])
    assert torch.equal(*states)


class PowerError(Exception):
    """Stands for a power cut."""


def trained(base: LocalBackbone, folder: Path, fail_at: int | None = None) -> dict[str, Tensor]:
    """The weights after six steps over three epochs; broken off in a step, or taken up again."""
    folder.mkdir(exist_ok=True)
    body = load_body(base, EXACT, language_model=True)
    attach(Stack(layers=(Fresh(method=LoRA(rank=2, dropout=0.1)),)), body.module, [None], 0)
    model, train = body.language_model(body.module), read(base, NOTES["train"])
    objective, calls = lm_objective(model, train, masker(base), 3), []

    def batch(which: np.ndarray, step: int) -> dict[str, Tensor]:
        calls.append(step)
        if fail_at is not None and step >= fail_at:
            raise PowerError
        return objective.batch(which, step)

    held = masker(base).evaluated(read(base, NOTES["validation"]))
    choice = Optimisation(learning_rate=0.01, batch_size=9, duration=Duration.steps(6))
    fit(Training(
        replace(objective, batch=batch), choice, Stopping(evaluations_per_epoch=1, patience=99), 3, "fp32",
        folder / "checkpoints", EventLog(folder / "events.jsonl"), lambda: lm_evaluation(model, held, EXACT),
        checkpoint_seconds=0.0, budget=1024,
    ))  # fmt: skip
    return trainable(model)


def test_taken_up_again_it_masks_as_if_nobody_had_disturbed_it(base: LocalBackbone, tmp_path: Path) -> None:
    whole = trained(base, tmp_path / "whole")
    with pytest.raises(PowerError):
        trained(base, tmp_path / "broken", fail_at=4)
    again = trained(base, tmp_path / "broken")
    assert whole
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_batch_of_other_texts_moves_no_guess(base: LocalBackbone) -> None:
    """A row each: what stands beside a text is not seen, however both ways an encoder reads."""
    body = load_body(base, EXACT, language_model=True)
    model = body.language_model(body.module)
    made = masker(base).evaluated(read(base, NOTES["test"]))
    alone = token_nll(model, made.chosen(np.array([1])), EXACT)
    together = token_nll(model, made, EXACT)
    first = int(made.predicted_tokens[0])
    assert together[first : first + len(alone)] == pytest.approx(alone, abs=1e-6)


def test_a_plan_counts_its_rows_and_its_head(asked: Preparation, base: LocalBackbone, place: Store) -> None:
    data, wanted = prepare(asked, place), stage(asked, base)
    train = corpus_texts(data, cutting_of(wanted, base), place)["train"].blocks
    planned = plan(wanted, place, exact=True)
    assert planned.workload.examples == pytest.approx(len(train), rel=0.15)
    assert planned.workload.epoch_tokens == pytest.approx(int(train.lengths.sum()), rel=0.15)
    body = load_body(base, EXACT, language_model=True)
    assert planned.parts[0].parameters == sum(p.numel() for p in body.language_model(body.module).parameters())


@pytest.mark.slow
def test_a_fully_tuned_encoder_keeps_its_head_and_is_a_base_that_can_be_pretrained_again(
    asked: Preparation, base: LocalBackbone, place: Store
) -> None:
    full = stage(asked, base, method={"kind": "full"})
    tuned = pretrain(full, place)
    model = tuned.path / "model"
    found = inspect(model, name="again", licence="none", exposure="none")
    must_be_language_model(found)
    held = masker(found).evaluated(read(found, NOTES["test"]))
    body = load_body(found, EXACT, language_model=True)
    nats = token_nll(body.language_model(body.module), held, EXACT)
    assert tuned.scores["test"]["masked_lm_perplexity"].value == pytest.approx(float(np.exp(nats.mean())), rel=1e-5)
    first, second = (load_file(place.folder / "model.safetensors") for place in (base, found))
    assert not torch.equal(first["cls.predictions.transform.dense.weight"],
                           second["cls.predictions.transform.dense.weight"])  # fmt: skip


def headless(twins: Path, place: Path) -> LocalBackbone:
    """A BERT whose head was lost but for its bias."""
    make_twin("bert", place, masked=True)
    file = place / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if "transform" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    return inspect(place, name="without a head", licence="none", exposure="none")


def test_what_cannot_guess_is_refused_with_what_is_missing(twins: Path, bert: LocalBackbone, tmp_path: Path) -> None:
    for found in (bert, headless(twins, tmp_path / "headless")):
        with pytest.raises(
            AdapterError, match=r"lacks \d of its weights, the first is cls\.predictions\..*such as bert-b"
        ):
            must_be_language_model(found)
    with pytest.raises(AdapterError, match="transformers has neither of tiny-xlnet, which reads both ways"):
        must_be_language_model(twin(twins, "xlnet"))


def test_masks_are_refused_for_a_decoder_and_rows_without_room(
    asked: Preparation, base: LocalBackbone, llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"`masking` is for encoders.*tiny-llama is a decoder \(llama\)"):
        stage(asked, llama, masking={"rate": 0.2}).must_suit(llama)
    stage(asked, llama).must_suit(llama)
    stage(asked, base, masking={"rate": 0.2}).must_suit(base)
    monkeypatch.setattr("chartune.stages.cutting.around", lambda tokenizer: ([0], [1]))  # as BERT's own tokenizer
    with pytest.raises(ConfigError, match=r"leave room for text beside the 2 special tokens.*but got 2; use"):
        stage(asked, base, max_seq_len=2).must_suit(base)


def test_no_table_mixes_masked_tokens_with_next_ones(adapted: Run) -> None:
    (variant,) = numbered([adapted], "P")
    causal = replace(variant, runs=(replace(adapted),))
    causal.runs[0].__dict__["about"] = adapted.about.model_copy(update={"masking": None})
    assert [[v.masked for v in those] for those in kinds([variant, causal])] == [[False], [True]]


@pytest.mark.slow
@pytest.mark.parametrize("method", TRIED, ids=called)
def test_every_method_that_an_encoder_takes_learns_to_guess(base: LocalBackbone, method: Method) -> None:
    body = load_body(base, EXACT, language_model=True)
    attached = attach(Stack(layers=(Fresh(method=method),)), body.module, [None], 0, lambda _: [5, 6])
    model, train = body.language_model(body.module), read(base, NOTES["train"])
    batch = masker(base).trained(train, 3, np.arange(4), 0)
    loss = model(**batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert any(p.grad is not None and bool(p.grad.any()) for p in attached.module.parameters() if p.requires_grad)
    assert len(model.nll(**batch)) == Masking().guessed(train)[:4].sum()


@pytest.mark.slow
def test_scored_later_or_exported_it_guesses_as_it_did(
    asked: Preparation, base: LocalBackbone, adapted: Run, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store").open()
    first, later = run(stage(asked, base, scores_test=False), store), run(stage(asked, base), store)
    assert "test" not in first.scores
    assert later.about.trained_in == first.fingerprint
    assert later.scores["test"] == adapted.scores["test"]
    folder = export(adapted, store, tmp_path / "out", merged=True)
    held = masker(base).evaluated(read(base, NOTES["test"]))
    after = adapted.scores["test"]["masked_lm_perplexity"]
    assert after.value == pytest.approx(stock_perplexity(folder / "model", held), rel=1e-4)
    assert "AutoModelForMaskedLM" in (folder / "MODEL_CARD.md").read_text()
