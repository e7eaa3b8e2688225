"""Pairs of texts from raw files to scores: prepared, learnt on the one loop, loaded again, predicted, evaluated."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.errors import ConfigError, DataError, RunError
from chartune.models.backbone import LocalBackbone
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.evaluating import Evaluate, evaluate
from chartune.stages.exporting import export
from chartune.stages.finetune import Finetune
from chartune.stages.loading import load
from chartune.stages.predicting import predict
from chartune.stages.table import read_table
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.studies.conduct import conduct
from chartune.studies.study import Study
from chartune.tasks.prepare import prepare
from chartune.testing.command_line import chartune
from chartune.testing.text_pairs import feverish, lines, paired_twin, write_pairs

STEPS = {"value": 150, "unit": "steps"}
FULL: dict[str, Any] = {
    "stack": {"layers": [{"kind": "fresh", "method": {"kind": "full"}}]},
    "optimisation": {"learning_rate": 3e-3, "head_learning_rate": 3e-3, "duration": STEPS},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "raw")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LocalBackbone:
    return paired_twin(tmp_path_factory.mktemp("base"), "bert")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("kept") / "store").open()


def data(corpus: Path) -> dict[str, Any]:
    return {"source": {"kind": "pairs", "folder": str(corpus)}, "near_copies": None}


def stage(corpus: Path, base: LocalBackbone, **fields: Any) -> Finetune:
    return Finetune.parse({
        "data": data(corpus), "backbone": {"name": str(base.folder)}, "max_seq_len": 40,
        "numerics": {"precision": "fp32"}, **FULL, **fields,
    })  # fmt: skip


@pytest.fixture(scope="module")
def learnt(corpus: Path, base: LocalBackbone, kept: Store) -> Run:
    return run(stage(corpus, base, name="learnt"), kept)


def test_what_neither_text_says_alone_is_learnt_from_both(learnt: Run) -> None:
    assert (learnt.task, learnt.answer, learnt.about.of_pairs) == ("pairs", "binary", True)
    assert learnt.about.labels == ("control", "case")
    assert learnt.scores["test"]["auroc"].value > 0.9
    assert learnt.predictions("test").height == 48


def test_a_loaded_run_gives_its_own_test_predictions(learnt: Run, kept: Store) -> None:
    table = read_table(prepare(Finetune.parse(learnt.stage).data, kept), "pairs", for_model=True)
    scorer = load(learnt, kept)
    texts = [text for text, split in zip(table.texts, table.frame["split"], strict=True) if split == "test"]
    again = scorer.read(texts)
    assert np.array_equal(
        scorer.form.predicted(again.decided, "x")[0].to_numpy(), learnt.predictions("test")["logit"].to_numpy()
    )
    with pytest.raises(DataError, match="has learnt from pairs of texts, but is asked about single ones"):
        scorer.read(["alone"])


def test_new_pairs_of_a_table_are_scored_in_their_order(learnt: Run, kept: Store, tmp_path: Path) -> None:
    new = feverish(9, 7)
    table, out = tmp_path / "new.jsonl", tmp_path / "out.jsonl"
    table.write_text(lines(new))
    said = chartune("predict", learnt.fingerprint, table, "--out", out, "--store", kept.root)
    assert said.code == 0, said.err
    assert "pairs are those of the columns premise and hypothesis" in said.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == [row["id"] for row in new]
    whole = predict(learnt, [(row["premise"], row["hypothesis"]) for row in new], store=kept)
    assert [row["probability"] for row in rows] == pytest.approx(whole["probability"].to_list(), abs=1e-6)
    assert not any("has" in str(row) for row in rows)
    asked = [row["label"] == "case" for row in new]
    assert np.mean((whole["probability"].to_numpy() > 0.5) == np.asarray(asked)) > 0.8
    other = pl.DataFrame({"a": [new[0]["premise"]], "b": [new[0]["hypothesis"]]})
    other.write_csv(tmp_path / "other.csv")
    flags = ["--text", "a", "--text-pair", "b", "--store", kept.root]
    said = chartune("predict", learnt.fingerprint, tmp_path / "other.csv", *flags)
    assert said.code == 0, said.err
    assert pl.read_csv(said.out.encode())["probability"][0] == pytest.approx(rows[0]["probability"], abs=1e-6)


def test_an_empty_side_and_missing_columns_are_refused_with_rows_and_names(
    learnt: Run, kept: Store, tmp_path: Path
) -> None:
    pl.DataFrame({"premise": ["one", "two"], "hypothesis": ["x", None]}).write_csv(tmp_path / "empty.csv")
    pl.DataFrame({"premise": ["one"], "other": ["x"]}).write_csv(tmp_path / "lacking.csv")
    at = ["--store", kept.root]
    said = chartune("predict", learnt.fingerprint, tmp_path / "empty.csv", *at)
    assert (said.code, "every row must have both texts of a pair, but 1 data rows (2)" in said.err) == (3, True)
    said = chartune("predict", learnt.fingerprint, tmp_path / "empty.csv", "--skip-empty", *at)
    assert pl.read_csv(said.out.encode())["reason"].to_list() == [None, "no text"]
    said = chartune("predict", learnt.fingerprint, tmp_path / "lacking.csv", *at)
    assert (said.code, "must have columns of two texts" in said.err) == (3, True), said.err
    said = chartune("predict", learnt.fingerprint, "-", *at)
    assert (said.code, "must stand in a table" in said.err) == (2, True)
    with pytest.raises(DataError, match="has learnt from pairs of texts"):
        predict(learnt, ["alone"], store=kept)
    with pytest.raises(DataError, match="must have words"):
        predict(learnt, [("one", " ")], store=kept)


def test_a_run_is_evaluated_on_other_pairs(learnt: Run, kept: Store, tmp_path: Path) -> None:
    other = write_pairs(tmp_path / "raw", sizes=(("train", 12), ("dev", 12), ("test", 36)))
    done = evaluate(Evaluate.parse({"run": learnt.fingerprint, "data": data(other)}), kept)
    external = done.about.external
    assert external is not None
    assert (external.rows, external.own_rows, external.labels_shared) == (60, 48, 2)
    assert done.scores["test"]["auroc"].value > 0.8
    said = chartune("evaluate", learnt.fingerprint, other, "--store", kept.root, "--json")
    assert said.code == 0, said.err


@pytest.mark.parametrize("family", ["llama", "bert"])
@pytest.mark.parametrize("method", ["none", "lora", "prompt"])
def test_every_way_of_learning_reads_pairs_as_it_predicts_them(
    method: str, family: str, corpus: Path, kept: Store, tmp_path: Path
) -> None:
    own = paired_twin(tmp_path, family)
    layers = [] if method == "none" else [{"kind": "fresh", "method": {"kind": method}}]
    few = {"duration": {"value": 2, "unit": "steps"}, "batch_size": 8}
    done = run(stage(corpus, own, stack={"layers": layers}, optimisation=few), kept)
    table = read_table(prepare(Finetune.parse(done.stage).data, kept), "pairs", for_model=True)
    texts = [text for text, split in zip(table.texts, table.frame["split"], strict=True) if split == "test"]
    again = load(done, kept).decided(texts)
    assert again == pytest.approx(done.predictions("test")["logit"].to_numpy(), abs=1e-5)


def test_what_cannot_be_done_with_pairs_is_refused_by_name(
    corpus: Path, base: LocalBackbone, learnt: Run, kept: Store, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="pairs is asked of pairs of texts; fine-tune a base model"):
        run(Tfidf.parse({"data": data(corpus)}), kept)
    with pytest.raises(ConfigError, match="`long` is windows"):
        run(stage(corpus, base, long={"kind": "windows"}), kept)
    with pytest.raises(RunError, match="reads pairs of texts"):
        export(learnt, kept, tmp_path / "out")


@pytest.mark.slow
def test_a_folder_is_prepared_fine_tuned_and_reported_by_commands_alone(
    corpus: Path, base: LocalBackbone, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    said = chartune("prepare", corpus, "--store", store)
    assert said.code == 0, said.err
    steps = ["--set", "optimisation.duration.value=2", "--set", "optimisation.duration.unit=steps"]
    flags = ["--base", base.folder, "--max-length", "40", *steps, "--store", store]
    plan = json.loads(chartune("plan", "finetune", corpus, *flags, "--json").out)
    assert plan["workload"]["epoch_tokens"] > 192 * 12
    study = Study.parse({
        "title": "Pairs", "test": "all", "data": {"source": {"kind": "pairs", "folder": str(corpus)}},
        "stages": {"lora": {"kind": "finetune", "backbone": {"name": str(base.folder)}, "max_seq_len": 40,
                            "optimisation": {"duration": {"value": 2, "unit": "steps"}}, "grid": {"seed": [0, 1]}}},
    })  # fmt: skip
    conducted = conduct(study, Store(store).open())
    assert not conducted.gaps
    report = tmp_path / "report.html"
    assert chartune("report", "--out", report, "--store", store).code == 0
    assert "Pairs of texts" in report.read_text(encoding="utf-8")
