"""The numbers behind the page: seeds, paired comparisons, small cells, places in figures, printed tables."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score, roc_auc_score

from chartune.answers import ANY_OF, BINARY
from chartune.disclosure import Behind, is_made_up, lowest, shown
from chartune.errors import RunError
from chartune.log import Event
from chartune.metrics import Resamples, calibration_curve, paired_difference, resample, roc_curve
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.decisive import bootstrap_p, detectable, holm, paired_error
from chartune.metrics.delong import clustered_delong
from chartune.metrics.roc import precision_recall_curve
from chartune.published import UNVERIFIED, downstream, pretraining
from chartune.quantities import Estimate
from chartune.report import predicted
from chartune.report.adaptation import perplexity_comparisons, perplexity_table
from chartune.report.as_coded import coded_scores, coded_table
from chartune.report.average import Asked, averages, mean_of_tasks, seeds_drawn
from chartune.report.believable import calibration
from chartune.report.beside import beside, beside_table
from chartune.report.compare import Comparison, comparison_table, comparisons, from_baseline, too_large, what_is_said
from chartune.report.cost import cost_table, seconds_with_parents
from chartune.report.curves import draw_panel, learning_curves, perplexity_curves
from chartune.report.detectable import detectable_said, expected_in_words
from chartune.report.diagnostics import draw_diagram, precision_recall, roc
from chartune.report.followed import PLACES
from chartune.report.forest import forest
from chartune.report.hidden import behind_run
from chartune.report.labels import label_tables
from chartune.report.marks import drawable, published_table
from chartune.report.outcome import outcome
from chartune.report.predicted import Predicted, further_table
from chartune.report.predicted import predicted as what_a_run_says
from chartune.report.price import draw_price, prices
from chartune.report.printed_outcomes import printed_outcomes
from chartune.report.summary import compared, score_tile, tiles
from chartune.report.table import estimated
from chartune.report.variants import Score, Variant, baseline, numbered, score, scored
from chartune.runs import Run, finished_runs
from chartune.store import Store
from chartune.tasks.flow import cohorts
from chartune.testing import past_data
from chartune.testing import past_runs as past
from chartune.testing.command_line import chartune
from chartune.testing.past_data import CODES
from chartune.testing.plain import typed
from chartune.testing.signing import rewrite, sign_again


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def binary(store: Store) -> list[Variant]:
    return numbered([run for run in finished_runs(store) if run.task == "mortality"])


@pytest.fixture(scope="module")
def real(binary: list[Variant]) -> list[Variant]:
    """The same, as if of real patients."""
    stands = behind_run(binary[0].run)
    return [replace(v, behind=stands, watched=Behind(60, 12, 48)) for v in binary]


@pytest.fixture(scope="module")
def coded(store: Store) -> list[Variant]:
    return numbered([run for run in finished_runs(store) if run.task == "diagnoses_icd9"], start=5)


def test_a_cell_prints_value_and_interval_to_three_digits() -> None:
    cell = score(Score(Estimate(0.81249, 0.7, 0.9), (0.81249,)))
    assert (cell.text, cell.detail) == ("0.812", "0.700 to 0.900")
    assert estimated(-0.05, -0.1, 0.02, signed=True).detail == "−0.100 to +0.020"
    assert score(None).text == "not measured"


def test_seeds_of_one_variant_are_one_row_and_its_run_is_the_nearest_to_their_mean(binary: list[Variant]) -> None:
    assert [len(v.runs) for v in binary] == [1, 1, 3, 1, 1]
    lora = binary[2]
    found = lora.score("auroc")
    assert found is not None
    assert found.estimate.value == pytest.approx(np.mean(found.seeds))
    lows = [e.low for run in lora.runs if (e := run.estimate("auroc")) is not None and e.low is not None]
    assert found.estimate.low == pytest.approx(np.mean(lows))
    chosen = lora.run.estimate("auroc")
    assert chosen is not None
    assert abs(chosen.value - found.estimate.value) == min(abs(v - found.estimate.value) for v in found.seeds)


def test_what_is_too_large_to_compare_in_pairs_is_said(
    coded: list[Variant], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not too_large(coded, ANY_OF)
    runs = {run.fingerprint: run for run in finished_runs(store)}
    assert outcome(coded, typed(past.dataset()), "diagnoses_icd9", "t", runs).paired.too_large == ""
    monkeypatch.setattr(predicted, "LARGEST", 400 * 30 - 1)
    assert comparisons(coded, ANY_OF, CODES) == []
    assert (
        "too large to compare in pairs here"
        in outcome(coded, typed(past.dataset()), "diagnoses_icd9", "t", runs).paired.too_large
    )
    assert not too_large(coded[:1], ANY_OF)  # nothing to compare it with


def test_labels_that_a_run_marks_as_scored_are_those_that_are_compared(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path)
    for name in (past.CODED_TFIDF, past.CODED_LORA):
        path = store.root / "runs" / name / "per_label.parquet"
        frame = pl.read_parquet(path)
        frame.with_columns(scored=pl.col("label") == CODES[0]).write_parquet(path)
        sign_again(path.parent)
    variants = numbered([Run.of(store, name) for name in (past.CODED_TFIDF, past.CODED_LORA)])
    values = []
    for variant in variants:
        about = variant.run.per_label()
        assert about is not None
        values.append(about.row(by_predicate=pl.col("label") == CODES[0], named=True)["auroc"])
    made = comparisons(variants, ANY_OF, CODES)
    assert made[0].difference.value == pytest.approx(values[1] - values[0], abs=1e-6)


def test_ends_that_may_exclude_their_own_value_are_dropped(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path)
    path = store.root / "runs" / past.CODED_LORA / "scores.json"
    scores = json.loads(path.read_text())
    scores["test"]["macro_auprc"] = Estimate(0.3, 0.31, 0.4, 400).to_json()
    rewrite(path, scores)
    shown_score = score(numbered([Run.of(store, past.CODED_LORA)])[0].score("macro_auprc"))
    assert (shown_score.text, shown_score.detail) == ("0.300", "no interval")


def test_a_difference_of_two_runs_is_that_of_the_metrics(binary: list[Variant]) -> None:
    tfidf, minilm = binary[0].run.predictions("test"), binary[4].run.predictions("test")
    mine = from_baseline(comparisons(binary, BINARY), binary)["5"]
    drawn = [
        resample({"auroc": auroc_statistic(rows["label"].to_numpy(), rows["logit"].to_numpy())}, rows["subject_id"])
        for rows in (minilm, tfidf)
    ]
    known = paired_difference([drawn[0]["auroc"]], [drawn[1]["auroc"]]).estimate()
    assert (mine.value, mine.low, mine.high) == pytest.approx((known.value, known.low, known.high))


def test_everything_is_compared_with_tfidf_and_adapters_with_their_base_and_their_fresh_twin(
    binary: list[Variant], coded: list[Variant]
) -> None:
    pairs = {(one.ours.label, one.theirs.label) for one in comparisons(binary, BINARY)}
    assert pairs == {("2", "1"), ("3", "1"), ("4", "1"), ("5", "1"), ("3", "2"), ("4", "2"), ("4", "3")}
    made = comparisons(coded, ANY_OF, CODES)
    assert len(made) == 6
    for one in made:
        ours, theirs = one.ours.score("auroc"), one.theirs.score("auroc")
        assert ours is not None
        assert theirs is not None
        assert one.difference.value == pytest.approx(ours.estimate.value - theirs.estimate.value, abs=1e-6)


def test_other_admissions_are_never_compared_as_if_they_were_the_same(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    path = store.root / "runs" / past.MINILM / "predictions.parquet"
    Run.of(store, past.MINILM).predictions().head(300).write_parquet(path)
    sign_again(path.parent)
    variants = numbered([run for run in finished_runs(store) if run.task == "mortality"])
    assert "5" not in from_baseline(comparisons(variants, BINARY), variants)


def test_the_summary_claims_a_difference_only_where_the_paired_interval_excludes_zero(binary: list[Variant]) -> None:
    line = " ".join(compared(binary, [
        Comparison(binary[1], binary[0], Estimate(0.05, 0.01, 0.09)),
        Comparison(binary[2], binary[0], Estimate(-0.1, -0.2, -0.01)),
        Comparison(binary[3], binary[0], Estimate(0.1, -0.01, 0.2)),
    ], "AUROC"))  # fmt: skip
    names = [v.name for v in binary]
    assert f"{names[1]} beats {names[0]}: difference +0.050 [0.010, 0.090]" in line
    assert f"{names[2]} falls short of {names[0]}: difference −0.100 [−0.200, −0.010]" in line
    assert f"this test split cannot tell {names[3]} (+0.100 [−0.010, 0.200]) apart from {names[0]}" in line


def test_scores_that_are_alike_are_said_once(binary: list[Variant]) -> None:
    alike = [binary[0], replace(binary[0], label="2")]
    value = binary[0].score("auroc")
    assert value is not None
    assert compared(alike, [], "AUROC")[0] == f"AUROC on the test split: {value.value} of all 2 variants."
    tile = score_tile(alike, "mortality", "AUROC")
    assert tile is not None
    assert (tile.value, tile.detail) == (value.value, "test split, 2 variants")


def test_without_comparisons_overlapping_intervals_are_told_as_undecided(binary: list[Variant]) -> None:
    assert "do not tell the highest apart from" in compared(binary[2:4], [], "AUROC")[1]


def test_a_forest_holds_every_variant_within_the_axis(binary: list[Variant]) -> None:
    plot = forest(binary, downstream("mortality"))
    assert plot is not None
    assert [strip.baseline for strip in plot.strips] == [True, False, False, False, False]
    assert [len(strip.seeds) for strip in plot.strips] == [0, 0, 3, 0, 0]
    assert sum(strip.oracle is None for strip in plot.strips) == 1
    places = [x for s in plot.strips for x in (s.low, s.at, s.high, s.oracle, *s.seeds) if x is not None]
    places += [at for row in plot.printed for at, _ in row.marks] + [at for at, _ in plot.ticks]
    assert all(0 <= place <= 100 for place in places)
    assert all(s.low is not None and s.high is not None and s.low < s.at < s.high for s in plot.strips)
    assert [len(row.marks) for row in plot.printed] == [16, 5]


def test_a_forest_of_nothing_is_none(store: Store) -> None:
    assert forest(numbered([Run.of(store, past.PRETRAIN)])) is None


def test_roc_curves_begin_at_nothing_end_at_all_and_enclose_the_area(binary: list[Variant]) -> None:
    diagram = roc(binary, open_data=True)
    assert diagram is not None
    for line in diagram.lines:
        assert (line.x[0], line.y[0], line.x[-1], line.y[-1]) == (0, 0, 1, 1)
        assert all(np.diff(line.y) >= 0)
        auroc = line.variant.run.estimate("auroc")
        assert auroc is not None
        assert np.trapezoid(line.y, line.x) == pytest.approx(auroc.value, abs=0.01)
        rows = line.variant.run.predictions("test")
        assert len(line.x) < len(roc_curve(rows["label"], rows["logit"])[0])


def test_calibration_bins_cover_the_range_and_have_about_ten_events(binary: list[Variant]) -> None:
    diagram = calibration(binary, open_data=True)
    assert diagram is not None
    assert all(2 <= len(line.x) <= 5 for line in diagram.dots)
    assert all(len(line.x) == 41 for line in diagram.lines)
    assert draw_diagram(diagram, "c").startswith("<svg viewBox=")


def test_too_few_real_patients_are_not_drawn(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path, "mimic3")
    path = store.root / "runs" / past.MINILM / "predictions.parquet"
    rows = pl.read_parquet(path).sort("label", descending=True)
    variants = numbered([Run.of(store, past.MINILM)])
    rows[42:].write_parquet(path)  # nine with the outcome
    sign_again(path.parent)
    assert (roc(variants, open_data=False), calibration(variants, open_data=False)) == (None, None)
    assert roc(variants, open_data=True) is not None


def test_bins_of_real_patients_hold_no_small_cell(binary: list[Variant]) -> None:
    diagram = calibration(binary, open_data=False)
    assert diagram is not None
    for line in diagram.dots:
        rows = line.variant.run.predictions("test")
        bins = calibration_curve(rows["label"], rows["probability"], len(line.x))
        counts = [round(part.observed * part.n) for part in bins] + [
            round(part.n * (1 - part.observed)) for part in bins
        ]
        assert all(count == 0 or count >= 10 for count in counts)


def test_curves_of_real_patients_tell_no_number_of_them(real: list[Variant]) -> None:
    stands = real[0].behind
    assert stands is not None
    assert stands.positives is not None
    ranking, believed = roc(real, open_data=False), calibration(real, open_data=False)
    assert ranking is not None
    assert believed is not None
    least = lowest(stands.positives)
    for line in ranking.lines:
        steps = np.array(line.y) * least
        assert np.abs(steps - steps.round()).max() < 1e-9
        for others in range(least, least + 10):  # whoever else could be meant: each share is a number of them, rounded
            near = (np.array(line.y) * others).round() / others
            assert np.abs(near - line.y).max() <= 0.5 / least + 1e-9
    for line in believed.dots:
        size = lowest(past.ROWS // len(line.x))
        assert all(abs(y * size - round(y * size)) < 1e-9 for y in line.y)


def test_validation_curves_of_real_patients_have_the_digits_of_their_pairs(real: list[Variant]) -> None:
    panel = next(panel for panel in learning_curves(real) if panel.title == "Validation AUROC")
    assert {round(y, 2) == y for series in panel.series for y in series.values} == {True}
    few = [replace(v, watched=Behind(20, 9, 11)) for v in real]
    assert [panel.title for panel in learning_curves(few)] == ["Training loss"]


def test_learning_curves_of_real_patients_tell_no_number_of_steps(store: Store, real: list[Variant]) -> None:
    adapted = numbered([Run.of(store, past.PRETRAIN)], "P")
    for panel in (*learning_curves(real), *perplexity_curves(adapted, open_data=False)):
        assert panel.axis == "share of the training, %"
        for series in panel.series:
            assert (min(series.steps) >= 0, max(series.steps)) == (True, 100)
            assert len(series.steps) == 24 or panel.title.startswith("Validation")
    assert {panel.axis for panel in perplexity_curves(adapted, open_data=True)} == {"optimizer step"}


@pytest.mark.parametrize(("steps", "drawn"), [(1, 0), (PLACES - 1, 0), (PLACES, 1)])
def test_no_curve_of_real_patients_has_as_many_corners_as_steps(
    store: Store, real: list[Variant], monkeypatch: pytest.MonkeyPatch, steps: int, drawn: int
) -> None:
    """Of a text a step they would count the texts."""
    events = [Event(step, "loss", 1 / step, "train") for step in range(1, steps + 1)]
    monkeypatch.setattr(Run, "events", lambda run, name, split: events if split == "train" else [])
    adapted = numbered([Run.of(store, past.PRETRAIN)], "P")
    assert len(learning_curves(real)) == len(perplexity_curves(adapted, open_data=False)) == drawn
    assert len(perplexity_curves(adapted, open_data=True)) == 1


def test_long_curves_are_averaged_and_wide_ones_logarithmic(store: Store, binary: list[Variant]) -> None:
    panels = learning_curves(binary)
    assert [panel.title for panel in panels] == ["Training loss", "Validation AUROC"]
    assert all(len(series.steps) <= 160 for panel in panels for series in panel.series)
    perplexity = perplexity_curves(numbered([Run.of(store, past.PRETRAIN)], "P"), open_data=True)[0]
    assert not perplexity.logarithmic
    wide = replace(perplexity, series=(replace(perplexity.series[0], values=(100.0, 6.0), steps=(0.0, 1.0)),))
    assert wide.logarithmic
    assert "log scale" in draw_panel(wide, "p")
    assert not panels[0].logarithmic


def test_what_was_measured_on_test_texts_is_not_drawn_among_validation_values(store: Store) -> None:
    drawn = draw_panel(perplexity_curves(numbered([Run.of(store, past.PRETRAIN)], "P"), open_data=True)[0], "p")
    assert "unigram" not in drawn
    assert "before" not in drawn


def test_of_many_curves_each_has_a_strip_of_its_own(binary: list[Variant]) -> None:
    loss = learning_curves(binary)[0]
    assert len(loss.series) == 4
    five = replace(loss, series=(*loss.series, loss.series[0]))
    assert draw_panel(five, "many").count('id="many-axes_') == 5
    assert draw_panel(loss, "few").count('id="few-axes_') == 1
    assert max(len(series.steps) for series in loss.series) == 40  # single batches are averaged away


def test_figures_follow_the_page_in_colour_and_name_no_host(binary: list[Variant]) -> None:
    drawn = draw_panel(learning_curves(binary)[0], "one")
    assert "var(--series-2)" in drawn
    assert "#0102" not in drawn
    assert "://" not in drawn


def test_a_price_counts_the_runs_that_a_variant_stands_on(store: Store, binary: list[Variant]) -> None:
    every = {run.fingerprint: run for run in finished_runs(store)}
    clinical = binary[3]
    own = clinical.run.cost.seconds
    assert own is not None
    assert seconds_with_parents(clinical, every) == pytest.approx(own + 412)
    assert seconds_with_parents(clinical, {}) is None
    seconds, parameters, size = prices(binary, every)
    assert seconds.points[3].paid == pytest.approx(own + 412)
    assert [point.paid for point in parameters.points] == [8_412, 257, 33_025, 33_025, 147_841]
    assert [point.paid for point in size.points] == [n for v in binary if (n := v.run.cost.total_parameters)]
    assert draw_price(parameters, "p").startswith("<svg viewBox=")
    assert cost_table(binary, every).note.endswith("All on CPU, 2 threads.")


def test_the_best_label_is_strong_only_where_its_interval_lies_above_all_others(coded: list[Variant]) -> None:
    tables = label_tables(coded, "Diagnoses", open_data=True)
    assert tables is not None
    rows = {row[0].detail: row for row in (*tables.first.rows, *(tables.rest.rows if tables.rest else ()))}
    frames = [frame for v in coded if (frame := v.run.per_label()) is not None]
    for label, cells in rows.items():
        scores = [frame.row(by_predicate=pl.col("label") == label, named=True) for frame in frames]
        for mine, cell in zip(scores, cells[3:], strict=True):
            others = [other["auroc_high"] for other in scores if other is not mine]
            assert cell.strong == (mine["auroc"] is not None and all(mine["auroc_low"] > high for high in others))


def test_scores_on_few_patients_without_a_label_are_hidden_too(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path, "mimic3")
    path = store.root / "runs" / past.CODED_LORA / "per_label.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(cases=pl.when(pl.col("label") == CODES[0]).then(395).otherwise("cases")).write_parquet(path)
    sign_again(path.parent)
    variants = numbered([Run.of(store, past.CODED_LORA)])
    for open_data, expected in ((False, ["390+", "few cases"]), (True, ["395", f"{_auroc(frame, CODES[0]):.3f}"])):
        tables = label_tables(variants, "Diagnoses", open_data)
        assert tables is not None
        row = next(row for row in tables.first.rows if row[0].detail == CODES[0])
        assert [cell.text for cell in row[2:]] == expected


def _auroc(frame: pl.DataFrame, label: str) -> float:
    return float(frame.row(by_predicate=pl.col("label") == label, named=True)["auroc"])


def test_rare_labels_of_a_table_of_ones_own_are_counted_and_not_named(coded: list[Variant]) -> None:
    frame = coded[0].run.per_label()
    assert frame is not None
    rare = set(frame.filter((pl.col("cases") < 10) | (pl.col("train_cases") < 10))["title"])
    for open_data, own, hidden in ((False, True, rare), (True, True, set()), (False, False, set())):
        tables = label_tables(coded, "Mine", open_data, own=own)
        assert tables is not None
        named = {row[0].text for row in (*tables.first.rows, *(tables.rest.rows if tables.rest else ()))}
        assert named == set(frame["title"]) - hidden
        assert tables.rarer == (f"{len(rare)} rarer labels" if hidden else "")


def test_values_of_one_seed_are_said_to_be_of_one_seed(store: Store, coded: list[Variant]) -> None:
    several = Variant("1", (coded[0].run, Run.of(store, past.CODED_LORA)))
    for variants, said in (([several], True), (coded, False)):
        tables = label_tables(variants, "Diagnoses", open_data=True)
        assert tables is not None
        assert ("values of one seed" in tables.first.note) == said


def test_one_run_is_one_run(store: Store) -> None:
    labels = [tile.label for tile in tiles([Run.of(store, past.LORA)], [])]
    assert labels == ["for 1 run"]


def test_whom_a_filter_left_out_is_the_difference_of_what_is_shown() -> None:
    data: dict[str, Any] = past.dataset("mimic3")
    data["tasks"]["mortality"]["attrition"] = past_data.attrition([
        ("all", "what is there", 1500, 1893, 4021), ("few", "six of them", 1498, 1887, 4021),
        ("fewer", "a ten is passed", 1496, 1879, 4021), ("none", "nobody", 1496, 1879, 4021),
    ])  # fmt: skip
    flow, about = cohorts(typed(data))[0], "≈\N{NO-BREAK SPACE}10 admissions"
    assert [step.left for step in flow.steps] == [
        ("1,500+ patients", "1,890+ admissions", "4,020+ notes"),
        ("1,490+ patients", "1,880+ admissions", "4,020+ notes"),
        ("1,490+ patients", "1,870+ admissions", "4,020+ notes"),
    ]
    assert [step.removed for step in flow.steps] == [(), (about,), (about,)]
    assert ([step.name for step in flow.silent], flow.or_few) == (["none"], ", or too few to show")
    exact = cohorts(typed(data), exact=True)[0]
    assert [step.removed for step in exact.steps] == [(), ("6 admissions",), ("8 admissions",)]
    assert exact.or_few == ""


def test_few_positives_are_hidden_in_the_splits_too() -> None:
    data: dict[str, Any] = past.dataset("mimic3")
    data["tasks"]["mortality"]["counts"]["test"]["positives"] = 7
    rows = {row[0]: row for row in cohorts(typed(data))[0].splits.rows}
    assert rows["test"] == ("test", "330+", "400+", "<10")
    data["source"]["version"] = "made-up"
    assert {row[0]: row for row in cohorts(typed(data))[0].splits.rows}["test"][3] == "7"


def test_a_count_is_shown_hidden_or_not_measured() -> None:
    printed = [shown(n, exact=False) for n in (0, 1, 9, 10, 1234, None)]
    assert printed == ["0", "<10", "<10", "10+", "1,230+", "not measured"]
    assert shown(3, exact=True) == "3"
    assert is_made_up(typed({"source": {"kind": "made_up"}}).source)
    assert not is_made_up(typed({"source": {}}).source)


def test_published_tables_are_as_the_paper_prints_them() -> None:
    mortality = {(row.table, row.model): row.auroc for row in downstream("mortality")}
    assert len(mortality) == 21
    assert mortality["Table 3", "LLaMA + Clinical (trainable) + Downstream LoRA"] == pytest.approx(0.7699)
    assert mortality["Table 4", "LLaMA + Clinical + Downstream"] == pytest.approx(0.7662)
    assert mortality["Table 4", "BlueBERT + LoRA"] == pytest.approx(0.8190)
    assert downstream("concepts") == []
    disputed = {
        task: [row.model for row in downstream(task) if row.disputed] for task in ("mortality", "length_of_stay")
    }
    assert disputed == {"mortality": ["LLaMA + Clinical + Downstream"], "length_of_stay": []}
    assert {(p.base, p.method): p.seconds for p in pretraining()}["LLaMA-7B", "LoRA"] == 21 * 3600 + 37 * 60 + 42


def test_icd10_is_never_passed_off_as_the_papers_icd9() -> None:
    ours, theirs = published_table("diagnoses_icd10", "Codes"), published_table("diagnoses_icd9", "Codes")
    assert ours is not None
    assert theirs is not None
    assert "here it is ICD-10" in ours.note
    assert "ICD-10" not in theirs.note
    assert published_table("concepts", "Concepts") is None


def test_printed_scores_stand_beside_real_patients_only() -> None:
    assert drawable("mortality", typed(past.dataset("mimic3")))
    assert drawable("mortality", typed(past.dataset("made-up"))) == []
    assert drawable("mortality", typed({})) == []


def test_the_baseline_is_the_bag_of_words(binary: list[Variant]) -> None:
    assert baseline(binary) is binary[0]
    assert baseline(binary[1:]) is None


def test_an_adapter_of_older_runs_keeps_its_row_and_is_not_compared(store: Store) -> None:
    old = numbered([Run.of(store, past.PRETRAIN)], "P")
    table = perplexity_table(old)
    assert table is not None
    assert [cell.text for cell in table.rows[0][1:]] == ["14.62", "6.31", "0.43", "not measured", "211.40"]
    assert perplexity_comparisons(old) is None


def test_behind_a_perplexity_stand_the_tokens_that_were_read_and_nothing_is_hidden(store: Store) -> None:
    stands = behind_run(Run.of(store, past.PRETRAIN))
    assert (stands.rows, stands.few, stands.scored) == (41_210, False, False)


def test_no_place_of_a_precision_recall_curve_of_real_patients_flags_a_few(real: list[Variant]) -> None:
    shown_curves = precision_recall(real, open_data=False)
    assert shown_curves is not None
    for line in shown_curves.lines:
        rows = line.variant.run.predictions("test")
        recall, precision, flagged = precision_recall_curve(rows["label"], rows["logit"])
        at = np.searchsorted(recall, np.array(line.x) - 1e-12)
        right = (precision[at] * flagged[at]).round()
        assert right.min() >= 10
        assert (flagged[at] - right).min() >= 10
        steps = flagged[at] - flagged[at] % 10
        assert np.abs(np.array(line.y) * steps - (np.array(line.y) * steps).round()).max() < 1e-9


@pytest.fixture(scope="module")
def said(binary: list[Variant], coded: list[Variant]) -> dict[str, Predicted | None]:
    return {**what_is_said(binary, BINARY), **what_is_said(coded, ANY_OF, CODES)}


def test_each_comparison_has_a_p_that_is_corrected_for_those_of_its_table(
    binary: list[Variant], coded: list[Variant], said: dict[str, Predicted | None]
) -> None:
    made = comparisons(binary, BINARY, known=said)
    first = next(one for one in made if (one.ours.label, one.theirs.label) == ("3", "1"))
    rows = [[run.predictions("test") for run in v.runs] for v in (first.ours, first.theirs)]
    sides = [[frame["logit"].to_numpy() for frame in side] for side in rows]
    known = clustered_delong(rows[0][0]["label"], *sides, rows[0][0]["subject_id"])  # type: ignore[call-arg]
    assert first.p == known.p
    assert [one.corrected for one in made] == holm([one.p for one in made])
    assert first.corrected > first.p > 0
    drawn = comparisons(coded, ANY_OF, CODES, known=said)[0]
    heads = [said[v.run.fingerprint] for v in (drawn.ours, drawn.theirs)]
    draws = [each.headline for each in heads if each and each.headline]
    assert drawn.p == bootstrap_p(paired_difference(draws[:1], draws[1:]))
    table = comparison_table([replace(first, corrected=0.0004), replace(first, corrected=0.0312)], "T", "AUROC")
    assert table is not None
    assert [row[3].text for row in table.rows] == ["<0.001", "0.031"]
    assert "Obuchowski" in table.note


def test_further_scores_are_worked_out_from_predictions_and_hidden_as_the_others(
    coded: list[Variant], said: dict[str, Predicted | None]
) -> None:
    table = further_table(coded, said, ANY_OF, "Codes")
    assert table is not None
    frame = coded[0].run.predictions("test").sort("hadm_id")
    labels, logits = ANY_OF.read(frame)
    about = coded[0].run.per_label()
    assert about is not None
    kept = np.isin(CODES, about.filter(pl.col("train_cases") >= 10)["label"]) & labels.any(axis=0)
    cells = {column.title + column.meaning: cell for column, cell in zip(table.columns, table.rows[0], strict=True)}
    weighted = roc_auc_score(labels[:, kept], logits[:, kept], average="weighted")
    assert cells["Weighted AUROClabels by their cases"].text == f"{weighted:.3f}"
    assert (
        cells["Micro F1at even odds"].text == f"{f1_score(labels[:, kept], logits[:, kept] >= 0, average='micro'):.3f}"
    )
    assert cells["Micro F1threshold of validation"].text == "not measured"  # these runs have no validation rows
    few = [replace(v, behind=ANY_OF.behind({}, {"subjects": 9, "admissions": 400})) for v in coded]
    hidden = further_table(few, said, ANY_OF, "Codes")
    assert hidden is not None
    assert {cell.text for row in hidden.rows for cell in row[1:]} == {"too few to show"}
    assert further_table(coded, {}, ANY_OF, "Codes") is None


def test_the_average_over_tasks_is_drawn_jointly_and_holds_the_luck_of_seeds(
    binary: list[Variant], coded: list[Variant], said: dict[str, Predicted | None]
) -> None:
    tasks = [
        Asked("Death", "one", BINARY, (), tuple(binary), said),
        Asked("Codes", "one", ANY_OF, CODES, tuple(coded), said),
    ]
    (table,) = averages(tasks)
    rows = {row[0].text: row for row in table.rows}
    assert list(rows) == [v.name for v in coded]
    values = [next(v.score("auroc") for v in side if v.name == coded[2].name) for side in (binary, coded)]
    assert rows[coded[2].name][1].text == f"{np.mean([value.estimate.value for value in values if value]):.3f}"
    assert rows[coded[0].name][2].text == "reference"
    low, high = map(float, rows[coded[2].name][1].detail.split(" to "))
    assert low < float(rows[coded[2].name][1].text) < high
    assert averages([tasks[0], replace(tasks[1], source="another")]) == []
    hidden = [replace(v, behind=Behind(9)) for v in coded]
    (table,) = averages([tasks[0], replace(tasks[1], variants=tuple(hidden))])
    assert {cell.text for row in table.rows for cell in row[1:]} == {"too few to show"}


def test_draws_of_patients_and_of_seeds_are_those_of_all_tasks(binary: list[Variant]) -> None:
    run = binary[0].run
    subjects = run.predictions("test")["subject_id"]
    joint = [*subjects.unique(), 1, 2, 3]
    made = what_a_run_says(run, BINARY, scores=(BINARY.headline,), patients=joint)
    assert made is not None
    assert made.headline is not None
    frame = run.predictions("test").sort("hadm_id")
    statistic = auroc_statistic(frame["label"].to_numpy(), frame["logit"].to_numpy())
    known = resample({"a": statistic}, frame["subject_id"].to_numpy(), patients=joint)["a"]
    assert (made.headline.samples == known.samples).all()
    spread = [Resamples(0.5, np.full(400, 0.5), 9), Resamples(0.7, np.full(400, 0.7), 9)]
    drawn = seeds_drawn(spread, np.random.default_rng(1))
    assert drawn.value == pytest.approx(0.6)
    shares = [(np.abs(drawn.samples - value) < 1e-9).mean() for value in (0.5, 0.6, 0.7)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.08)
    assert seeds_drawn(spread[:1], np.random.default_rng(1)) is spread[0]
    mean = mean_of_tasks([spread[0], Resamples(0.9, np.array([0.9] * 399 + [np.nan]), 9)], 12)
    assert mean.value == pytest.approx(0.7)
    assert (mean.n, int(np.isnan(mean.samples).sum())) == (12, 1)


def test_two_runs_stand_side_by_side_with_the_paired_differences_of_the_report(
    store: Store, binary: list[Variant], tmp_path: Path
) -> None:
    out, at = tmp_path / "two.csv", ("--store", store.root)
    done = chartune("compare", past.MINILM, past.TFIDF, "--json", "--out", out, *at)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    scores = {row["metric"]: row for row in told["scores"]}
    made = next(one for one in comparisons(binary, BINARY) if (one.ours.label, one.theirs.label) == ("5", "1"))
    assert scores["auroc"]["difference"] == {n: getattr(made.difference, n) for n in ("value", "low", "high")}
    assert (told["paired"], told["p"]) == (True, "<0.001" if made.p < 0.001 else f"{made.p:.3f}")
    assert (told["p_permutation"] == "<0.001") == (told["p"] == "<0.001")
    ours, theirs = (Run.of(store, name).scores["test"]["brier"].value for name in (past.MINILM, past.TFIDF))
    assert scores["brier"]["difference"]["value"] == pytest.approx(ours - theirs)
    assert "ECE" in out.read_text()
    said = chartune("compare", past.MINILM, past.CODED_LORA, *at)
    assert (said.code, "answers of one form" in said.err) == (2, True)
    assert chartune("compare", past.LORA, past.LORA, *at).code == 2
    assert "scores none" in chartune("compare", past.LORA, past.PRETRAIN, *at).err
    assert (
        "must end in .csv or .tex" in chartune("compare", past.LORA, past.HEAD, "--out", tmp_path / "a.html", *at).err
    )


def test_runs_with_other_rows_are_not_paired_and_it_is_said_why_and_who_is_shared(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store", "mimic3")
    path = store.root / "runs" / past.MINILM / "predictions.parquet"
    rows = Run.of(store, past.MINILM).predictions()
    rows.filter(pl.col("split") == "test").head(300).write_parquet(path)
    sign_again(path.parent)
    runs = [Run.of(store, name) for name in (past.MINILM, past.TFIDF)]
    two = beside(*runs, exact=False)
    shared = len(set(rows.filter(pl.col("split") == "test").head(300)["subject_id"]))
    assert "their test rows or labels differ" in beside_table(two).note
    assert two.patients == f"{shared - shared % 10}+"
    assert [column.title for column in beside_table(two).columns] == ["Score", "A", "B"]
    pl.concat([rows.head(1), rows.filter(pl.col("split") == "test")]).write_parquet(path)
    sign_again(path.parent)
    with pytest.raises(RunError, match="2 test rows"):
        beside(Run.of(store, past.MINILM), runs[1], exact=False)


def test_what_a_test_split_could_show_is_said_from_the_validation_split_before_it_is_opened(
    binary: list[Variant],
) -> None:
    counts = {"test": {"admissions": 400, "positives": 48, "subjects": 400}}
    rows = [v.run.predictions("validation").sort("hadm_id") for v in binary[:2]]
    sides = [[frame["logit"].to_numpy()] for frame in rows]
    error = clustered_delong(rows[0]["label"], sides[0], sides[1], rows[0]["subject_id"]).error
    scaled = error * np.sqrt((1 / 48 + 1 / 352) / (1 / past.WATCHED_POSITIVES + 1 / (past.WATCHED - 24)))
    words = detectable_said(binary[:2], BINARY, counts, exact=True)
    assert f": {detectable(scaled):.3f}, by the error of 1 differences on the validation split" in words
    assert f": {detectable(paired_error(0.8, 48, 352, 0.5)):.3f}, by assuming" in expected_in_words(counts, exact=True)
    assert detectable_said(binary[:1], BINARY, counts, exact=True) == expected_in_words(counts, exact=True)
    shared = {"test": {**counts["test"], "subjects": 200}}  # two rows of each patient: as far as one
    assert f": {detectable(paired_error(0.8, 24, 176, 0.5)):.3f}, by" in expected_in_words(shared, exact=True)
    real = expected_in_words(counts, exact=False)
    assert f": {detectable(paired_error(0.8, 40, 350, 0.5)):.2f}, by" in real
    assert "(40+ patients with the outcome, 350+ without it)" in real
    assert expected_in_words({"test": {"admissions": 400, "positives": 9}}, exact=False) == ""
    assert detectable_said(binary, ANY_OF, counts, exact=True) == ""


def test_of_data_by_the_papers_code_its_scores_stand_beside_the_right_ones(coded: list[Variant]) -> None:
    plain = past.dataset()
    data = [typed({**plain, "config": {"preset": name}}) for name in ("sound", "paper-code")]
    assert coded_scores(coded, ANY_OF, CODES, data[0]) == {}
    assert coded_table(coded, ANY_OF, {}, "Codes") is None
    said = coded_scores(coded, ANY_OF, CODES, data[1])
    table = coded_table(coded, ANY_OF, said, "Codes")
    assert table is not None
    assert [column.title for column in table.columns[1:]] == ["Macro AUROC", "Macro AUROC, as coded", "Labels skipped"]
    labels, logits = ANY_OF.read(coded[0].run.predictions("test").sort("hadm_id"))
    both = (labels > 0).any(axis=0) & ~(labels > 0).all(axis=0)
    shares = softmax(logits.astype(np.float64), axis=1)
    right, as_coded, skipped = table.rows[0][1:]
    assert right.text == scored(coded[0], "auroc").text
    assert as_coded.text == f"{roc_auc_score(labels[:, both], shares[:, both], average='macro'):.3f}"
    assert skipped.text == str((~both).sum())
    few = [replace(v, behind=ANY_OF.behind({}, {"subjects": 9, "admissions": 400})) for v in coded]
    assert coded_scores(few, ANY_OF, CODES, data[1]) == {}


def test_printed_rows_stand_beside_ours_of_their_name_with_both_averages(
    binary: list[Variant], coded: list[Variant], said: dict[str, Predicted | None]
) -> None:
    ours = [replace(v, runs=tuple(replace(run, title="LLaMA + LoRA") for run in v.runs)) for v in (binary[2], coded[2])]
    tasks = [Asked("Death", "one", BINARY, (), (binary[0], ours[0]), said), Asked("Codes", "one", ANY_OF, CODES,
             (coded[0], ours[1]), said)]  # fmt: skip
    table = printed_outcomes(tasks)
    assert table is not None
    assert "other data" in table.note
    rows = {(row[0].text, row[0].detail): row for row in table.rows}
    beside = rows["LLaMA + LoRA", "Table 3"]
    assert [cell.text for cell in beside[1:]] == ["0.5165", "0.7489", "0.6570", "0.7837", "0.8749", "0.7162"]
    assert beside[2].detail == f"ours {scored(ours[0], 'auroc').text}"
    assert (beside[1].detail, beside[3].detail) == ("", "")
    both = {name: (row[-1].text, row[-1].detail) for (name, _), row in rows.items()}
    assert both["LLaMA"] == ("0.5861", "recomputed 0.5994")
    assert both["PMC-LLaMA + Clinical LLaMA-LoRA (frozen)"] == ("0.6006", "recomputed 0.6170")
    assert both["BlueBERT + LoRA"] == ("0.7156", "recomputed 0.7138")
    assert both["LLaMA + Clinical + Downstream"] == ("0.7281", "recomputed 0.7273")
    assert both["PMC-LLaMA"] == ("0.6051", "")
    assert rows["CORe (van Aken et al.)", UNVERIFIED][2].text == "0.8400"
    assert rows[binary[0].name, "ours alone"][2].detail == f"ours {scored(binary[0], 'auroc').text}"
    assert printed_outcomes(tasks[:1]) is None
    hidden = [replace(v, behind=Behind(9)) for v in ours]
    few = printed_outcomes([replace(task, variants=(one,)) for task, one in zip(tasks, hidden, strict=True)])
    assert few is not None
    assert {row[0].text: row[2].detail for row in few.rows}["LLaMA + LoRA"] == "ours too few to show"
