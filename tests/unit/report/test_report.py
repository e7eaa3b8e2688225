"""The report: it says what the runs measured, hides what must be hidden and loads nothing."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import ConfigError
from chartune.published import downstream, pretraining
from chartune.quantities import Estimate
from chartune.report import render, report_of
from chartune.report.cohort import cohorts, is_made_up, shown
from chartune.report.figures import draw_forest, draw_price, forest, learning_curves, price
from chartune.report.summary import compared
from chartune.report.tables import baseline, differences, numbered, score
from chartune.runs import Run, finished_runs
from chartune.store import Store
from chartune.testing import past_runs as past


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def page(store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    return report_of(store, None, out, "Which adapter?").read_text(encoding="utf-8")


class _Page(HTMLParser):
    """Whatever a browser would fetch, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.fetched += [
            str(given[name]) for name in ("src", "srcset", "href", "xlink:href", "data", "action") if name in given
        ]


def test_the_scores_of_every_variant_stand_in_the_page_with_their_intervals(store: Store, page: str) -> None:
    runs = [run for run in finished_runs(store) if run.task]
    assert len(runs) == 5
    for run in runs:
        for metric in ("auroc", "auprc", "brier"):
            cell = score(run.estimate(metric))
            assert f"{cell.text}<small>{cell.detail}</small>" in page
        assert run.name in page


def test_a_cell_prints_value_and_interval_to_three_digits() -> None:
    estimate = Estimate(0.81249, 0.7, 0.9)
    assert score(estimate) == type(score(None))("0.812", "0.700 to 0.900")
    assert score(Estimate(-0.05, -0.1, 0.02), signed=True).detail == "−0.100 to +0.020"
    assert score(None).text == "not measured"


def test_perplexities_costs_and_fingerprints_stand_in_the_page(page: str) -> None:
    for text in (
        "14.62",
        "6.31",
        "0.43",
        "211.40",
        "6 min 52 s",
        "1.2 GiB",
        "65,536",
        "1.23\N{NO-BREAK SPACE}%",
    ):
        assert text in page
    for fingerprint in (past.DATA, past.PRETRAIN, past.MINILM):
        assert fingerprint in page


