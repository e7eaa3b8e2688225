"""Table 1, missing data, hyperparameters and operating points: what they hold, and what they hide of real patients."""

from typing import Any

import polars as pl
import pytest

from chartune.report.characteristics import patient_tables
from chartune.report.hyperparameters import hyperparameter_table
from chartune.report.operating import operating_points, operating_table
from chartune.report.variants import Variant, numbered
from chartune.runs import Run, finished_runs
from chartune.store import Store
from chartune.testing import past_runs as past
from chartune.testing.plain import typed
from chartune.testing.signing import sign_again


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def variants(store: Store) -> list[Variant]:
    return numbered([run for run in finished_runs(store) if run.task == "mortality"])


def _cells(kind: str, missing: int = 0) -> dict[str, list[tuple[str, str]]]:
    data: dict[str, Any] = past.dataset(kind)
    if missing:
        data["tasks"]["mortality"]["characteristics"][0]["missing"]["test"] = missing
    table = patient_tables(typed(data), "mortality", "Death")[1 if missing else 0]
    return {row[0].text: [(cell.text, cell.detail) for cell in row[1:]] for row in table.rows}


def test_table_one_counts_every_level_by_split_and_by_outcome() -> None:
    cells = _cells("made-up")
    assert cells["Admissions"][:3] == [("1,150", "920 patients"), ("205", "144 patients"), ("400", "330 patients")]
    assert cells["Female"][2] == ("160", "40\N{NO-BREAK SPACE}%")
    assert cells["Age"][2] == ("66.2", "55.5 to 78.4")
    assert len(cells["Female"]) == 5


def test_of_real_patients_table_one_shows_classes_of_twenty_and_whole_quartiles() -> None:
    cells = _cells("mimic3")
    assert cells["Female"][2] == ("160+", "42\N{NO-BREAK SPACE}%")  # 169.5 of 404.5
    assert cells["Elective"][1] == ("20+", "14\N{NO-BREAK SPACE}%")  # 29.5 of 204.5
    assert cells["Age"][2] == ("66", "56 to 78")
    assert all(text == "<20" or int(text.rstrip("+").replace(",", "")) % 20 == 0 for text, _ in cells["Male"])


def test_quartiles_stand_only_where_ten_rows_lie_on_either_side() -> None:
    for patients, shown in ((19, ("too few to show", "")), (39, ("66", "")), (40, ("66", "56 to 78"))):
        data: dict[str, Any] = past.dataset("mimic3")
        data["tasks"]["mortality"]["groups"]["test"]["subjects"] = patients
        table = patient_tables(typed(data), "mortality", "Death")[0]
        age = next(row for row in table.rows if row[0].text == "Age")
        assert (age[3].text, age[3].detail) == shown


def test_missing_data_are_counted_and_of_real_patients_by_their_class() -> None:
    assert _cells("made-up", 7)["Age"][2] == ("7", "1.8\N{NO-BREAK SPACE}%")
    assert _cells("mimic3", 7)["Age"][2] == ("<10", "")
    assert _cells("mimic3", 7)["Sex"][2] == ("0", "")


def test_data_prepared_without_a_look_at_the_patients_have_no_table_one() -> None:
    assert patient_tables(typed(past.dataset()), "diagnoses_icd9", "Codes") == ()
    assert patient_tables(typed(past.dataset()), "gone", "Gone") == ()


def test_hyperparameters_of_every_run_stand_beside_each_other_without_paths(variants: list[Variant]) -> None:
    table = hyperparameter_table(variants, "All")
    assert table is not None
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert rows["seed"] == ["0", "0", "0, 1, 2", "0", "0"]
    assert rows["layer 1.rank"] == ["–", "–", "8", "8", "8"]
    assert rows["layer 1.state"] == ["–", "–", "fresh", "frozen", "fresh"]
    assert rows["strength chosen"] == ["10", *["–"] * 4]
    assert rows["kind"] == ["tfidf", *["finetune"] * 4]
    assert rows["task"] == ["mortality"] * 5  # as the run has it, whatever its stage left open


def test_thresholds_are_chosen_on_validation_and_never_on_the_test_split(store: Store, variants: list[Variant]) -> None:
    every = {run.fingerprint: run for run in finished_runs(store)}
    assert len(operating_points(variants, True, every)) == 4 * len(variants)
    run, rows = variants[0].run, variants[0].run.predictions()
    before = [point.threshold for point in operating_points(variants[:1], True, every)]
    for split, same in (("test", True), ("validation", False)):
        swapped = pl.when(pl.col("split") == split).then(1 - pl.col("label")).otherwise("label")
        _with_rows(store, run, rows.with_columns(label=swapped))
        assert ([point.threshold for point in operating_points(variants[:1], True, every)] == before) == same
    _with_rows(store, run, rows)


def _with_rows(store: Store, run: Run, rows: pl.DataFrame) -> Run:
    rows.write_parquet(run.path / "predictions.parquet")
    sign_again(run.path)
    return Run.of(store, run.fingerprint)


def test_an_operating_point_is_its_four_counts_on_the_test_split(store: Store, variants: list[Variant]) -> None:
    point = operating_points(variants[:1], True, {})[1]
    watched, tested = (variants[0].run.predictions(split) for split in ("validation", "test"))
    positives = watched.filter(pl.col("label") == 1)["probability"].sort(descending=True)
    least = positives[19]  # of 24: the first twenty are 83 %, nineteen 79 %
    below = watched.filter(pl.col("probability") < least)["probability"].max()
    assert point.threshold == pytest.approx((least + below) / 2)
    flagged = tested.filter(pl.col("probability") >= point.threshold)
    assert point.rates is not None
    assert point.rates["ppv"].value == pytest.approx(float(flagged["label"].mean() or 0), abs=5e-4)  # type: ignore[arg-type]
    assert point.rates["flagged"].value == pytest.approx(flagged.height / 400, abs=6e-4)
    table = operating_table([point], "Mine")
    assert table is not None
    assert table.rows[0][0].detail == "sensitivity of at least 80 %"
    assert operating_table([], "Mine") is None


def test_without_validation_rows_there_is_no_operating_point(store: Store, variants: list[Variant]) -> None:
    run, rows = variants[1].run, variants[1].run.predictions()
    bare = _with_rows(store, run, rows.filter(pl.col("split") == "test"))
    assert operating_points([Variant("2", (bare,))], True, {}) == []
    _with_rows(store, run, rows)
