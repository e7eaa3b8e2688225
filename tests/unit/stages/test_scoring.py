"""Scoring: arrays of a task, and what a run keeps of them, for one of two, one of several and many labels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from chartune.answers import ENOUGH_CASES
from chartune.errors import LabelError
from chartune.log import Meter
from chartune.stages.scoring import score, write_predictions
from chartune.stages.table import TaskTable, read_table
from chartune.stages.tfidf import _decided, _regressions
from chartune.store import Store
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepare import Preparation, prepare


def table(space: LabelSpace, labels: Sequence[object], dtype: pl.DataType) -> TaskTable:
    count = len(labels)
    splits = (["train"] * (count // 2) + ["validation"] * (count // 4) + ["test"] * count)[:count]
    frame = pl.DataFrame({"hadm_id": range(count), "subject_id": range(count), "split": splits, "text": [""] * count})
    return TaskTable(frame.with_columns(pl.Series("label", labels, dtype=dtype)), "asked", space)


def many(count: int = 120) -> TaskTable:
    """Three labels: one of every second row, one of every third, one that training has nine times."""
    labels = [[i for i, every in enumerate((2, 3, 7)) if n % every == 0] for n in range(count)]
    space = LabelSpace("multilabel", ("a", "b", "c"), ("Alpha", "Beta", "Gamma"))
    return table(space, list(labels), pl.List(pl.Int32()))


def test_many_labels_become_a_matrix_and_a_head_as_wide() -> None:
    rows = many()
    assert rows.outputs == 3
    assert rows.labels("train").shape == (60, 3)
    assert rows.labels("train")[:4].tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert rows.cases("train").tolist() == [30, 20, 9]
    assert rows.counted().tolist() == [True, True, False]
    assert ENOUGH_CASES == 10


def test_the_training_rows_decide_which_labels_are_scored() -> None:
    labels: list[object] = [[0] if n % 6 == 0 else [] for n in range(120)]
    rows = table(LabelSpace("multilabel", ("a",), ("a",)), labels, pl.List(pl.Int32()))
    assert (rows.cases("train").tolist(), rows.cases("validation").tolist()) == ([10], [5])
    assert rows.counted().tolist() == [True]


def test_a_row_of_a_table_of_ones_own_is_called_a_row(tmp_path: Path) -> None:
    own = pl.DataFrame({"subject_id": range(60), "text": "seen in clinic", "label": [n % 2 for n in range(60)]})
    own.write_csv(tmp_path / "own.csv")
    data = prepare(Preparation.parse({"source": {"kind": "tabular", "file": tmp_path / "own.csv"},
                                      "held_out_copies": "kept"}), Store(tmp_path / "store"))  # fmt: skip
    assert read_table(data, "").unit == "rows"


def test_which_labels_count_is_for_the_training_part_to_say() -> None:
    training, validation = [[0]] * 12 + [[1]] * 3 + [[]] * 45, [[0]] * 2 + [[1]] * 20 + [[]] * 8
    space = LabelSpace("multilabel", ("a", "b"), ("a", "b"))
    rows = table(space, training + validation + [[1]] * 30, pl.List(pl.Int32()))
    assert (rows.cases("train").tolist(), rows.cases("validation").tolist()) == ([12, 3], [2, 20])
    assert rows.counted().tolist() == [True, False]


def test_a_head_begins_at_the_label_frequencies() -> None:
    logits = many().prior_logits()
    assert 1 / (1 + np.exp(-logits)) == pytest.approx([30.5 / 61, 20.5 / 61, 9.5 / 61])


def test_macro_auroc_is_the_mean_over_labels_with_enough_cases(tmp_path: Path) -> None:
    rows = many()
    logits = {s: np.random.default_rng(0).normal(size=(len(rows.rows(s)), 3)) for s in ("validation", "test")}
    scores = score(rows, logits, tmp_path, words={})
    truth = rows.labels("test")
    by_hand = np.mean([roc_auc_score(truth[:, i], logits["test"][:, i]) for i in (0, 1)])
    assert scores["test"]["auroc"].value == pytest.approx(by_hand)
    assert scores["test"]["labels_scored"].value == 2
    assert rows.form.quick(truth, logits["test"], rows.counted())["auroc"] == pytest.approx(by_hand)
    each = pl.read_parquet(tmp_path / "per_label.parquet")
    assert each["label"].to_list() == ["a", "b", "c"]
    assert each["title"].to_list() == ["Alpha", "Beta", "Gamma"]
    assert each["train_cases"].to_list() == [30, 20, 9]
    assert each["auroc"][2] == pytest.approx(roc_auc_score(truth[:, 2], logits["test"][:, 2]))


def test_one_of_several_is_scored_one_against_the_rest(tmp_path: Path) -> None:
    space = LabelSpace("multiclass", ("a", "b", "c"), ("a", "b", "c"))
    rows = table(space, [n % 3 for n in range(120)], pl.Int64())
    logits = np.random.default_rng(1).normal(size=(len(rows.rows("test")), 3)).astype(np.float32)
    decided = rows.form.decide(logits)
    scores = score(rows, {"test": decided}, tmp_path, words={})
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = roc_auc_score(rows.labels("test"), chance, multi_class="ovr")
    assert scores["test"]["auroc"].value == pytest.approx(expected, abs=1e-6)
    assert rows.form.quick(rows.labels("test"), decided, rows.counted())["auroc"] == pytest.approx(expected, abs=1e-6)


def test_one_of_two_is_the_difference_of_two_logits() -> None:
    rows = table(LabelSpace("binary", ("no", "yes"), ("no", "yes")), [n % 2 for n in range(40)], pl.Int64())
    assert rows.form.decide(np.array([[1.0, 3.0], [2.0, 0.5]], dtype=np.float32)).tolist() == [2.0, -1.5]


def test_predictions_hold_ids_labels_and_logits(tmp_path: Path) -> None:
    rows = many()
    write_predictions(tmp_path, rows, {"test": np.zeros((len(rows.rows("test")), 3))})
    kept = pl.read_parquet(tmp_path / "predictions.parquet")
    assert kept.columns == ["split", "subject_id", "hadm_id", "label", "logits"]
    assert kept.schema["logits"] == pl.List(pl.Float32)
    assert kept["label"].to_list() == rows.frame.filter(split="test")["label"].to_list()


def test_a_split_without_both_classes_is_refused_with_counts_and_a_way_out() -> None:
    space = LabelSpace("binary", ("no", "yes"), ("no", "yes"))
    one_sided = table(space, [1] + [0] * 29 + [1] * 10, pl.Int64())
    with pytest.raises(LabelError, match=r"validation has 0 positives among 10\+ admissions; .*data\.splits\.salt=…"):
        one_sided.must_be_learnable()
    with pytest.raises(LabelError, match=r"needs rows with and without the outcome .* among 10\+ rows;"):
        replace(one_sided, unit="rows").must_be_learnable()
    with pytest.raises(LabelError, match="validation has 0 positives among <10 admissions;"):
        table(space, [1] + [0] * 20 + [1] * 8, pl.Int64()).must_be_learnable()
    three = LabelSpace("multiclass", ("a", "b", "c"), ("a", "b", "c"))
    with pytest.raises(
        LabelError, match=r"admissions of two classes or more .* validation has 10\+ admissions \(3 labels\)"
    ):
        table(three, [n % 3 for n in range(20)] + [0] * 10 + [1] * 10, pl.Int64()).must_be_learnable()
    nothing = table(LabelSpace("multilabel", (), ()), [[] for _ in range(40)], pl.List(pl.Int32()))
    with pytest.raises(LabelError, match="0 labels"):
        nothing.must_be_learnable()


@pytest.mark.parametrize("labels", [(), ("1",)])
def test_a_column_with_one_label_is_told_as_such(labels: tuple[str, ...]) -> None:
    rows = table(LabelSpace("binary", labels, labels), [0] * 40, pl.Int64())
    with pytest.raises(LabelError, match=rf"2 labels or more, .* have {len(labels)}; .*data\.source\.label=…"):
        rows.must_be_learnable()


def test_words_answer_where_one_column_tells_all(tmp_path: Path) -> None:
    """One label of a multilabel task, two classes of a multiclass one: scikit-learn gives one column for both."""
    for space, labels, dtype, width in (
        (LabelSpace("multilabel", ("a",), ("a",)), [[0] if n % 2 else [] for n in range(120)], pl.List(pl.Int32()), 1),
        (LabelSpace("multiclass", ("a", "b"), ("a", "b")), [n % 2 for n in range(120)], pl.Int64(), 2),
    ):
        rows = table(space, labels, dtype)
        x = np.random.default_rng(0).normal(size=(60, 3))
        x[:, 0] += [n % 2 for n in range(60)]
        learnt = _regressions(rows, x, np.arange(rows.outputs), 1.0, Meter())
        decided = _decided(rows, learnt, {"test": np.eye(3)[[0] * len(rows.rows("test"))]})["test"]
        assert decided.shape == (len(rows.rows("test")), width)
        assert (decided[:, -1] > (decided[:, 0] if width == 2 else 0)).all()
        scores = score(rows, {"test": decided}, tmp_path, words={})
        assert scores["test"]["auroc"].value == pytest.approx(0.5)


def test_labels_without_enough_training_cases_are_refused_before_training() -> None:
    space = LabelSpace("multilabel", ("a", "b"), ("a", "b"))
    rare = table(space, [[0] if n % 20 == 0 else [] for n in range(120)], pl.List(pl.Int32()))
    with pytest.raises(LabelError, match="2 labels, 0 of them with 10 training cases"):
        rare.must_be_learnable()
