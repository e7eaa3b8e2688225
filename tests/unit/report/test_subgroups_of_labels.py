"""Subgroups of tasks with classes or many labels: one set of labels for all groups, small ones hidden."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from chartune.answers import ANY_OF, ONE_OF, Answer
from chartune.metrics.auroc import auroc
from chartune.report import subgroups_of_labels
from chartune.report.subgroups_of_labels import label_subgroup_tables
from chartune.report.table import Table
from chartune.report.variants import Variant

ROWS, LABELS = 300, 4


def said(kind: str) -> pl.DataFrame:
    """Rows of 150 patients whose odds go with their labels; of the last two hundred rows the other way round."""
    dice = np.random.default_rng(7)
    own = dice.integers(0, LABELS, ROWS) if kind == "multiclass" else dice.random((ROWS, LABELS)) < 0.3
    borne = np.eye(LABELS)[own] if kind == "multiclass" else own
    sign = np.where(np.arange(ROWS) < 100, 1.0, -1.0)[:, None]
    logits = dice.normal(size=(ROWS, LABELS)) + sign * borne
    label = own.tolist() if kind == "multiclass" else [np.flatnonzero(row).tolist() for row in own]
    return pl.DataFrame({"subject_id": np.arange(ROWS) // 2, "hadm_id": np.arange(ROWS), "label": label,
                         "logits": logits.tolist()})  # fmt: skip


def variant(frame: pl.DataFrame) -> Variant:
    run: Any = SimpleNamespace(has_predictions=lambda: True, predictions=lambda _: frame, per_label=lambda: None)
    return cast(Variant, SimpleNamespace(label="1", name="a run", hidden=False, run=run))


def groups(third: int = 0) -> pl.DataFrame:
    """Two sexes, and three age bands the youngest of which has `third` rows."""
    n = np.arange(ROWS)
    return pl.DataFrame({
        "hadm_id": n, "sex": np.where(n < 100, "female", "male"),
        "age": np.where(n < third, "18 to 44", np.where(n < 150, "45 to 64", "65 to 79")),
        "race": None, "insurance": None, "years": None,
    })  # fmt: skip


def cells(table: Table) -> dict[tuple[str, str], tuple[str, str]]:
    return {(row[0].detail, row[0].text): (row[1].text, row[1].detail) for row in table.rows}


@pytest.mark.parametrize("form", [ANY_OF, ONE_OF], ids=lambda form: str(form.kind))
def test_each_group_is_scored_on_the_same_labels_with_the_gap_of_best_and_worst(form: Answer) -> None:
    frame = said(form.kind)
    ranked, calibrated = label_subgroup_tables(
        [variant(frame)], groups(), form, [str(n) for n in range(LABELS)], "Codes", open_data=True
    )
    scored = cells(ranked)
    labels, decided = form.read(frame)
    borne = form.borne(labels, decided)
    own = {sex: np.mean([auroc(borne[rows, k], form.ranked(decided)[rows, k]) for k in range(LABELS)])
           for sex, rows in (("female", slice(0, 100)), ("male", slice(100, ROWS)))}  # fmt: skip
    assert {sex: scored["sex", sex][0] for sex in own} == {sex: f"{value:.3f}" for sex, value in own.items()}
    assert scored["sex", "gap"][0] == f"{own['female'] - own['male']:.3f}"
    assert scored["sex", "gap"][1].endswith(f"worst: male\nover {LABELS} labels")
    p = form.probabilities(decided.astype(np.float64))
    off = (borne - p).mean(axis=1) if form.several else (p.argmax(axis=1) == labels) - p.max(axis=1)
    assert float(cells(calibrated)["sex", "male"][0].replace("−", "-")) == pytest.approx(off[100:].mean(), abs=5e-4)


def test_of_real_patients_a_group_without_enough_of_them_is_hidden_and_takes_no_label_away() -> None:
    frame = said("multilabel")
    names = [str(n) for n in range(LABELS)]
    shown = [cells(label_subgroup_tables([variant(frame)], groups(24), ANY_OF, names, "C", open_data=open_data)[0])
             for open_data in (True, False)]  # fmt: skip
    assert shown[0]["age band", "18 to 44"][0] not in ("too few to show", "not measured")
    assert shown[1]["age band", "18 to 44"] == ("too few to show", "")
    assert shown[1]["age band", "gap"][1].endswith(f"over {LABELS} labels")
    assert len(shown[1]["sex", "male"][0]) <= len(shown[0]["sex", "male"][0])


@pytest.mark.parametrize("common", [0, 100])
def test_a_label_that_is_rare_in_one_group_is_averaged_over_in_none(common: int) -> None:
    """Also where it is common among the others, from row 100 on."""
    frame = said("multilabel")
    kept = {3, 290} | set(range(common, ROWS) if common else ())
    rare = [[k for k in row if k != 0 or n in kept] for n, row in enumerate(frame["label"])]
    frame = frame.with_columns(label=pl.Series(rare, dtype=pl.List(pl.Int64)))
    table = label_subgroup_tables([variant(frame)], groups(), ANY_OF, ["0", "1", "2", "3"], "C", open_data=False)[0]
    assert cells(table)["sex", "gap"][1].endswith("over 3 labels")


def test_what_is_too_large_or_has_no_groups_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    one, names = [variant(said("multilabel"))], ["0", "1", "2", "3"]
    assert label_subgroup_tables(one, None, ANY_OF, names, "C", open_data=True) == ()
    bare = groups().with_columns(sex=None, age=None)
    assert label_subgroup_tables(one, bare, ANY_OF, names, "C", open_data=True) == ()
    monkeypatch.setattr(subgroups_of_labels, "LARGEST", ROWS * LABELS * 5 - 1)
    assert label_subgroup_tables(one, groups(), ANY_OF, names, "C", open_data=True) == ()