def test_what_is_missing_is_not_measured_and_never_zero(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    for run in finished_runs(store):
        for file in ("scores.json", "cost.json", "environment.json", "events.jsonl", "predictions.parquet"):
            (run.path / file).unlink(missing_ok=True)
    text = report_of(store, None, tmp_path / "report.html", "Nothing measured").read_text()
    assert "No AUROC was measured." in text
    assert text.count("not measured") > 40
    assert "<svg" not in text
    assert ">0.000<" not in text


def test_a_single_missing_metric_is_told_where_it_would_stand(page: str) -> None:
    row = page[page.index("2 · Head only on small-llama") :]
    assert 'class="number missing">not measured</td>' in row[: row.index("</tr>")]


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    parser = _Page()
    parser.feed(page)
    assert all(address.startswith("#") or address == "data:," for address in parser.fetched)
    assert parser.tags.isdisjoint({"script", "iframe", "img", "object", "embed", "form"})
    assert "://" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_no_two_elements_share_an_id(page: str) -> None:
    parser = _Page()
    parser.feed(page)
    assert len(parser.ids) == len(set(parser.ids))


def test_nothing_of_a_row_is_in_the_page(store: Store, page: str) -> None:
    rows = Run.of(store, past.LORA).predictions()
    seen = set(re.findall(r"\d+(?:\.\d+)?", page))
    assert seen.isdisjoint({str(value) for name in ("subject_id", "hadm_id") for value in rows[name]})
    assert not any(f"{value:.5f}" in page for value in rows["logit"].head(50))
    assert str(store.root) not in page


def test_a_name_is_told_as_text_and_never_as_markup(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    about = store.root / "runs" / past.LORA / "run.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "name": "<script>alert(1)</script> $x$"}))
    text = report_of(store, None, tmp_path / "r.html", "<b>title</b>").read_text()
    assert "<script" not in text
    assert "<b>title" not in text
    assert "&lt;script&gt;" in text


def test_the_same_runs_give_the_same_bytes(store: Store, page: str, tmp_path: Path) -> None:
    assert report_of(store, None, tmp_path / "again.html", "Which adapter?").read_text() == page


def test_the_page_tells_how_to_have_each_run_again(page: str) -> None:
    assert f"chartune pretrain --config runs/{past.PRETRAIN}/stage.yaml --store ." in page
    assert f"chartune finetune --method tfidf --config runs/{past.TFIDF}/stage.yaml --store ." in page


def test_a_chosen_run_brings_its_parents_and_no_other(store: Store, tmp_path: Path) -> None:
    text = report_of(store, [Run.of(store, past.CLINICAL)], tmp_path / "one.html", "One").read_text()
    assert "P1 · Clinical LoRA on small-llama" in text
    assert "TF-IDF + logistic" not in text


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one finished run"):
        render([], tmp_path / "x.html", title="Nothing", datasets={})


def test_data_that_is_gone_from_the_store_is_told_as_such(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    shutil.rmtree(store.root / "data")
    assert "cohort cannot be shown" in report_of(store, None, tmp_path / "r.html", "Gone").read_text()


def test_made_up_patients_are_called_made_up_and_counted_exactly(page: str) -> None:
    assert '<span class="badge made-up">made-up data</span>' in page
    assert "6 admissions, 6 notes" in page
    assert "Published values" not in page


def test_small_counts_of_a_real_hospital_are_hidden_and_cannot_be_had_by_subtraction(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store", "mimic3")
    text = report_of(store, None, tmp_path / "r.html", "Real").read_text()
    assert "made-up" not in text[text.index("<header>") : text.index("</header>")]
    assert "&lt;10 admissions, &lt;10 notes" in text
    flow = text[text.index('<ol class="flow">') : text.index("</ol>")]
    assert "1,755" not in flow
    assert "1,761" not in flow
    assert "≈ 1,760 admissions" in flow


def test_a_few_patients_lost_in_a_filter_round_the_flow_even_when_their_admissions_are_many() -> None:
    data: dict[str, Any] = past.dataset("mimic3")
    steps = data["tasks"]["mortality"]["attrition"] = data["tasks"]["mortality"]["attrition"][:2]
    assert cohorts(data)[0].steps[1].left[0] == "1,412 patients"
    steps[1]["subjects"] = 1497
    assert cohorts(data)[0].steps[1].left[0] == "≈ 1,500 patients"


def test_few_positives_are_hidden_in_the_splits_too() -> None:
    data: dict[str, Any] = past.dataset("mimic3")
    data["tasks"]["mortality"]["counts"]["test"]["positives"] = 7
    rows = {row[0]: row for row in cohorts(data)[0].splits.rows}
    assert rows["test"] == ("test", "330", "400", "<10")
    data["source"]["version"] = "made-up"
    assert {row[0]: row for row in cohorts(data)[0].splits.rows}["test"][3] == "7"


def test_a_count_is_shown_hidden_or_not_measured() -> None:
    assert [shown(n, open_data=False) for n in (0, 1, 9, 10, 1234, None)] == [
        "0",
        "<10",
        "<10",
        "10",
        "1,234",
        "not measured",
    ]
    assert shown(3, open_data=True) == "3"
    assert is_made_up({"kind": "made_up"})
    assert not is_made_up({})


def test_published_values_appear_for_the_source_that_the_paper_took(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store", "mimic3")
    text = report_of(store, None, tmp_path / "r.html", "Real").read_text()
    assert "Published values for this task" in text
    assert "0.7489" in text
    assert "arXiv:2307.03042" in text


def test_published_tables_are_as_the_paper_prints_them() -> None:
    mortality = {row.model: row.auroc for row in downstream("mortality")}
    assert len(mortality) == 20
    assert mortality["LLaMA + Clinical (trainable) + Downstream LoRA"] == pytest.approx(0.7699)
    assert mortality["BlueBERT + LoRA"] == pytest.approx(0.8190)
    assert downstream("concepts") == []
    assert {(p.base, p.method): p.seconds for p in pretraining()}["LLaMA-7B", "LoRA"] == 21 * 3600 + 37 * 60 + 42


def test_differences_are_paired_and_leave_out_the_baseline(store: Store) -> None:
    runs = [run for run in finished_runs(store) if run.task]
    against = differences(runs)
    reference = baseline(runs)
    assert reference is not None
    assert set(against) == {run.fingerprint for run in runs} - {reference.fingerprint}
    for run in runs:
        if run != reference:
            ours, theirs = run.estimate("auroc"), reference.estimate("auroc")
            assert ours is not None
            assert theirs is not None
            assert against[run.fingerprint].value == pytest.approx(ours.value - theirs.value)


def test_other_admissions_are_never_compared_as_if_they_were_the_same(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    path = store.root / "runs" / past.LORA / "predictions.parquet"
    Run.of(store, past.LORA).predictions().head(300).write_parquet(path)
    assert past.LORA not in differences([run for run in finished_runs(store) if run.task])


def test_the_summary_claims_a_difference_only_where_the_paired_interval_excludes_zero(store: Store) -> None:
    variants = numbered([run for run in finished_runs(store) if run.task])
    fingerprints = [v.run.fingerprint for v in variants if v.run.kind != "tfidf"]
    estimates = [Estimate(v, low, high) for v, low, high in ((0.1, 0.05, 0.15), (-0.1, -0.2, -0.01), (0.1, -0.01, 0.2))]
    told = compared(variants, dict(zip(fingerprints, estimates, strict=False)))[1]
    names = {v.run.fingerprint: v.run.name for v in variants}
    above, below, unclear = (names[fingerprint] for fingerprint in fingerprints[:3])
    assert f"lies above zero for {above}" in told
    assert f"below zero for {below}" in told
    assert f"cannot tell {unclear} apart" in told


def test_without_a_baseline_overlapping_intervals_are_told_as_undecided(store: Store) -> None:
    variants = numbered([Run.of(store, past.LORA), Run.of(store, past.CLINICAL)])
    assert "do not tell the highest apart from" in compared(variants, {})[1]


def test_figures_hold_the_numbers_of_the_runs(store: Store) -> None:
    variants = numbered([run for run in finished_runs(store) if run.task])
    plot = forest(variants)
    assert plot is not None
    assert [row.auroc for row in plot.rows] == [v.run.estimate("auroc") for v in variants]
    assert [row.baseline for row in plot.rows] == [True, False, False, False, False]
    assert sum(row.oracle is None for row in plot.rows) == 1
    panels = learning_curves(variants)
    assert [panel.title for panel in panels] == ["Training loss", "Validation AUROC"]
    assert all(len(series.steps) <= 160 for panel in panels for series in panel.series)
    paid = price(variants)
    assert paid is not None
    assert [trained for _, trained, _ in paid.points] == [v.run.cost.trainable_parameters for v in variants]
    assert draw_price(paid, "p").startswith("<svg viewBox=")


def test_figures_follow_the_page_in_colour_and_name_no_host(store: Store) -> None:
    plot = forest(numbered([Run.of(store, past.LORA)]))
    assert plot is not None
    drawn = draw_forest(plot, "one")
    assert "var(--accent)" in drawn
    assert "#0101" not in drawn
    assert "://" not in drawn
    assert all(name.startswith("one-") for name in re.findall(r'\bid="([^"]+)"', drawn))
