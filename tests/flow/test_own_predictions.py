"""A run's own predictions as a table: the ids of its owner's file, classes by name, probabilities, and no word."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import chartune
from chartune.errors import ChartuneError, ConfigError, RunError
from chartune.prediction import thresholds
from chartune.runs.ledger import find_run
from chartune.runs.run import Run
from chartune.stages import recalibrating
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store
from chartune.testing.command_line import Completed
from chartune.testing.command_line import chartune as verb

FORMS = ("binary", "multiclass", "multilabel")
WORDS = ("septic", "stable", "stroke")


def table() -> pl.DataFrame:
    """150 rows of 75 patients; what is true follows from the words, but for every seventh row."""
    chance = np.random.default_rng(5)
    texts = [" ".join(chance.choice(WORDS, size=5)) for _ in range(150)]
    told = ["pain" if row % 7 else "septic" for row in range(150)]
    return pl.DataFrame({
        "mrn": [f"P-{row // 2:03}" for row in range(150)], "note": [f"doc/{row:03}" for row in range(150)],
        "text": [f"{text} {word}" for text, word in zip(texts, told, strict=True)],
        "binary": ["died" if (text.count("septic") > 1) != (row % 5 == 0) else "survived" for row, text in
                   enumerate(texts)],
        "multiclass": [max(WORDS, key=text.count) for text in texts],
        "multilabel": [";".join(sorted(word for word in WORDS if word in text)) for text in texts],
    })  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a TF-IDF run of each form of answer, called so, and the table beside it."""
    folder = tmp_path_factory.mktemp("own")
    table().write_csv(folder / "notes.csv")
    for form in FORMS:
        source = {"kind": "tabular", "file": str(folder / "notes.csv"), "subject": "mrn", "id": "note", "label": form}
        source |= {"separator": ";"} if form == "multilabel" else {}
        data = {"source": source, "tasks": [{"kind": "labels", "answer": form}], "corpus": None}
        with pytest.MonkeyPatch.context() as patched:
            if form == "binary":
                patched.setattr(recalibrating, "LEAST", 1)  # its validation split has few rows
            tfidf(Tfidf.parse({"data": data, "name": form, "strengths": [1.0]}), Store(folder / "store").open())
    return folder


def asked(place: Path, *words: object) -> Completed:
    return verb("predictions", *words, "--store", place / "store")


def run(place: Path, form: str) -> Run:
    return find_run(Store(place / "store"), form)


@pytest.mark.parametrize("form", FORMS)
def test_rows_have_the_ids_and_labels_of_the_file_and_what_predict_says_of_their_texts(place: Path, form: str) -> None:
    rows = run(place, form).prediction_frame()
    truth = "true_labels" if form == "multilabel" else "true_label"
    own = rows.select("id").join(table(), left_on="id", right_on="note", how="left", maintain_order="left")
    assert rows.columns[:4] == ["id", "subject_id", "split", truth]
    assert rows["subject_id"].to_list() == own["mrn"].to_list()
    assert set(rows["split"]) == {"test"}
    said = [";".join(labels) for labels in rows[truth]] if form == "multilabel" else rows[truth].to_list()
    assert said == own[form].to_list()
    new: Any = chartune.predict(run(place, form), own["text"].to_list(), ids=rows["id"].to_list())
    assert rows.columns == [*new.columns[:1], *rows.columns[1:4], *[c for c in new.columns[1:] if not c.startswith(
        ("tokens", "truncated"))]]  # fmt: skip
    decided = [name for name in rows.columns if name.startswith("label")]
    assert rows.select(decided).equals(new.select(decided))
    numbers = [name for name in rows.columns if name.startswith("p_") or name == "probability"]
    assert np.abs(rows.select(numbers).to_numpy() - new.select(numbers).to_numpy()).max() < 1e-6  # logits are fp32
    assert rows.select("model", "adapter").equals(new.select("model", "adapter"))


def test_the_verb_writes_the_same_in_every_format_for_its_owner_alone(place: Path, tmp_path: Path) -> None:
    wanted = run(place, "multilabel").prediction_frame("all", threshold=0.4)
    assert set(wanted["split"]) == {"validation", "test"}
    readers: dict[str, Any] = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "csv": pl.read_csv}
    for ending, read in readers.items():
        out = tmp_path / f"rows.{ending}"
        said = asked(place, "multilabel", "--split", "all", "--threshold", 0.4, "--out", out)
        assert (said.code, said.out.strip()) == (0, str(out)), said.err
        assert oct(out.stat().st_mode)[-3:] == "600"
        rows = read(out)
        if ending == "csv":
            rows = rows.with_columns(pl.col("true_labels", "labels").fill_null("").str.split(";"))
            some = wanted.with_columns(pl.col(pl.List(pl.String)).list.join(";").str.split(";"))
            assert rows.equals(some)
        else:
            assert rows.equals(wanted)
    printed = asked(place, "binary")
    assert pl.read_csv(io.StringIO(printed.out)).equals(run(place, "binary").prediction_frame())
    assert "septic" not in printed.out + printed.err


