"""Thin splits are reported for every kind of task, each in one line, and nothing is reported where all are thick."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.answers import answer_of
from chartune.errors import StoreError
from chartune.store import Artefact
from chartune.tasks.thin_splits import thin_splits
from chartune.testing.plain import typed

Rows = dict[str, Sequence[Any]]
"""Split → the labels of its examples."""


def warned(folder: Path, answer: str, labels: int, rows: Rows, *, made_up: bool = True) -> list[str]:
    """What is said of one task."""
    flat = [(split, label) for split, mine in rows.items() for label in mine]
    span = pl.Struct({"start": pl.Int32, "end": pl.Int32, "type": pl.String})
    kind = {"multilabel": pl.List(pl.Int32), "spans": pl.List(span)}.get(answer, pl.Int64())
    schema = {"split": pl.String(), answer_of(answer).label_column: kind}
    pl.DataFrame(flat, schema=schema, orient="row").write_parquet(folder / "asked.parquet")
    entry = {"answer": answer, "labels": [f"label {n}" for n in range(labels)]}
    dataset = {"source": {"kind": "made-up" if made_up else "mimic3"}, "tasks": {"asked": entry}}
    return thin_splits(Artefact("data", "0" * 16, folder), typed(dataset))


BOTH = [0, 1] * 10
"""Ten of either answer."""


@pytest.mark.parametrize("examples", [1, 2, 9])
def test_the_noun_beside_a_suppressed_count_is_plural(tmp_path: Path, examples: int) -> None:
    (line,) = warned(tmp_path, "binary", 2, {"train": BOTH, "validation": BOTH[:examples], "test": BOTH}, made_up=False)
    assert "validation has <10 examples" in line


def test_nothing_is_said_where_every_split_is_thick(tmp_path: Path) -> None:
    assert warned(tmp_path, "binary", 2, {"train": BOTH, "validation": BOTH, "test": BOTH}) == []
    three = [0, 1, 2] * 4
    assert warned(tmp_path, "multiclass", 3, {"train": three, "validation": three, "test": three}) == []
    many = [[0], [1], [0, 1]] * 10
    assert warned(tmp_path, "multilabel", 2, {"train": many, "validation": many, "test": many}) == []


@pytest.mark.parametrize(
    ("validation", "line"),
    [
        ([], "asked: validation has 0 examples."),
        ([1], "asked: validation has 1 example, 0 of them without the outcome."),
        ([0] * 40, "asked: validation has 40 examples, 0 of them with the outcome."),
        ([0] * 40 + [1] * 9, "asked: validation has 49 examples, 9 of them with the outcome."),
        ([0] * 3 + [1] * 40, "asked: validation has 43 examples, 3 of them without the outcome."),
    ],
)
def test_a_yes_or_no_task_needs_ten_of_either(tmp_path: Path, validation: list[int], line: str) -> None:
    assert warned(tmp_path, "binary", 2, {"train": BOTH, "validation": validation, "test": BOTH}) == [line]


@pytest.mark.parametrize("answer", ["binary", "multiclass"])
def test_a_table_of_one_class_has_nothing_to_learn(tmp_path: Path, answer: str) -> None:
    rows: Rows = {split: [0] * 30 for split in ("train", "validation", "test")}
    line = "asked: all training examples have one class, so that there is nothing to tell apart."
    assert warned(tmp_path, answer, 1, rows) == [line]


def test_small_counts_of_real_patients_are_not_told(tmp_path: Path) -> None:
    rows: Rows = {"train": BOTH, "validation": [0] * 40 + [1] * 9, "test": BOTH}
    assert warned(tmp_path, "binary", 2, rows, made_up=False) == [
        "asked: validation has 40+ examples, <10 of them with the outcome."
    ]


def test_an_answer_that_a_split_lacks_is_counted_and_not_named(tmp_path: Path) -> None:
    three, two = [0, 1, 2] * 10, [0, 1] * 10
    said = warned(tmp_path, "multiclass", 3, {"train": three, "validation": two, "test": two[:3]})
    assert said == [
        "asked: validation has 20 examples, none for 1 of the 3 answers; "
        "test has 3 examples, none for 1 of the 3 answers."
    ]


def test_of_many_labels_one_must_tell_examples_apart(tmp_path: Path) -> None:
    thick, everybody, rare = [[0], [1]] * 10, [[0]] * 20, [[2]] + [[]] * 19
    said = warned(tmp_path, "multilabel", 3, {"train": [*thick, [2]], "validation": everybody, "test": rare})
    assert said == [
        "asked: validation has 20 examples, and no label that could be scored; "
        "test has 20 examples, and no label that could be scored."
    ]
    (line,) = warned(tmp_path, "multilabel", 0, {"train": [[]] * 20})
    assert line == "asked: no label has 10 training cases, so that there is nothing to learn."


def test_spans_are_counted_by_their_texts_and_calibration_may_be_empty(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 4, "type": "label 1"}]
    rows: Rows = {"train": [spans] * 12, "validation": [spans] * 4, "test": [spans] * 12}
    assert warned(tmp_path, "spans", 2, rows) == ["asked: validation has 4 examples."]
    rows = {"train": [spans] * 12, "validation": [spans] * 12, "test": [[]] * 12}
    assert warned(tmp_path, "spans", 2, rows) == ["asked: test has 12 examples, and no annotated span."]
    line = "asked: no training document has an annotated span, so that there is nothing to learn."
    assert warned(tmp_path, "spans", 0, {"train": [[]] * 12}) == [line]
    rows = {"train": BOTH, "validation": BOTH, "calibration": BOTH[:2], "test": BOTH}
    assert warned(tmp_path, "binary", 2, rows) == ["asked: calibration has 2 examples, 1 of them without the outcome."]


def test_a_task_without_anybody_is_told_in_few_words(tmp_path: Path) -> None:
    (line,) = warned(tmp_path, "binary", 2, {})
    assert line == "asked: no split has an example."
    steps = [{"step": "adults", "why": "of age", "admissions": n, "notes": n} for n in (3, 0, 0)]
    steps[2]["step"] = "later"
    entries = {"tasks": {"asked": {"answer": "binary", "labels": ["a", "b"], "attrition": steps}}}
    corpus = {"attrition": [{"step": "has text", "why": "a note without words", "admissions": None, "notes": 0}]}
    assert thin_splits(Artefact("data", "0" * 16, tmp_path), typed(entries | {"corpus": corpus})) == [
        "asked: nobody is left by the filter `adults` (of age).",
        "corpus: nobody is left by the filter `has text` (a note without words).",
    ]


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    warned(tmp_path, "binary", 2, {"train": BOTH})
    (tmp_path / "asked.parquet").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"asked\.parquet"):
        thin_splits(
            Artefact("data", "0" * 16, tmp_path), typed({"tasks": {"asked": {"answer": "binary", "labels": []}}})
        )
