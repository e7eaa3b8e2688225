"""Two stores, and two ledgers, side by side."""

import csv
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from chartune.answers import BINARY
from chartune.errors import RunError
from chartune.report.beside_stores import beside_stores, stores_json, stores_table
from chartune.report.compare import comparisons
from chartune.report.variants import numbered
from chartune.runs.ledger import finished_runs
from chartune.runs.run import Run
from chartune.store import Store
from chartune.testing import past_runs as past
from chartune.testing.command_line import chartune
from chartune.testing.signing import sign_again

LEDGERS = Path(__file__).parents[3] / "docs" / "results"
BINARY_RUNS = (past.TFIDF, past.HEAD, past.LORA, past.LORA_SEED_1)


def only(store: Store, place: Path, *kept: str) -> Store:
    """A store with these runs alone."""
    (place / "runs").mkdir(parents=True)
    for name in kept:
        shutil.copytree(store.root / "runs" / name, place / "runs" / name)
    return Store(place).open()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("stores"))


def test_variants_of_two_stores_are_matched_by_task_and_name_and_paired_as_a_report_would(
    whole: Store, tmp_path: Path
) -> None:
    ours = only(whole, tmp_path / "a", *BINARY_RUNS)
    theirs = only(whole, tmp_path / "b", past.HEAD, past.LORA, past.CODED_TFIDF)
    swapped_run = theirs.root / "runs" / past.LORA
    for file in ("predictions.parquet", "scores.json"):
        shutil.copyfile(whole.root / "runs" / past.MINILM / file, swapped_run / file)
    sign_again(swapped_run)
    said = chartune("compare", ours.root, theirs.root, "--json", "--out", tmp_path / "two.csv")
    assert said.code == 0, said.err
    rows = {(row["task"], row["name"]): row for row in json.loads(said.out)["variants"]}
    reasons = {key: row["why_not"] for key, row in rows.items()}
    assert reasons == {
        ("mortality", "Head only on small-llama"): "", ("mortality", "LoRA on small-llama"): "",
        ("mortality", "TF-IDF + logistic regression"): "only one side has it",
        ("diagnoses_icd9", "TF-IDF + logistic regression"): "only one side has it",
    }  # fmt: skip
    same = rows["mortality", "Head only on small-llama"]
    assert (same["difference"]["value"], same["p"]) == (0.0, "1.000")
    seeds = [Run.of(ours, name) for name in (past.LORA, past.LORA_SEED_1)]
    variants = [*numbered(seeds, "A"), *numbered([Run.of(theirs, past.LORA)], "B")]
    (made,) = comparisons(variants, BINARY, pairs=[(variants[0], variants[1])])
    other = rows["mortality", "LoRA on small-llama"]
    assert other["difference"] == {name: getattr(made.difference, name) for name in ("value", "low", "high")}
    with (tmp_path / "two.csv").open(newline="") as table:
        assert len(list(csv.reader(table))) == 5


def test_a_run_whose_test_split_was_not_scored_is_not_compared(whole: Store, tmp_path: Path) -> None:
    ours = only(whole, tmp_path / "a", past.HEAD, past.LORA)
    unscored = ours.root / "runs" / past.LORA
    scores = json.loads((unscored / "scores.json").read_text())
    (unscored / "scores.json").write_text(json.dumps({"validation": scores["test"]}))
    sign_again(unscored)
    every = finished_runs(ours)
    assert {match.name for match in beside_stores(every, every, exact=False)} == {"Head only on small-llama"}


def test_of_real_patients_differences_are_rounded_and_small_ones_hidden(whole: Store, tmp_path: Path) -> None:
    real = only(whole, tmp_path / "real", past.TFIDF, past.HEAD)
    for name in (past.TFIDF, past.HEAD):
        about = json.loads((real.root / "runs" / name / "run.json").read_text())
        (real.root / "runs" / name / "run.json").write_text(
            json.dumps(about | {"source": about["source"] | {"kind": "mimic3", "version": "1.4"}})
        )
        sign_again(real.root / "runs" / name)
    runs = finished_runs(real)
    shown, exact = (stores_json(beside_stores(runs, runs, exact=exact)) for exact in (False, True))
    assert [row["p"] for row in (*shown, *exact)] == ["1.000"] * 4
    assert [row["difference"]["value"] for row in shown] == [0.0, 0.0]
    path = real.root / "runs" / past.HEAD
    predictions = pl.read_parquet(path / "predictions.parquet")
    test = predictions.filter(pl.col("split") == "test")
    pl.concat([test.filter(pl.col("label") == label).head(9) for label in (0, 1)]).write_parquet(
        path / "predictions.parquet"
    )
    sign_again(path)
    head = [Run.of(real, past.HEAD)]
    (match,) = beside_stores(head, head, exact=False)
    assert (match.made, match.why) == (None, "too few to show")
    cells = stores_table([match], "few", "few").rows[0]
    assert [cell.text for cell in cells[2:]] == ["too few to show"] * 2 + ["not paired", "not measured"]


def test_stores_without_scores_and_sides_of_two_kinds_are_refused(whole: Store, tmp_path: Path) -> None:
    alone = only(whole, tmp_path / "alone", past.PRETRAIN)
    with pytest.raises(RunError, match="store B has none"):
        beside_stores([Run.of(whole, past.HEAD)], finished_runs(alone), exact=False)
    said = chartune("compare", whole.root, LEDGERS / "table2.jsonl")
    assert (said.code, "A is a store and B is a ledger" in said.err) == (2, True)


def test_cells_of_two_ledgers_stand_side_by_side_without_pairs(tmp_path: Path) -> None:
    ledger = LEDGERS / "table2.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    (tmp_path / "half.jsonl").write_text("".join(lines[: len(lines) // 2]))
    said = chartune("compare", ledger, tmp_path / "half.jsonl", "--json")
    assert said.code == 0, said.err
    cells = json.loads(said.out)["cells"]
    assert {cell["difference"] for cell in cells if cell["a"] == cell["b"]} == {"same run"}
    assert {cell["difference"] for cell in cells if cell["b"] is None} == {None}
    assert len(cells) <= len(lines)
    people = chartune("compare", ledger, tmp_path / "half.jsonl")
    assert "A ledger keeps no patients" in people.out
