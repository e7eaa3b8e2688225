"""TF-IDF: what is chosen is chosen on the validation split."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.sources.mimic3 import Mimic3
from chartune.stages.model_length import ModelLength, beginnings
from chartune.stages.stage import Outcome, Work
from chartune.stages.table import TaskTable
from chartune.stages.term_weights import VOCABULARY
from chartune.stages.tfidf import Tfidf, _fit, _sample
from chartune.store import Store
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepare import Preparation

DATA = Preparation(source=Mimic3(folder=Path("raw")))
WORDS = np.array([f"word{n}" for n in range(33)])


def table() -> TaskTable:
    """Noisy texts of 60 training and 30 validation rows; the test part has those of validation, told the other way."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 90)
    texts = [" ".join(rng.choice(WORDS[3 * y :][:30], 6)) for y in labels]
    rows = {
        "hadm_id": range(120), "subject_id": range(120), "split": ["train"] * 60 + ["validation"] * 30 + ["test"] * 30,
        "text": texts + texts[60:], "label": [*labels.tolist(), *(1 - labels[60:]).tolist()],
    }  # fmt: skip
    return TaskTable(pl.DataFrame(rows), "asked", LabelSpace("binary", ("no", "yes"), ("no", "yes")))


def fitted(store: Store, strengths: tuple[float, ...]) -> Outcome:
    folder = store.partial("runs", "-".join(map(str, strengths)))
    return _fit(Tfidf(data=DATA, strengths=strengths), table(), Work(store, folder, "0" * 16))


def test_the_penalty_that_validation_prefers_is_chosen_though_the_test_part_prefers_another(store: Store) -> None:
    alone = {strength: fitted(store, (strength,)).scores["validation"]["auroc"].value for strength in (0.01, 100.0)}
    assert abs(alone[0.01] - alone[100.0]) > 0.01  # and on the test part it is as much the other way round
    chosen = fitted(store, (0.01, 100.0)).scores
    assert chosen["validation"]["auroc"].value == max(alone.values())
    assert chosen["test"]["auroc"].value == pytest.approx(1 - max(alone.values()))


def of_many(labels: int = 12) -> TaskTable:
    """60 training, 30 validation and 30 test rows; label k goes with word k, the rarer the higher its number."""
    rng = np.random.default_rng(1)
    truth = rng.random((120, labels)) < np.linspace(0.8, 0.25, labels)
    truth[60:90, 0] = False
    texts = [" ".join([*WORDS[:labels][row], *rng.choice(WORDS, 6)]) for row in truth]
    rows = pl.DataFrame(
        {"hadm_id": range(120), "subject_id": range(120),
         "split": ["train"] * 60 + ["validation"] * 30 + ["test"] * 30, "text": texts,
         "label": [np.flatnonzero(row).tolist() for row in truth]},
        schema_overrides={"label": pl.List(pl.Int32)},
    )  # fmt: skip
    names = tuple(WORDS[:labels].tolist())
    return TaskTable(rows, "asked", LabelSpace("multilabel", names, names))


