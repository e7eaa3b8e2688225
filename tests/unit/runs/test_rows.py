"""Saved predictions whose columns are not as their form writes them: refused by name, whoever has signed them again."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.answers import ANY_OF, BINARY, ONE_OF, SPANS, Answer
from chartune.answers.spans import ANNOTATED, tagged_documents
from chartune.metrics.tagging import Marked, TaggedWords
from chartune.runs.rows import flaw_of
from chartune.store import Store
from chartune.testing import past_runs as past
from chartune.testing.command_line import chartune
from chartune.testing.signing import sign_again

IDS = {"split": ["test", "test"], "subject_id": [1, 2], "hadm_id": [5, 6]}


def kept(form: Answer, labels: pl.Series, decided: Any) -> pl.DataFrame:
    return pl.DataFrame(IDS).with_columns(labels.alias("label"), *form.predicted(decided, None))


SOUND = {
    "binary": (BINARY, kept(BINARY, pl.Series([0, 1], dtype=pl.Int32), np.array([0.5, -1.0]))),
    "multiclass": (ONE_OF, kept(ONE_OF, pl.Series([0, 2]), np.zeros((2, 3)))),
    "multilabel": (ANY_OF, kept(ANY_OF, pl.Series([[], [0, 2]], dtype=pl.List(pl.Int64)), np.zeros((2, 3)))),
    "spans": (SPANS, kept(SPANS, pl.Series([[], [{"start": 0, "end": 2, "label": -1}]], dtype=pl.List(ANNOTATED)),
                          tagged_documents([TaggedWords((Marked(0, 2, 0, 0.5, True),)), TaggedWords(())]))),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_what_a_form_writes_has_no_flaw_and_lacks_no_column(name: str) -> None:
    form, frame = SOUND[name]
    assert flaw_of(frame, form) == ""
    assert flaw_of(frame.clear(), form) == ""
    for column in frame.columns:
        assert flaw_of(frame.drop(column), form) == f"column {column} is missing"


@pytest.mark.parametrize(("name", "change", "flaw"), [
    ("binary", pl.col("label").cast(pl.String), "column label must hold Int64, not String"),
    ("binary", pl.lit(0.5).alias("label"), "column label must hold Int64, not Float64"),
    ("binary", pl.lit(2).alias("label"), "column label must hold numbers from 0 to 1"),
    ("binary", pl.lit(None, dtype=pl.Int64).alias("label"), "column label has empty cells"),
    ("binary", pl.col("logit").cast(pl.String), "column logit must hold Float64, not String"),
    ("binary", pl.col("subject_id").cast(pl.String), "column subject_id must hold Int64, not String"),
    ("multiclass", pl.lit(3).alias("label"), "column label must hold numbers from 0 to 2"),
    ("multiclass", pl.lit(-1).alias("label"), "column label must hold numbers from 0 to 2"),
    ("multiclass", pl.col("logits").list.head(pl.col("hadm_id") - 4), "column logits has rows of several lengths"),
    ("multilabel", pl.Series("label", [[], ["a"]]), "column label must hold List(Int32), not List(String)"),
    ("multilabel", pl.Series("label", [[], [3]]), "column label must hold numbers from 0 to 2"),
    ("spans", pl.Series("label", [[1], [2]]), "column label must hold List"),
])  # fmt: skip
def test_columns_of_another_type_or_out_of_range_are_named(name: str, change: pl.Expr, flaw: str) -> None:
    form, frame = SOUND[name]
    assert flaw_of(frame.with_columns(change), form).startswith(flaw)


WRITTEN: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "labels in words": lambda frame: frame.with_columns(label=pl.lit("Zebulon died")),
    "no labels": lambda frame: frame.drop("label"),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_comparison_of_such_a_run_is_refused_with_the_remedy_and_quotes_no_cell(how: str, tmp_path: Path) -> None:
    store: Store = past.two_runs(tmp_path / "store")
    first = store.root / "runs" / past.LORA
    second = shutil.copytree(first, first.with_name(past.HEAD))
    sign_again(second)
    WRITTEN[how](pl.read_parquet(first / "predictions.parquet")).write_parquet(first / "predictions.parquet")
    sign_again(first)
    said = chartune("compare", first.name, second.name, "--store", store.root)
    assert said.code == 7
    assert f"{first / 'predictions.parquet'} is not (column label" in said.err
    assert "run its stage again" in said.err
    assert "Zebulon" not in said.err
    assert first.name in chartune("ls", "--json", "--store", store.root).out
