"""Pretraining: validation stops it, the test patients measure it, and every predicted token weighs the same."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.batches.pack import Blocks, pack
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.errors import ConfigError, DataError, RunError
from chartune.metrics.perplexity import mean_of_batches
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.load import load_body
from chartune.prediction.predictions import token_nll, total_nll
from chartune.runs.run import Run
from chartune.stages import pretrain as module
from chartune.stages.perplexity import Measurement, Texts
from chartune.stages.pretrain import Pretrain, cutting_of, parts_of, pretrain, texts_of
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing import past_runs
from chartune.testing.plain import typed
from chartune.testing.short_texts import reports
from chartune.testing.twins import EXACT
from chartune.train.training import Training

WIDTH = 16
NOTES = {
    "train": [f"the patient was admitted with chest pain {n % 7} and fever" for n in range(9)],
    "validation": ["admitted with chest pain and fever", "the patient denies history of stroke", "fever"],
    "test": ["zebra xylophone quartz", "jazz quiz vex", "fjord gym wok", "pain", "unit of unit"],
}
GENERAL = ["the quick brown fox", "jumps over a lazy dog, and then rests"]
"""What the test patients are written about is not what training teaches to read."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Preparation:
    return reports(NOTES, tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def adapted(asked: Preparation, llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A few steps, each over all that is learnt from, with an evaluation on the validation split after each."""
    english = tmp_path_factory.mktemp("english")
    for number, text in enumerate(GENERAL):
        (english / f"{number}.txt").write_text(text)
    return pretrain(stage(asked, llama, general=english), Store(tmp_path_factory.mktemp("store")).open())


def stage(asked: Preparation, base: LocalBackbone, steps: int = 6, general: Path | None = None) -> Pretrain:
    return Pretrain.parse({
        "data": asked, "backbone": Backbone(name=str(base.folder)), "max_seq_len": WIDTH,
        "numerics": {"precision": "fp32", "attention": "eager", "compile": "off"},
        "method": {"kind": "lora", "rank": 2, "dropout": 0.0, "targets": "all-linear"},
        "optimisation": {"learning_rate": 0.01, "batch_size": 99, "duration": {"value": steps, "unit": "steps"},
                         "micro_batch_tokens": 3 * WIDTH},
        "stopping": {"evaluations_per_epoch": 1, "patience": 99}, "train_blocks": 3,
        "general_text": general, "general_blocks": 2,
    })  # fmt: skip


def blocks(base: LocalBackbone, split: str) -> Blocks:
    tokenizer, texts = load_tokenizer(base), GENERAL if split == "general" else NOTES[split]
    return pack(encode(texts, tokenizer, None, special=False, count_bytes=True), tokenizer, WIDTH)


def untrained(base: LocalBackbone, split: str) -> tuple[float, int]:
    """Nats per predicted token of the base model as it is, and how many tokens are predicted."""
    body = load_body(base, EXACT, language_model=True)
    assert body.lm_head is not None
    nats, tokens = total_nll(body.language_model(body.module), blocks(base, split), EXACT)
    return nats / tokens, tokens


def test_the_weights_that_are_kept_are_those_that_read_the_validation_part_best(adapted: Run) -> None:
    looks = [event.value for event in adapted.events() if event.name == "perplexity" and event.split == "validation"]
    validation, test = (adapted.scores[split]["perplexity"].value for split in ("validation", "test"))
    assert len(set(looks)) == 6
    assert validation == pytest.approx(min(looks), rel=1e-6)
    assert abs(test - validation) > 1


def test_what_is_chosen_in_place_of_a_rule_is_recorded(adapted: Run) -> None:
    assert adapted.about.micro_batch_tokens == 3 * WIDTH
    assert adapted.environment["compiled"] is False
    assert adapted.environment["precision_reason"].endswith("; read merged; not compiled: chosen in the config")


def test_so_many_validation_blocks_are_watched_as_are_asked_for(
    asked: Preparation, llama: LocalBackbone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[int] = []

    def look(model: object, blocks: Blocks, numerics: object) -> None:
        watched.append(len(blocks))

    def evaluated(training: Training) -> None:
        training.evaluate()
        raise RunError("enough was seen")

    monkeypatch.setattr(module, "lm_evaluation", look)
    monkeypatch.setattr(module, "fit", evaluated)
    for count, expected in ((1, 1), (99, len(blocks(llama, "validation")))):
        with pytest.raises(RunError, match="enough was seen"):
            pretrain(stage(asked, llama).model_copy(update={"validation_blocks": count}), store)
        assert watched.pop() == expected
    assert len(blocks(llama, "validation")) > 1


def test_before_and_after_are_measured_on_the_test_patients(adapted: Run, llama: LocalBackbone) -> None:
    before, after = (adapted.scores["test"][name] for name in ("perplexity_before", "perplexity"))
    (expected, tokens), (other, _) = untrained(llama, "test"), untrained(llama, "validation")
    assert abs(np.exp(expected) - np.exp(other)) > 1
    assert before.value == pytest.approx(np.exp(expected), rel=1e-5)
    assert before.n == after.n == tokens == adapted.scores["test"]["unigram_perplexity"].n


def test_the_unigram_perplexity_is_by_the_frequencies_of_training_tokens(adapted: Run, llama: LocalBackbone) -> None:
    counts = np.bincount(blocks(llama, "train").targets(), minlength=llama.config["vocab_size"]) + 1
    nats = np.log(counts.sum() / counts[blocks(llama, "test").targets()])
    assert adapted.scores["test"]["unigram_perplexity"].value == pytest.approx(np.exp(nats.mean()))


def test_the_loss_is_the_mean_over_predicted_tokens_and_not_over_blocks(adapted: Run, llama: LocalBackbone) -> None:
    counts = blocks(llama, "train").predicted_tokens
    assert counts.min() < counts.max()
    first = next(event.value for event in adapted.events() if event.name == "loss")
    assert first == pytest.approx(untrained(llama, "train")[0], rel=1e-5)


def test_the_interval_is_that_of_patients_whose_sums_are_kept(adapted: Run, llama: LocalBackbone) -> None:
    rows = adapted.nll()
    assert rows is not None
    held, test = blocks(llama, "test"), rows.filter(pl.col("split") == "test")
    assert test["subject_id"].to_list() == [201 + place for place in range(5)]
    assert test["tokens"].to_list() == np.bincount(held.target_documents()).tolist()
    assert test["bytes"].to_list() == np.bincount(held.target_documents(), held.target_bytes()).tolist()
    after, ratio, bits = (adapted.scores["test"][name] for name in ("perplexity", "perplexity_ratio", "bits_per_byte"))
    assert after.n == test["tokens"].sum()
    assert after.value == pytest.approx(np.exp(test["after"].to_numpy().sum() / after.n), rel=1e-12)
    each = np.exp(test["after"].to_numpy() / test["tokens"].to_numpy())
    assert after.low is not None
    assert after.high is not None
    assert each.min() <= after.low < after.value < after.high <= each.max()
    assert ratio.value == pytest.approx(after.value / adapted.scores["test"]["perplexity_before"].value, rel=1e-9)
    assert bits.value == pytest.approx(np.log2(after.value) * after.n / test["bytes"].to_numpy().sum(), rel=1e-9)
    assert set(rows["split"]) == {"train", "validation", "test"}


def test_train_perplexity_is_of_a_sample_of_what_was_learnt(adapted: Run, llama: LocalBackbone) -> None:
    train = adapted.scores["train"]
    assert train["perplexity"].n == blocks(llama, "train").some(3).predicted_tokens.sum()
    assert train["perplexity"].value < adapted.scores["test"]["perplexity"].value


def test_general_text_is_read_before_and_after(adapted: Run, llama: LocalBackbone) -> None:
    general, sample = adapted.scores["general"], blocks(llama, "general").some(2)
    model = load_body(llama, EXACT, language_model=True)
    nats = token_nll(model.language_model(model.module), sample, EXACT)
    assert general["perplexity_before"].value == pytest.approx(np.exp(nats.mean()), rel=1e-5)
    assert general["perplexity"].value != general["perplexity_before"].value
    assert general["bits_per_byte_before"].value == pytest.approx(
        nats.sum() / np.log(2) / sample.target_bytes().sum(), rel=1e-5
    )


def test_a_placebo_learns_from_general_text_for_as_many_tokens(
    asked: Preparation, adapted: Run, llama: LocalBackbone, tmp_path: Path
) -> None:
    english = tmp_path / "english.txt"
    english.write_text(" ".join(GENERAL * 4))
    notes = stage(asked, llama, general=english)
    placebo = Pretrain.parse({**notes.model_dump(), "text": "general"})
    store = Store(tmp_path / "store").open()
    run = pretrain(placebo, store)
    assert (run.about.text, adapted.about.text) == ("general", None)
    assert run.cost.tokens == adapted.cost.tokens
    assert run.scores["test"]["perplexity_before"] == adapted.scores["test"]["perplexity_before"]
    data, cutting = prepare(asked, store), cutting_of(placebo, llama)
    read, usual = (texts_of(each, data, cutting, store) for each in (placebo, notes))
    learnt, held, every = read["train"].blocks, read["general"].blocks, usual["general"].blocks
    assert (len(learnt), len(held), len(every)) == (len(usual["train"].blocks), 1, len(every))
    assert learnt.ids.tolist() == [every.ids[n % (len(every) - 1)].tolist() for n in range(len(learnt))]
    assert held.ids.tolist() == every.ids[-1:].tolist()
    looks = [e.value for e in run.events() if e.name == "perplexity" and e.split == "validation"]
    assert min(looks) == pytest.approx(run.scores["general"]["perplexity"].value, rel=1e-5)
    assert "text" not in notes.hashable()
    assert "A placebo: weights on" in (run.path / "MODEL_CARD.md").read_text()
    with pytest.raises(ConfigError, match="`general_text` must name some"):
        Pretrain.parse({**notes.model_dump(), "text": "general", "general_text": None})
    english.write_text("fox")
    with pytest.raises(DataError, match="two blocks, one of them held out"):
        pretrain(placebo, store)


def test_general_text_counts_by_its_content(asked: Preparation, llama: LocalBackbone, tmp_path: Path) -> None:
    def named(path: Path | None) -> dict[str, Any]:
        return parts_of(stage(asked, llama, general=path), llama, EXACT)

    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / f"{name}.txt").write_text(text)
    first, same, other = (named(tmp_path / f"{name}.txt") for name in "abc")
    assert first == same != other
    assert "general" not in named(None)
    plain = Pretrain.parse({"data": asked, "backbone": {"name": "small-llama"}}).hashable()
    assert not {"general_text", "general_blocks", "train_blocks"} & set(plain)


def test_as_published_stands_beside_where_the_data_follow_the_papers_code(adapted: Run) -> None:
    """Of one batch, as here, it is the same number; of training it is that of the last batch alone."""
    for name in ("perplexity", "perplexity_before"):
        published = adapted.scores["test"][f"paper_{name}"]
        assert published.value == pytest.approx(adapted.scores["test"][name].value, rel=1e-9)
        assert (published.low, published.high) == (None, None)
    loss = [event.value for event in adapted.events("loss")][-1]
    assert adapted.scores["train"]["paper_perplexity"].value == pytest.approx(np.exp(loss))
    assert "paper_perplexity" in adapted.scores["validation"]
    assert "paper_perplexity" not in adapted.scores["general"]
    assert not typed(past_runs.dataset("mimic3")).as_coded


def test_as_published_batches_weigh_alike(llama: LocalBackbone) -> None:
    held = Texts(blocks(llama, "test"), np.arange(5))
    nats = np.random.default_rng(1).random(len(held.blocks.targets()))
    for batch_size in (None, 2):
        measured = Measurement({"test": held, "general": held}, EXACT, batch_size)
        for part in measured.scored:
            measured.add(part, "after", nats)
        scores, _ = measured.scores()
        assert "paper_perplexity" not in scores["general"]
        assert ("paper_perplexity" in scores["test"]) == bool(batch_size)
    expected = mean_of_batches(nats, held.blocks.predicted_tokens, 2)
    assert scores["test"]["paper_perplexity"].value == expected
    assert abs(expected - scores["test"]["perplexity"].value) > 1e-4
