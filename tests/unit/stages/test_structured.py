"""The structured baseline: features of training patients alone, sizes chosen on validation, no text."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.errors import DataError, RunError
from chartune.runner import run
from chartune.sources.mimic3 import Mimic3
from chartune.stages import structured as room
from chartune.stages.exporting import export
from chartune.stages.loading import load
from chartune.stages.stage import Work
from chartune.stages.structured import RARE, Structured
from chartune.stages.table import TaskTable
from chartune.store import Artefact, Store
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepare import Preparation
from chartune.testing.command_line import chartune
from chartune.testing.short_texts import short_texts

DATA = Preparation(source=Mimic3(folder=Path("raw")))
SPLITS = ["train"] * 60 + ["validation"] * 30 + ["test"] * 30
NOBODY = Artefact("data", "0" * 16, Path("nowhere"))


def known() -> pl.DataFrame:
    """Age says most of the outcome; `f` alone would say the contrary on the test split; a race of two patients."""
    rng = np.random.default_rng(2)
    return pl.DataFrame({
        "hadm_id": range(120), "age": rng.normal(60, 10, 120), "gender": ["f", "m"] * 60,
        "admission_type": [None] * 120, "insurance": [None] * 120, "language": [None] * 120,
        "race": ["rare"] * 2 + ["common"] * 118, "earlier_stays": [0, 1] * 60,
        "earlier": [["icd9:428"], []] * 55 + [["icd9:585"]] * 10,
    }, schema_overrides={"admission_type": pl.String, "insurance": pl.String, "language": pl.String})  # fmt: skip


def table(kind: str = "binary") -> TaskTable:
    old = (known()["age"] > 60).to_numpy().astype(np.int64)
    names = ("no", "yes", "perhaps") if kind == "multiclass" else ("no", "yes")
    label = pl.Series("label", [[0] if y else [0, 1] for y in old] if kind == "multilabel" else old)
    if kind == "multiclass":
        label = pl.Series("label", old + (np.arange(120) % 5 == 0) * old)
    rows = pl.DataFrame({"hadm_id": range(120), "subject_id": range(120), "split": SPLITS, "text": [""] * 120})
    return TaskTable(rows.with_columns(label), "asked", LabelSpace(kind, names, names))


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "from_raw" not in request.node.name:
        monkeypatch.setattr(room, "covariates_of", lambda *_: known())


def features(store: Store, **fields: Any) -> dict[str, Any]:
    return room._features(Structured(data=DATA, **fields), NOBODY, table(), store)


def test_categories_means_and_diagnoses_are_those_of_training_patients(store: Store) -> None:
    made = features(store)
    assert [part.shape for part in made.values()] == [(60, 10), (30, 10), (30, 10)]
    assert made["train"][:, 2].tolist() == [0.0] * 60  # no rare gender
    assert made["train"][:, 3:5].sum(axis=0).tolist() == [58, 2]  # a race of two patients is a rare one
    assert made["train"][:, 5].mean() == pytest.approx(0)
    assert made["train"][:, 5].std(ddof=1) == pytest.approx(1)
    assert made["test"][:, 5].mean() != pytest.approx(0)
    assert made["test"][:, 9:].sum(axis=1).max() == 1  # 585 has no training patient: it is no feature
    assert RARE not in ("f", "m")


@pytest.mark.parametrize("model", ["logistic", "boosting"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_every_form_of_answer_is_learnt_from_what_says_it(store: Store, model: Any, kind: str) -> None:
    stage = Structured(data=DATA, model=model, strengths=(1.0,), trees=(20,))
    folder = store.partial("runs", f"{model}-{kind}")
    outcome = room._fit(stage, NOBODY, table(kind), Work(store, folder, "0" * 16))
    assert outcome.scores["test"][table(kind).form.headline.metric].value > 0.8


def test_the_size_is_chosen_on_the_validation_split(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = table()
    ranked = {split: asked.labels(split) * 2.0 - 1 for split in ("validation", "test")}
    against = {"validation": -ranked["validation"], "test": ranked["test"]}
    given = {0.5: against, 5.0: {**ranked, "test": -ranked["test"]}}
    monkeypatch.setattr(room, "_decided", lambda stage, table, features, size: given[size])
    stage, folder = Structured(data=DATA, strengths=(0.5, 5.0)), store.partial("runs", "chosen")
    outcome = room._fit(stage, NOBODY, asked, Work(store, folder, "0" * 16))
    assert outcome.facts["strength"] == 5.0
    assert outcome.scores["test"]["auroc"].value == 0


def test_a_source_that_knows_nobody_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = known().with_columns(pl.lit(None).alias(name) for name in ("age", "gender", "race"))
    monkeypatch.setattr(room, "covariates_of", lambda *_: nothing)
    with pytest.raises(DataError, match="knows none of them"):
        features(store)


def test_from_raw_tables_a_run_is_found_again_and_scores_no_new_notes(tmp_path: Path) -> None:
    data, store = short_texts(tmp_path / "raw", tmp_path / "lists"), Store(tmp_path / "store").open()
    stage = Structured(data=data, task="mortality", least_patients=1)
    done = run(stage, store)
    assert run(stage, store).fingerprint == done.fingerprint
    assert done.scores["test"].keys() >= {"auroc", "auprc"}
    with pytest.raises(RunError, match="is of kind structured"):
        load(done, store)
    with pytest.raises(RunError, match="it reads no text"):
        export(done, store, tmp_path / "out")


def test_flags_of_a_base_model_do_not_go_with_it(tmp_path: Path) -> None:
    data = short_texts(tmp_path / "raw", tmp_path / "lists")
    refused = chartune(
        "finetune", str(tmp_path / "raw"), "--method", "structured", "--base", "minilm", "--store", str(tmp_path / "s")
    )
    assert data.tasks
    assert refused.code == 2
    assert "Structured data has neither a base model nor adapters" in refused.err
