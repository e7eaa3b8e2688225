"""Recalibrating: on which rows, from how many cases on, and that who reads probabilities gets what was fitted."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.answers import BINARY
from chartune.metrics.classification import sigmoid
from chartune.metrics.recalibrators import LEAST
from chartune.prediction.outputs import outputs_of
from chartune.report.recalibrated import METRICS, recalibration_table, reliability
from chartune.report.variants import numbered
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.ensemble import Ensemble
from chartune.stages.finetune import Finetune
from chartune.stages.recalibrating import recalibration
from chartune.stages.table import TaskTable
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.tasks.labels import LabelSpace
from chartune.testing.command_line import chartune
from chartune.testing.twins import twin

DATA: dict[str, Any] = {"source": {"kind": "tabular", "file": "notes.csv"}}
SIZES = {"train": 60, "validation": 40, "calibration": 60, "test": 60}


def table(kind: str, cases: int = 12, calibration: int = 0) -> TaskTable:
    """40 validation rows of which `cases` have the label, and rows set apart to calibrate on, every second with it."""
    names = ("a", "b", "c")[: 2 if kind == "binary" else 3]
    places = [*range(40), *range(40), *range(calibration), *range(40)]
    splits = ["train"] * 40 + ["validation"] * 40 + ["calibration"] * calibration + ["test"] * 40
    ill = [n % 2 == 0 if split == "calibration" else n < cases for n, split in zip(places, splits, strict=True)]
    label: Any = [[0] if yes else [1] if n % 2 else [] for n, yes in zip(places, ill, strict=True)]
    if kind != "multilabel":
        label = [int(yes) for yes in ill]
    count = range(len(splits))
    frame = pl.DataFrame({"hadm_id": count, "subject_id": count, "split": splits, "text": [""] * len(splits)})
    dtype = pl.List(pl.Int32) if kind == "multilabel" else pl.Int64
    return TaskTable(
        frame.with_columns(pl.Series("label", label, dtype=dtype)), "asked", LabelSpace(kind, names, names)
    )


def decided(asked: TaskTable, *splits: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    made = {}
    for split in splits:
        borne = asked.form.borne(asked.labels(split), np.zeros((1, 3)))
        noise = rng.normal(0, 1, borne.shape)
        made[split] = 4 * (borne - 0.5 + noise)
        made[split] = made[split][:, 0] if asked.form.one_outcome else made[split]
    return made


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_ten_cases_and_ten_controls_of_a_label_are_needed(kind: str) -> None:
    asked = "platt" if kind == "binary" else "temperature"
    enough, few = table(kind, LEAST), table(kind, LEAST - 1)
    stage = Tfidf.parse({"data": DATA})
    made = recalibration(stage, enough, decided(enough, "validation", "test"))
    assert (made["calibration"]["kind"], made["calibration"]["split"]) == (asked, "validation")
    assert 0 < made["calibration"]["slope"] < 1
    rare = recalibration(stage, few, decided(few, "validation", "test"))
    if kind == "multilabel":  # its second label has enough
        assert rare["calibration"]["kind"] == "temperature"
    else:
        why = "no label has 10 cases and 10 controls in the validation split"
        assert rare == {"calibration": None, "uncalibrated": why}


@pytest.mark.parametrize(
    ("asked", "kind", "expected"),
    [("auto", "binary", "platt"), ("isotonic", "binary", "isotonic"), ("temperature", "binary", "temperature"),
     ("isotonic", "multilabel", "temperature"), ("platt", "multiclass", "temperature"), ("none", "binary", None)],
)  # fmt: skip
def test_what_is_fitted_goes_by_the_form_of_the_answer(asked: str, kind: str, expected: str | None) -> None:
    rows = table(kind, calibration=30)
    stage = Tfidf.parse({"data": DATA, "recalibration": asked})
    splits = stage.read_splits(rows)
    assert splits == (("validation", "test", "calibration") if expected else ("validation", "test"))
    made = recalibration(stage, rows, decided(rows, *splits))
    if expected is None:
        assert made == {"calibration": None, "uncalibrated": "it was switched off"}
    else:
        assert (made["calibration"]["kind"], made["calibration"]["split"]) == (expected, "calibration")


def test_ranks_that_are_turned_round_stay_raw() -> None:
    rows = table("binary", 20)
    against = {split: -values for split, values in decided(rows, "validation", "test").items()}
    made = recalibration(Tfidf.parse({"data": DATA}), rows, against)
    assert made["uncalibrated"] == "the validation split determines no slope above 0"


def test_the_switch_stays_out_of_names_until_it_is_turned() -> None:
    usual, off = Tfidf.parse({"data": DATA}), Tfidf.parse({"data": DATA, "recalibration": "none"})
    assert "recalibration" not in usual.hashable()
    assert off.hashable()["recalibration"] == "none"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with lists of patients, some set apart to calibrate on; words that say half of the outcome."""
    folder, rng = tmp_path_factory.mktemp("recalibrating"), np.random.default_rng(4)
    (folder / "lists").mkdir()
    rows, number = [], 0
    for split, size in SIZES.items():
        own = range(number, number := number + size)
        (folder / "lists" / f"{split}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in own))
        for n in own:
            ill = n % 2 == 0
            words = ["septic" if rng.random() < (0.7 if ill else 0.3) else "stable" for _ in range(4)]
            rows.append((n, " ".join([*words, f"day {n % 7}"]), "died" if ill else "survived"))
    schema = {"subject_id": pl.Int64, "text": pl.String, "label": pl.String}
    pl.DataFrame(rows, schema=schema, orient="row").write_csv(folder / "notes.csv")
    return folder


@pytest.fixture(scope="module")
def runs(place: Path, twins: Path) -> dict[str, Run]:
    store = Store(place / "store").open()
    source = {"kind": "tabular", "file": str(place / "notes.csv")}
    data = {"source": source, "splits": {"kind": "imported", "folder": str(place / "lists")}, "corpus": None,
            "held_out_copies": "kept"}  # fmt: skip
    base = str(twin(twins, "bert").folder)
    stages: dict[str, Any] = {
        "words": Tfidf.parse({"data": data, "name": "words", "strengths": [100.0]}),
        "head": Finetune.parse({
            "data": data, "name": "head", "backbone": {"name": base}, "stack": {"layers": []},
            "max_seq_len": 16, "optimisation": {"duration": {"value": 2}}, "numerics": {"precision": "fp32"},
            "recalibration": "isotonic",
        }),
        "both": Ensemble.parse({"data": data, "name": "both", "members": ["words", "head"]}),
    }  # fmt: skip
    return {name: run(stage, store) for name, stage in stages.items()}


@pytest.mark.parametrize("name", ["words", "head", "both"])
def test_a_run_keeps_what_it_has_fitted_on_patients_set_apart(runs: dict[str, Run], name: str) -> None:
    done = runs[name]
    fitted = done.about.calibration
    assert fitted is not None
    assert (fitted.kind, fitted.split) == ("isotonic" if name == "head" else "platt", "calibration")
    assert done.scores.keys() == {"validation", "test"}
    apart = done.predictions("calibration")
    assert apart.height == SIZES["calibration"]
    again = BINARY.recalibrator(fitted.kind, apart["label"].to_numpy(), apart["logit"].to_numpy(), np.ones(1, bool))
    assert again is not None
    assert fitted.applied(apart["logit"].to_numpy()) == pytest.approx(again.applied(apart["logit"].to_numpy()))
    rows = done.predictions("test")
    odds = rows["logit"].to_numpy()
    assert rows["probability"].to_numpy() == pytest.approx(sigmoid(odds))  # as the model gives them
    outputs = outputs_of(done)
    assert outputs.probability(odds) == pytest.approx(sigmoid(fitted.applied(odds)))
    assert outputs.probability(odds, recalibrated=False) == pytest.approx(sigmoid(odds))
    which = np.ones(1, dtype=np.bool_)
    before, after = (reliability(BINARY, apart["label"].to_numpy(), z, which)
                     for z in (apart["logit"].to_numpy(), fitted.applied(apart["logit"].to_numpy())))  # fmt: skip
    assert after["log_loss"] < before["log_loss"]
    if name != "head":  # of isotonic regression it may not be defined
        assert after["calibration_slope"] == pytest.approx(1, abs=1e-6)


def test_errors_before_and_after_are_shown_and_no_knots(runs: dict[str, Run]) -> None:
    every = {run.fingerprint: run for run in runs.values()}
    made = recalibration_table(numbered([runs["words"], runs["head"]]), BINARY, "Died", every, ())
    assert made is not None
    how = [row[0].detail for row in made.rows]
    assert how == ["as predicted", "platt, calibration split", "as predicted", "isotonic, calibration split"]
    rows = runs["words"].predictions("test")
    shown = reliability(BINARY, rows["label"].to_numpy(), rows["logit"].to_numpy(), np.ones(1, dtype=np.bool_))
    assert [cell.text for cell in made.rows[0][1:]] == [f"{shown[metric]:.3f}" for metric in METRICS]
    assert shown["brier"] == pytest.approx(((rows["probability"] - rows["label"]) ** 2).mean())
    said = chartune("show", "head", "--json", "--store", runs["head"].path.parents[1])
    assert '"kind": "isotonic"' in said.out
    assert "knots" not in said.out
