"""Table 1, missing data, hyperparameters and operating points: what they hold, and what they hide of real patients."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score

from chartune.answers import ANY_OF, BINARY
from chartune.disclosure import Behind
from chartune.metrics import auroc
from chartune.metrics.benefit import net_benefit
from chartune.report.abstaining import conformal_table, selective_table
from chartune.report.benefit import draw_curves, worth
from chartune.report.characteristics import patient_tables
from chartune.report.hyperparameters import hyperparameter_table
from chartune.report.operating import RULES, few_cells, operating_points, operating_table
from chartune.report.subgroups import subgroup_tables
from chartune.report.subgroups_of_labels import label_subgroup_tables
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
    assert len(operating_points(variants, True, every)) == len(RULES) * len(variants)
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


def test_f1_and_balanced_accuracy_follow_from_the_rates_as_they_are_shown(variants: list[Variant]) -> None:
    for open_data in (True, False):
        for point in operating_points(variants[:2], open_data, {}):
            if point.rates is None:
                continue
            found, right, well = (point.rates[rate].value for rate in ("sensitivity", "ppv", "specificity"))
            half = 0.5 * 10.0 ** -point.digits["f1"] + 1e-9
            assert point.rates["f1"].value == pytest.approx(2 * found * right / (found + right), abs=half)
            assert point.rates["balanced_accuracy"].value == pytest.approx((found + well) / 2, abs=half)
            assert point.digits["f1"] == min(point.digits["sensitivity"], point.digits["ppv"])


def test_a_point_of_high_specificity_and_that_of_the_highest_f1_are_chosen_on_validation(
    variants: list[Variant],
) -> None:
    points = {point.rule: point for point in operating_points(variants[:1], True, {})}
    watched = variants[0].run.predictions("validation")
    without = watched.filter(pl.col("label") == 0)["probability"]
    threshold = points["specificity of at least 95 %"].threshold
    assert (without < threshold).mean() >= 0.95  # type: ignore[operator]
    below = max(p for p in watched["probability"] if p < threshold)
    assert (without < below).mean() < 0.95
    best = f1_score(watched["label"], watched["probability"] >= points["highest F1"].threshold)
    assert best == max(f1_score(watched["label"], watched["probability"] >= t) for t in watched["probability"])


def test_curves_of_what_a_threshold_is_worth_stand_where_no_cell_is_small(variants: list[Variant]) -> None:
    f1, benefit = worth(variants, open_data=True)
    rows = variants[0].run.predictions("test")
    labels, p = rows["label"].to_numpy(), rows["probability"].to_numpy()
    assert f1.lines[0].y[9] == pytest.approx(f1_score(labels, p >= f1.lines[0].x[9]))
    assert benefit.lines[0].y == pytest.approx(net_benefit(labels, p, benefit.lines[0].x))
    assert benefit.references[1].y == (0.0, 0.0)
    stands = [replace(v, behind=Behind(400, int(labels.sum()), int((1 - labels).sum()))) for v in variants]
    real = worth(stands, open_data=False)
    assert real
    for line in (line for curves in real for line in curves.lines):
        frame = line.variant.run.predictions("test")
        for t in line.x:
            flagged = frame["probability"].to_numpy() >= t
            assert not few_cells(frame["label"].to_numpy(), flagged, frame["subject_id"].to_numpy())
        assert all(y == round(y, 2) for y in line.y)
    assert "<title" in draw_curves(benefit, "w")


def test_the_surest_rows_and_conformal_sets_are_measured_and_small_cells_hidden(variants: list[Variant]) -> None:
    every = {v.run.fingerprint: v.run for v in variants}
    table = selective_table(variants[:1], BINARY, "Death", open_data=True)
    assert table is not None
    rows = variants[0].run.predictions("test")
    right = (rows["probability"] >= 0.5).cast(pl.Int64) == rows["label"]
    assert [row[0].detail for row in table.rows] == [f"{n} % of the rows answered" for n in (100, 90, 75, 50)]
    assert float(table.rows[0][1].text) == pytest.approx(right.mean(), abs=5e-4)
    half = rows.with_columns(right=right, sure=(pl.col("probability") - 0.5).abs()).sort("sure", descending=True)
    assert float(table.rows[3][1].text) == pytest.approx(half.head(200)["right"].mean(), abs=5e-4)
    sets = conformal_table(variants[:1], BINARY, "Death", True, every)
    assert sets is not None
    watched = variants[0].run.predictions("validation")
    p, of_class = watched["probability"].to_numpy(), watched["label"].to_numpy() == 1
    miss = np.sort(np.where(of_class, 1 - p, p))
    cut = miss[int(np.ceil(206 * 0.9)) - 1]
    held = np.where(rows["label"].to_numpy() == 1, 1 - rows["probability"].to_numpy(), rows["probability"].to_numpy())
    assert sets.rows[0][1].text == f"{(held <= cut).mean():.3f}"
    hidden = selective_table(variants[:1], BINARY, "Death", open_data=False)
    assert hidden is not None
    wrong = [int((~half.head(n)["right"]).sum()) for n in (400, 360, 300, 200)]
    assert [row[1].text == "too few to show" for row in hidden.rows] == [0 < n < 10 for n in wrong]
    assert selective_table(variants[:1], ANY_OF, "Codes", open_data=True) is None


def test_subgroups_are_scored_alone_with_the_gap_of_best_and_worst_and_small_ones_are_hidden(
    variants: list[Variant],
) -> None:
    rows = variants[0].run.predictions("test")
    n, ill = np.arange(rows.height), rows["label"].to_numpy()
    rare = [int(np.argmax(ill == label)) for label in (0, 1)]  # a group that some draws have nobody of
    groups = pl.DataFrame({
        "hadm_id": rows["hadm_id"], "sex": np.where(n % 2 == 0, "female", "male"),
        "age": np.where(n < 30, "18 to 44", np.where(n < 230, "45 to 64", "65 to 79")),
        "race": np.where(np.isin(n, rare), "rare", np.where(n < 200, "white", "black")),
        "insurance": None, "years": None,
    })  # fmt: skip
    ranked, calibrated = subgroup_tables(variants[:2], groups, "Death", open_data=True)
    cells = {(row[0].detail, row[0].text): row[1] for row in ranked.rows}
    assert {name for name, _ in cells} == {"sex", "age band", "race"}
    assert ("race", "other") in cells
    labels, logits = rows["label"].to_numpy(), rows["logit"].to_numpy()
    own = [auroc(labels[n % 2 == odd], logits[n % 2 == odd]) for odd in (0, 1)]
    assert [cells["sex", sex].text for sex in ("female", "male")] == [f"{value:.3f}" for value in own]
    assert cells["sex", "gap"].text == f"{max(own) - min(own):.3f}"
    assert cells["sex", "gap"].detail.endswith(f"worst: {('female', 'male')[int(np.argmin(own))]}")
    off = (labels - rows["probability"].to_numpy())[n % 2 == 1].mean()
    text = next(row[1].text for row in calibrated.rows if row[0].text == "male")
    assert float(text.replace("−", "-")) == pytest.approx(off, abs=5e-4)
    hidden, _ = subgroup_tables(variants[:2], groups, "Death", open_data=False)
    young = next(row for row in hidden.rows if row[0].text == "18 to 44")
    assert {cell.text for cell in young[1:]} == {"too few to show"}
    assert subgroup_tables(variants, None, "Death", open_data=True) == ()
    assert subgroup_tables(variants[:1], groups.with_columns(sex=None, age=None, race=None), "D", open_data=True) == ()


def test_rows_whose_group_is_not_known_are_a_group_and_a_characteristic_that_nobody_has_is_none(
    variants: list[Variant],
) -> None:
    rows = variants[0].run.predictions("test")
    n, labels, logits = np.arange(rows.height), rows["label"].to_numpy(), rows["logit"].to_numpy()
    said = [None if i % 3 == 0 else ("medicare", "private")[i % 2] for i in n]
    groups = pl.DataFrame({"hadm_id": rows["hadm_id"], "insurance": said}).with_columns(
        pl.lit(None, pl.String).alias(name) for name in ("sex", "age", "race", "years")
    )
    ranked, calibrated = subgroup_tables(variants[:1], groups, "Death", open_data=True)
    cells = {row[0].text: row[1] for row in ranked.rows}
    assert list(cells) == ["medicare", "private", "not known", "gap"]
    assert cells["not known"].text == f"{auroc(labels[n % 3 == 0], logits[n % 3 == 0]):.3f}"
    assert [row[0].text for row in calibrated.rows] == ["medicare", "private", "not known"]
    few = groups.with_columns(insurance=pl.Series([None if i < 4 else ("medicare", "private")[i % 2] for i in n]))
    hidden, _ = subgroup_tables(variants[:1], few, "Death", open_data=False)
    assert {row[0].text: row[1].text for row in hidden.rows}["not known"] == "too few to show"


def test_of_many_labels_subgroups_are_scored_over_those_that_count(store: Store) -> None:
    coded = numbered([run for run in finished_runs(store) if run.task == "diagnoses_icd9"])[:1]
    rows = coded[0].run.predictions("test")
    sex = np.where(np.arange(rows.height) % 2, "female", "male")
    groups = pl.DataFrame({"hadm_id": rows["hadm_id"], "sex": sex}).with_columns(
        pl.lit(None, pl.String).alias(name) for name in ("age", "race", "insurance", "years")
    )
    labels = coded[0].run.about.labels or ()
    ranked, _ = label_subgroup_tables(coded, groups, ANY_OF, labels, "Codes", open_data=True)
    per_label = coded[0].run.per_label()
    assert per_label is not None
    most = per_label.filter(pl.col("train_cases") >= 10).height
    last = ranked.rows[-1][1].detail.splitlines()[-1]
    assert 0 < int(last.split()[1]) <= most
