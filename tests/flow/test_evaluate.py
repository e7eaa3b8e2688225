"""`chartune evaluate`: a finished run on other data, with the labels that both know and the drift of what it reads."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from chartune.made_up import make_hospital
from chartune.models.backbone import LocalBackbone
from chartune.runs.ledger import find_run
from chartune.stages.loading import load
from chartune.store import Store
from chartune.testing.command_line import chartune as verb
from chartune.testing.open_data import open_data

OWN = ("septic", "afebrile", "stable", "fall", "stroke", "pain")
OTHERS = ("septic", "afebrile", "unwell", "fall", "stroke", "dolor")


def table(file: Path, kind: str, seed: int, words: tuple[str, ...], rows: int = 200) -> Path:
    """Short notes; who is septic dies, with some noise; the labels of many are words of the note."""
    chance, made = random.Random(seed), []
    for number in range(rows):
        text = [chance.choice(words) for _ in range(chance.randint(2, 6))]
        dies = ("septic" in text) != (chance.random() < 0.2)
        label = {"died": "died" if dies else "survived", "left": "died" if dies else "left",
                 "many": ";".join(sorted({word for word in text if word in words[:3]}))}[kind]  # fmt: skip
        made.append((seed * 1000 + number, " ".join(text), label))
    pl.DataFrame(made, schema=["subject_id", "text", "label"], orient="row").write_csv(file)
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluate")


@pytest.fixture(scope="module")
def store(place: Path) -> Store:
    """TF-IDF runs: `words` predicts death, `many` any of three labels."""
    for name, kind, more in (("words", "died", []), ("many", "many", ["--set", "data.source.separator=;"])):
        own = table(place / f"{kind}.csv", kind, 1, OWN)
        said = verb("finetune", own, "--method", "tfidf", "--name", name, *more, "--store", place / "store")
        assert said.code == 0, said.err
    return Store(place / "store")


def evaluated(store: Store, *words: object) -> dict[str, Any]:
    said = verb("evaluate", *words, "--exact-counts", "--store", store.root, "--json")
    assert said.code == 0, said.err
    return dict(json.loads(said.out))


def test_every_row_of_other_data_is_scored_by_the_weights_as_they_are(store: Store, place: Path) -> None:
    others = pl.read_csv(table(place / "others.csv", "died", 2, OTHERS))
    made = evaluated(store, "words", place / "others.csv")
    wanted = load("words", store).probabilities(others["text"].to_list())
    died = (others["label"] == "died").to_numpy()
    rows = pl.read_parquet(Path(made["folder"]) / "predictions.parquet").sort("hadm_id")
    assert rows["p_died"].to_list() == wanted.tolist()
    assert rows["label"].to_list() == died.astype(int).tolist()
    assert made["scores"]["test"]["auroc"]["value"] == pytest.approx(roc_auc_score(died, wanted))
    assert set(made["scores"]) == {"test"}
    external = made["external"]
    own = find_run(store, "words").predictions("test").height
    assert (external["rows"], external["own_rows"], external["rows_left_out"]) == (200, own, 0)
    again = evaluated(store, "words", place / "others.csv")
    assert again["run"] == made["run"]


def test_drift_tells_what_is_new_here(store: Store, place: Path) -> None:
    table(place / "others.csv", "died", 2, OTHERS)
    drift = {row["what"]: row for row in evaluated(store, "words", place / "others.csv")["external"]["drift"]}
    words = [word for text in pl.read_csv(place / "others.csv")["text"] for word in text.split()]
    new = sum(word in ("unwell", "dolor") for word in words) / len(words)
    unknown = drift["words that no training text has"]
    assert (unknown["own"], unknown["here"]) == (0, pytest.approx(new))
    died = drift["prevalence of died"]
    assert died["here"] == pytest.approx((pl.read_csv(place / "others.csv")["label"] == "died").mean())
    assert 0 < died["own"] != died["here"]
    assert drift["words of a text, median"]["here"] == np.median(
        [t.count(" ") + 1 for t in pl.read_csv(place / "others.csv")["text"]]
    )


def test_of_other_labels_those_that_both_know_are_scored_and_the_others_counted(store: Store, place: Path) -> None:
    own, here = find_run(store, "many"), table(place / "many-others.csv", "many", 3, OTHERS)
    made = evaluated(store, "many", here)
    external = made["external"]
    assert [external[f"labels_{what}"] for what in ("shared", "missing", "unknown")] == [2, 1, 1]
    frame, loaded = pl.read_csv(here).filter(pl.col("label").fill_null("") != ""), load(own, store)
    proba = dict(zip(loaded.labels, loaded.predict_proba(frame["text"].to_list()).T, strict=True))
    known = [name in ("afebrile", "septic") for name in loaded.labels]
    has = {name: frame["label"].str.split(";").list.contains(name).to_numpy() for name in loaded.labels}
    each = [roc_auc_score(has[name], proba[name]) for name, both in zip(loaded.labels, known, strict=True) if both]
    assert made["scores"]["test"]["auroc"]["value"] == pytest.approx(np.mean(each))
    assert made["scores"]["test"]["labels_scored"]["value"] == 2
    per_label = pl.read_parquet(Path(made["folder"]) / "per_label.parquet")
    assert per_label.filter("scored")["label"].to_list() == ["afebrile", "septic"]


def test_patients_whom_the_run_has_learnt_from_are_left_out(store: Store, place: Path) -> None:
    own = find_run(store, "words")
    said = verb("prepare", place / "died.csv", "--set", "splits.salt=other", "--store", store.root, "--json")
    assert said.code == 0, said.err
    made = evaluated(store, "words", json.loads(said.out)["data"])
    test = set(own.predictions("test")["subject_id"])
    rows = pl.read_parquet(Path(made["folder"]) / "predictions.parquet")
    assert set(rows["subject_id"]) <= test
    assert rows.height > 30
    assert made["external"]["rows_left_out"] > 100


def test_where_nobody_is_left_the_filter_is_named(store: Store, place: Path) -> None:
    rows = pl.read_csv(table(place / "empty.csv", "died", 5, OWN, rows=20))
    rows.with_columns(text=pl.lit(None)).write_csv(place / "empty.csv")
    refused = verb("evaluate", "words", place / "empty.csv", "--store", store.root)
    assert (refused.code, "has none: nobody is left by the filter `has text`" in " ".join(refused.err.split())) == (
        3,
        True,
    ), refused.err


def test_on_the_data_of_the_run_its_own_test_split_is_scored_again(store: Store) -> None:
    own = find_run(store, "words")
    made = evaluated(store, "words", own.data)
    assert {m: e["value"] for m, e in made["scores"]["test"].items()} == {
        m: e.value for m, e in own.scores["test"].items()
    }


def test_where_the_other_class_is_asked_about_its_probability_is_given(store: Store, place: Path) -> None:
    others = table(place / "others.csv", "died", 2, OTHERS)
    turned = evaluated(store, "words", others, "--set", "data.tasks.0.positive=survived")
    rows = pl.read_parquet(Path(turned["folder"]) / "predictions.parquet").sort("hadm_id")
    died = load("words", store).probabilities(pl.read_csv(others)["text"].to_list())
    assert rows["p_survived"].to_list() == pytest.approx((1 - died).tolist())
    assert (
        turned["scores"]["test"]["auroc"]["value"]
        == evaluated(store, "words", others)["scores"]["test"]["auroc"]["value"]
    )


@pytest.mark.parametrize(
    ("run", "kind", "said"), [("words", "left", "labels in common"), ("words", "many", "same form")]
)
def test_data_that_ask_something_else_are_refused(store: Store, place: Path, run: str, kind: str, said: str) -> None:
    other = table(place / f"{kind}-refused.csv", kind, 4, OWN)
    more = ["--set", "data.source.separator=;", "--set", "data.tasks.0.answer=multilabel"] if kind == "many" else []
    refused = verb("evaluate", run, other, *more, "--store", store.root)
    assert refused.code == 2, refused.err
    assert said in refused.err


def test_the_report_shows_the_drop_and_the_drift_and_hides_small_counts(store: Store, place: Path) -> None:
    table(place / "others.csv", "died", 2, OTHERS)
    made = evaluated(store, "words", place / "others.csv")
    said = verb("report", made["run"], "--out", place / "report.html", "--store", store.root)
    assert said.code == 0, said.err
    page = (place / "report.html").read_text()
    assert "External validation" in page
    assert "words that no training text has" in page
    assert f"chartune evaluate {find_run(store, 'words').fingerprint}" in page
    for words in (["ls"], ["show", made["run"]]):
        shown = verb(*words, "--store", store.root, "--json")
        assert shown.code == 0, shown.err
        assert made["run"] in shown.out


def test_json_gives_no_exact_count_of_real_rows(store: Store, place: Path) -> None:
    table(place / "few.csv", "died", 5, OTHERS, rows=57)
    said = verb("evaluate", "words", place / "few.csv", "--store", store.root, "--json")
    made = json.loads(said.out)
    external, drift = made["external"], {row["what"]: row for row in made["external"]["drift"]}
    assert (made["figures"], external["rows"], external["rows_left_out"]) == ("rounded", "50+", "0")
    assert external["own_rows"].endswith("+")
    assert isinstance(drift["prevalence of died"]["here"], str)
    assert not [n for row in drift.values() if row["share"] for n in (row["own"], row["here"]) if isinstance(n, float)]
    assert evaluated(store, "words", place / "few.csv")["external"]["rows"] == 57


@pytest.mark.slow
def test_a_made_up_hospital_and_open_cases_validate_each_other(tmp_path: Path, llama: LocalBackbone) -> None:
    hospital = make_hospital(tmp_path / "hospital", subjects=400, seed=0) and tmp_path / "hospital"
    cases, store = open_data("codiesp-as-mimic-iii"), tmp_path / "store"
    for own, other, name in ((hospital, cases, "made-up"), (cases, hospital, "cases")):
        for task in ("mortality", "diagnoses"):
            words = ["--method", "tfidf", "--task", task, "--name", f"{name} {task}", "--store", store]
            assert verb("finetune", own, *words).code == 0
            said = verb("evaluate", f"{name} {task}", other, "--store", store, "--json")
            assert said.code == 0, said.err
            assert json.loads(said.out)["external"]["drift"]
    assert verb("report", "--out", tmp_path / "report.html", "--store", store).code == 0
    assert "External validation" in (tmp_path / "report.html").read_text()
