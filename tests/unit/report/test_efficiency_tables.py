"""What a page says of efficiency: measured values, price by an edited table, scores, and who is on which front."""

import json
from pathlib import Path

import pytest

from chartune.errors import ConfigError
from chartune.quantities import Cost, Estimate
from chartune.report.efficiency import PRICES, Hourly, efficiency_tables, front_of, hourly
from chartune.report.marks import of_taylor
from chartune.report.price import prices
from chartune.report.variants import Variant, numbered
from chartune.runs.efficiency import EFFICIENCY, Efficiency
from chartune.runs.run import Run
from chartune.store import Store, write_json

MEASURED = {
    "best_seconds": 360.0, "best_tokens": 10, "flops": 2e15, "best_flops": 1e15, "epoch_seconds": 360.0,
    "base_bytes": 4, "adding_seconds": 0.002, "reading_seconds": 1.0, "reading_texts": 100, "reading_tokens": 900,
    "reading_peak_bytes": 2**20, "latency_seconds": 0.01, "latency_unmerged_seconds": 0.02,
}  # fmt: skip


def run(store: Store, name: str, score: float, size: int, **measured: object) -> Run:
    """A finished run of mortality with a score, a size and what it has measured."""
    with store.lease("runs", name):
        folder = store.partial("runs", name)
        about = {"kind": "finetune", "name": name, "task": "mortality", "answer": "binary", "data": "d", "seed": 0}
        write_json(folder / "run.json", {**about, "source": {"kind": "made-up", "version": "1", "title": "made up"}})
        estimate = Estimate(score, score - 0.01, score + 0.01, 100).to_json()
        write_json(folder / "scores.json", {"test": {"auroc": estimate}})
        cost = Cost(seconds=10.0, trainable_parameters=100, total_parameters=size, artefact_bytes=1024)
        write_json(folder / "cost.json", cost.to_json())
        write_json(folder / "environment.json", {})
        if measured:
            write_json(folder / EFFICIENCY, json.loads(json.dumps(measured)))
        store.publish("runs", name, {})
    return Run(store.root / "runs" / name)


@pytest.fixture
def variants(store: Store) -> list[Variant]:
    made = [
        run(store, "a" * 16, 0.80, 1_000, **MEASURED),
        run(store, "b" * 16, 0.85, 2_000, **{**MEASURED, "best_seconds": 3600.0, "epoch_seconds": 3600.0}),
        run(store, "c" * 16, 0.79, 3_000, **{**MEASURED, "epoch_seconds": 7200.0}),
        run(store, "d" * 16, 0.90, 9_000),
    ]
    return numbered(made)


def test_what_was_measured_stands_with_the_run_that_it_is_of(variants: list[Variant]) -> None:
    table = efficiency_tables(variants, Hourly()).measured
    assert table is not None
    assert [row[0].link for row in table.rows] == [f"run-{letter * 16}" for letter in "abc"]
    texts = [cell.text for cell in table.rows[0]]
    assert "6 min 0 s" in texts
    assert "100/s" in texts
    assert "10 ms" in texts
    assert texts[-1] == "not measured"  # energy


def test_a_price_is_that_of_the_edited_table(variants: list[Variant], store: Store) -> None:
    (store.root / PRICES).write_text("{training: 3, inference: 9, currency: EUR, epochs: 5, texts: 200000}")
    edited = hourly(store.root)
    table = efficiency_tables(variants, edited).worth
    assert table is not None
    assert table.rows[0][1].text == "6.5 EUR"  # 5 · 0.1 h · 3 + 200,000 · 0.01 s / 3600 · 9
    assert "6.5" not in str(efficiency_tables(variants, Hourly()).worth)
    (store.root / PRICES).write_text("{trainig: 3}")
    with pytest.raises(ConfigError, match="trainig"):
        hourly(store.root)


def test_the_front_of_size_and_price(variants: list[Variant]) -> None:
    table = efficiency_tables(variants, Hourly()).worth
    assert table is not None
    assert [row[-1].text for row in table.rows] == ["size, price", "size, price", "–"]
    assert front_of(variants, {v.label: 1.0 for v in variants}) == ["4"]
    assert front_of(variants, {"1": 1.0, "2": None, "3": 1.0}) == ["1"]


def test_plots_know_their_front(variants: list[Variant]) -> None:
    size = next(plot for plot in prices(variants, {}) if plot.title.endswith("size"))
    assert [point.variant.label for point in size.front] == ["1", "2", "4"]


def test_without_a_measurement_there_is_no_table(variants: list[Variant]) -> None:
    shown = efficiency_tables(variants[3:], Hourly())
    assert (shown.measured, shown.worth) == (None, None)
    assert Efficiency().texts_per_second is None


def test_scores_of_the_repository_are_labelled_so(tmp_path: Path) -> None:
    table = of_taylor("mortality", "mimic3", "Mortality")
    assert table is not None
    assert "authors' repository" in table.caption
    assert "fcab64b" in table.note
    assert any(row[0].text == "BioBERT, LoRA" and row[2].text == "0.828" for row in table.rows)
    assert of_taylor("diagnoses_icd9", "mimic3", "D") is None