def test_of_many_labels_the_penalty_is_chosen_on_some_that_validation_can_score(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = of_many()
    assert _sample(table).tolist() == list(range(12))
    monkeypatch.setattr("chartune.stages.tfidf.SAMPLE", 4)
    some = _sample(table)
    assert len(some) == 4
    frequencies = table.cases("train")
    assert frequencies[0] == frequencies.max()
    assert 0 not in some  # no validation text has it
    assert {frequencies[some].max(), frequencies[some].min()} == {frequencies[1:].max(), frequencies[1:].min()}
    scores, chosen = {}, {}
    for strengths in ((1e-4,), (100.0,), (1e-4, 100.0)):
        folder = store.partial("runs", "-".join(map(str, strengths)))
        outcome = _fit(Tfidf(data=DATA, strengths=strengths), table, Work(store, folder, "0" * 16))
        scores[strengths], chosen[strengths] = outcome.scores, outcome.facts["strength"]
        assert scores[strengths]["test"]["labels_scored"].value == 12  # all are fitted, whatever was tried on some
    better = max((1e-4,), (100.0,), key=lambda strengths: scores[strengths]["validation"]["auroc"].value)
    assert scores[1e-4, 100.0] == scores[better]
    assert (chosen[1e-4,], chosen[100.0,], chosen[1e-4, 100.0]) == (1e-4, 100.0, *better)


@pytest.mark.parametrize("strengths", [[], [1.0, 0.0], [-1.0]])
def test_a_penalty_that_is_none_is_refused(strengths: list[float]) -> None:
    with pytest.raises(ConfigError, match="strengths"):
        Tfidf.parse({"data": {"source": {"kind": "tabular", "file": "notes.csv"}}, "strengths": strengths})


def test_words_that_only_held_out_texts_have_are_not_learnt(store: Store) -> None:
    rows = table()
    asked = _fit(Tfidf(data=DATA, strengths=(1.0,)), rows, Work(store, store.partial("runs", "as it is"), "0" * 16))
    foreign = pl.when(pl.col("split") == "train").then("text").otherwise(pl.col("text") + " seldom heard words")
    longer = replace(rows, frame=rows.frame.with_columns(text=foreign))
    again = _fit(Tfidf(data=DATA, strengths=(1.0,)), longer, Work(store, store.partial("runs", "longer"), "0" * 16))
    assert again.trainable_parameters == asked.trainable_parameters  # a weight for each phrase
    predictions = [
        pl.read_parquet(store.partial("runs", name) / "predictions.parquet") for name in ("as it is", "longer")
    ]
    assert predictions[0]["logit"].to_list() == pytest.approx(predictions[1]["logit"].to_list(), rel=1e-12)


def test_each_held_out_text_keeps_its_own_prediction(store: Store) -> None:
    """The test part has the texts of validation from the last to the first."""
    frame = table().frame
    held = pl.concat([frame[:90], frame[90:].with_columns(text=frame["text"][60:90].reverse())])
    folder = store.partial("runs", "turned")
    _fit(Tfidf(data=DATA, strengths=(1.0,)), replace(table(), frame=held), Work(store, folder, "0" * 16))
    predictions = pl.read_parquet(folder / "predictions.parquet").sort("hadm_id")
    assert predictions["logit"][:30].n_unique() > 20
    assert predictions["logit"][30:].to_list() == pytest.approx(
        predictions["logit"][:30].reverse().to_list(), rel=1e-12
    )


@pytest.mark.parametrize("classes", [("a", "b", "c"), ("a", "b")])
def test_a_class_without_a_training_case_keeps_its_prior_and_everything_is_scored(
    store: Store, classes: tuple[str, ...]
) -> None:
    names = ("a", "never learnt", "b", "c")
    numbers = [names.index(name) for name in classes]
    train = [numbers[n % len(numbers)] for n in range(60)]
    held = [*(numbers[n % len(numbers)] for n in range(28)), 1, 1]
    rows = {
        "hadm_id": range(120), "subject_id": range(120), "split": ["train"] * 60 + ["validation"] * 30 + ["test"] * 30,
        "text": [f"word{label} and" for label in [*train, *held, *held]], "label": [*train, *held, *held],
    }  # fmt: skip
    asked = TaskTable(pl.DataFrame(rows), "asked", LabelSpace("multiclass", names, names))
    folder = store.partial("runs", "multiclass")
    outcome = _fit(Tfidf(data=DATA, strengths=(1.0,)), asked, Work(store, folder, "0" * 16))
    assert 0.5 < outcome.scores["test"]["auroc"].value < 1
    logits = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test")["logits"].to_list()
    odds = np.exp(np.asarray(logits))
    assert odds.shape == (30, 4)
    assert (odds[:, 1] < 0.02).all()
    right = odds[np.arange(28), held[:28]]
    assert (right == odds[:28].max(axis=1)).all()


def test_with_a_length_no_word_beyond_what_the_model_reads_has_a_weight(store: Store, bert: LocalBackbone) -> None:
    """The last word of each text tells the label, and lies beyond the model's limit."""
    telling = table().frame.with_columns(
        text=pl.col("text") + pl.when(pl.col("label") == 1).then(pl.lit(" yes")).otherwise(pl.lit(" no"))
    )
    rows = replace(table(), frame=telling)
    stages = {
        "whole": Tfidf(data=DATA),
        "cut": Tfidf(data=DATA, length=ModelLength(backbone=Backbone(name=str(bert.folder)), max_seq_len=12)),
    }
    scores, terms = {}, {}
    for name, stage in stages.items():
        folder = store.partial("runs", name)
        outcome = _fit(stage, rows, Work(store, folder, "0" * 16), bert if stage.length else None)
        scores[name] = outcome.scores["test"]["auroc"].value
        terms[name] = set(json.loads((folder / VOCABULARY).read_text())["terms"])
        assert outcome.facts["truncated_fraction"] == (1.0 if stage.length else 0.0)
    assert scores["cut"] < scores["whole"] - 0.1
    assert {"yes", "no"} <= terms["whole"]
    assert not {"yes", "no"} & terms["cut"]


def test_a_text_ends_with_the_last_word_that_was_read_whole() -> None:
    texts = ["one  two\nthree four", "one two", "", " one"]
    cut = np.array([True, False, False, True])
    assert beginnings(texts, np.array([2, 2, 0, 0], dtype=np.int32), cut) == ["one  two", "one two", "", ""]