def test_a_threshold_by_a_rule_decides_and_recalibration_is_applied(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LEAST", 1)
    rows = run(place, "binary").prediction_frame("validation", threshold="youden", recalibrated=True)
    plain, calibration = run(place, "binary").predictions("validation"), run(place, "binary").about.calibration
    assert calibration is not None
    odds = calibration.intercept + calibration.slope * plain["logit"].to_numpy()
    assert np.allclose(rows["probability"].to_numpy(), 1 / (1 + np.exp(-odds)))
    by_default = run(place, "binary").prediction_frame("validation", threshold="youden")
    assert by_default.equals(rows)
    raw = run(place, "binary").prediction_frame("validation", recalibrated=False)
    assert raw["probability"].equals(plain["probability"])
    assert set(raw["recalibration"]) == {"raw"}
    assert (
        run(place, "multilabel").about.uncalibrated == "no label has 10 cases and 10 controls in the validation split"
    )
    (limit,) = rows["threshold"].unique()
    assert rows["decision"].to_list() == ["died" if p >= limit else "survived" for p in rows["probability"]]
    assert set(rows["threshold_rule"]) == {"youden on the validation split"}


def test_without_a_store_that_of_the_run_is_taken_and_for_a_name_the_one_of_the_environment(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = table()["text"].to_list()[:5]
    wanted = chartune.load(run(place, "binary")).predict_proba(texts)
    with pytest.raises(ConfigError, match="none is named 'binary'"):
        chartune.predict("binary", texts)
    monkeypatch.setenv("CHARTUNE_STORE", str(place / "store"))
    assert chartune.load("binary").predict_proba(texts).tolist() == wanted.tolist()
    assert chartune.predict("binary", texts)["probability"].to_list() == wanted[:, 1].tolist()
    (tmp_path / "chartune-store").symlink_to(place / "store")
    monkeypatch.delenv("CHARTUNE_STORE")
    assert chartune.predict("binary", texts)["probability"].to_list() == wanted[:, 1].tolist()


@pytest.mark.slow  # evaluations
def test_of_an_evaluation_they_are_the_rows_it_scored_with_threshold_and_labels_of_its_run(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LEAST", 1)
    here = table().with_columns(
        mrn="Q" + pl.col("mrn"), note=pl.lit("new/") + pl.col("note"), multilabel=pl.col("multilabel") + ";zoster"
    )
    here.write_csv(tmp_path / "here.csv")
    rows = {}
    for form in ("binary", "multilabel"):
        said = verb("evaluate", form, tmp_path / "here.csv", "--name", f"{form} here", "--store", place / "store")
        assert said.code == 0, said.err
        rows[form] = run(place, f"{form} here").prediction_frame(threshold="youden" if form == "binary" else None)
    own = run(place, "binary").prediction_frame(threshold="youden")
    for name in ("threshold", "threshold_rule", "model", "adapter"):
        assert set(rows["binary"][name]) == set(own[name])
    assert sorted(rows["binary"]["id"]) == here["note"].to_list()
    assert sorted(rows["binary"]["subject_id"]) == here["mrn"].to_list()
    calibration, odds = run(place, "binary").about.calibration, run(place, "binary here").predictions()["logit"]
    assert calibration is not None
    mended = run(place, "binary here").prediction_frame(recalibrated=True)["probability"].to_numpy()
    assert np.allclose(mended, 1 / (1 + np.exp(-(calibration.intercept + calibration.slope * odds.to_numpy()))))
    with pytest.raises(RunError, match="no rows of the split validation, but of test"):
        run(place, "binary here").prediction_frame("validation")
    several = rows["multilabel"].join(here, left_on="id", right_on="note", maintain_order="left")
    assert several["true_labels"].list.join(";").to_list() == several["multilabel"].to_list()
    assert [name for name in several.columns if name.startswith("p_")] == [f"p_{word}" for word in WORDS]


@pytest.mark.slow  # evaluations
def test_where_an_evaluation_asks_for_the_other_class_no_rule_and_no_recalibration_of_the_run_applies(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LEAST", 1)
    table().with_columns(note=pl.lit("new/") + pl.col("note")).write_csv(tmp_path / "here.csv")
    other = ("--set", "data.tasks=[{kind: labels, positive: survived}]", "--name", "other way")
    said = verb("evaluate", "binary", tmp_path / "here.csv", *other, "--store", place / "store")
    assert said.code == 0, said.err
    assert "p_survived" in run(place, "other way").prediction_frame().columns
    with pytest.raises(ChartuneError, match="is not at hand"):
        run(place, "other way").prediction_frame(threshold="youden")
    with pytest.raises(ChartuneError, match="keeps no recalibration"):
        run(place, "other way").prediction_frame(recalibrated=True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("binary", "--out", "rows.doc"), 2, "must end in .csv, .jsonl, .ndjson, .parquet"),
        (("multiclass", "--threshold", "youden"), 2, "has several; leave it out"),
        (("multilabel", "--threshold", "youden"), 2, "has several; give a number"),
        (("multiclass", "--threshold", "0.5"), 2, "the most probable one is given"),
        (("multilabel", "--recalibrated"), 5, "keeps no recalibration"),
    ],
)
def test_what_a_run_cannot_give_is_refused_with_a_remedy(
    place: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    refused = asked(place, *words)
    assert (refused.code, refused.out) == (code, "")
    assert said in " ".join(refused.err.split())


def test_where_the_table_has_changed_or_gone_rows_are_named_by_number_and_it_is_said(place: Path) -> None:
    file = place / "notes.csv"
    kept, before = file.read_bytes(), run(place, "binary").prediction_frame()
    try:
        file.write_bytes(kept.replace(b"doc/00", b"doc/99"))
        changed = asked(place, "binary")
        file.unlink()
        gone = asked(place, "binary")
    finally:
        file.write_bytes(kept)
    for printed, why in ((changed, "the table is no longer as it was prepared"), (gone, "is not where it was")):
        rows = pl.read_csv(io.StringIO(printed.out))
        assert rows["id"].to_list() == run(place, "binary").predictions("test")["hadm_id"].to_list()
        assert rows.select("probability").equals(before.select("probability"))
        assert why in " ".join(printed.err.split())
    assert "note:" not in asked(place, "binary").err
