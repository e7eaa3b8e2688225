"""The report as a page: it says what the runs measured, hides what must be hidden and loads nothing."""

import json
import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.quantities import Estimate, same_unit
from chartune.report.render import rendered, report_of
from chartune.runs import START, Run, finished_runs
from chartune.store import Store, write_json
from chartune.testing import past_runs as past
from chartune.testing.command_line import chartune
from chartune.testing.plain import typed
from chartune.testing.signing import rewrite, sign_again


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def page(store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    return report_of(store, None, out, "Which adapter?").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def real_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("real")
    return report_of(past.past_runs(folder / "store", "mimic3"), None, folder / "r.html", "Real").read_text()


class _Page(HTMLParser):
    """Whatever a browser would fetch, and what is on the page."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.fetched += [
            str(given[name]) for name in ("src", "srcset", "href", "xlink:href", "data", "action") if name in given
        ]


def test_the_scores_of_every_single_run_stand_in_the_page_with_their_intervals(store: Store, page: str) -> None:
    runs = [run for run in finished_runs(store) if run.task and run.name != "LoRA on small-llama"]
    assert len(runs) == 7
    for run in runs:
        estimate = run.estimate("auroc")
        assert estimate is not None
        assert f"{estimate.value:.3f}<small>{estimate.low:.3f} to {estimate.high:.3f}</small>" in page
        assert run.name in page


def test_perplexities_costs_plans_and_fingerprints_stand_in_the_page(page: str) -> None:
    for text in ("14.62", "6.31", "0.43", "211.40", "6 min 52 s", "1.22 GiB", "65,536", "1.23\N{NO-BREAK SPACE}%",
                 "with its parents 9 min 29 s", "6 min 20 s → 6 min 52 s", "All on CPU, 2 threads."):  # fmt: skip
        assert text in page
    for fingerprint in (past.DATA, past.PRETRAIN, past.MINILM, past.LORA_SEED_2, past.CODED_LORA):
        assert fingerprint in page


def test_every_task_has_a_section_and_every_cohort_a_flow(page: str) -> None:
    assert '<section id="outcome-1">' in page
    assert '<section id="outcome-2">' in page
    for title in ("In-hospital mortality", "Diagnoses of the stay (ICD-9)", "Adaptation text"):
        assert f'aria-label="Cohort flow: {title}"' in page


def test_methods_are_compared_over_tasks_and_their_links_lead_to_runs(page: str) -> None:
    part = page[page.index('<section id="methods">') :]
    part = part[: part.index("</section>")]
    assert "Method by task" in part
    assert "Method against method over tasks" in part
    links = set(re.findall(r'href="#(run-\w+)"', part))
    assert len(links) > 5
    assert all(f'id="{link}"' in page for link in links)


def test_filters_that_left_nobody_out_share_one_line(page: str) -> None:
    assert "2 more filters left nobody out: ends after it begins, not empty" in page


def test_what_is_missing_is_not_measured_and_never_zero(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    for run in finished_runs(store):
        for file in ("scores.json", "cost.json", "environment.json"):
            write_json(run.path / file, {})
        for file in ("events.jsonl", "per_label.parquet"):
            (run.path / file).unlink(missing_ok=True)
        sign_again(run.path)
    text = report_of(store, None, tmp_path / "report.html", "Nothing measured").read_text()
    assert "No AUROC was measured." in text
    assert text.count("not measured") > 60
    assert ">0.000<" not in text


def test_a_single_missing_metric_is_told_where_it_would_stand(page: str) -> None:
    found = re.search(r'<th scope=row><a href="#run-\w+">2 · Head only on small-llama', page)
    assert found
    row = page[found.start() :]
    assert 'class="number missing" data-label="Oracle">not measured</td>' in row[: row.index("</tr>")]


def test_the_page_loads_nothing_and_runs_nothing(page: str, real_page: str) -> None:
    for text in (page, real_page):
        parser = _Page()
        parser.feed(text)
        assert all(address.startswith("#") or address == "data:," for address in parser.fetched)
        assert set(parser.tags).isdisjoint({"script", "iframe", "img", "object", "embed", "form"})
        assert "://" not in text
        assert "@import" not in text
        assert not re.search(r"url\((?!#)", text)


def test_ids_are_unique_and_every_link_within_the_page_leads_somewhere(page: str) -> None:
    parser = _Page()
    parser.feed(page)
    assert len(parser.ids) == len(set(parser.ids))
    assert {address[1:] for address in parser.fetched if address.startswith("#")} <= set(parser.ids)


def test_nothing_of_a_row_is_in_the_page(store: Store, page: str) -> None:
    rows = Run.of(store, past.LORA).predictions()
    seen = set(re.findall(r"\d+(?:\.\d+)?", page))
    assert seen.isdisjoint({str(value) for name in ("subject_id", "hadm_id") for value in rows[name]})
    assert not any(f"{value:.5f}" in page for value in rows["logit"].head(50))
    assert str(store.root) not in page


def test_a_name_is_told_as_text_and_never_as_markup(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    about = store.root / "runs" / past.LORA / "run.json"
    rewrite(about, {**json.loads(about.read_text()), "name": "<script>alert(1)</script> $x$"})
    text = report_of(store, None, tmp_path / "r.html", "<b>title</b>").read_text()
    assert "<script" not in text
    assert "<b>title" not in text
    assert "&lt;script&gt;" in text


def test_the_same_runs_give_the_same_bytes(store: Store, page: str, tmp_path: Path) -> None:
    assert report_of(store, None, tmp_path / "again.html", "Which adapter?").read_text() == page


def test_the_page_tells_how_to_have_each_run_again(page: str) -> None:
    assert f"chartune pretrain --config runs/{past.PRETRAIN}/stage.yaml --store ." in page
    assert f"chartune finetune --config runs/{past.TFIDF}/stage.yaml --store ." in page
    assert f"runs/{past.LORA_SEED_1}/stage.yaml" in page


def test_switches_lineage_and_warnings_of_the_source_are_told(page: str) -> None:
    for text in ("first 128 tokens", "all runs", "NOTEEVENTS.csv.gz", "kind hash, salt chartune", "CC0-1.0",
                 "NOTEEVENTS: 12 rows have no admission", "trained from nothing on made-up notes"):  # fmt: skip
        assert text in page


def test_every_adapter_has_its_card_folded_in_and_a_bag_of_words_has_none(page: str) -> None:
    for fingerprint in (past.PRETRAIN, past.LORA, past.LORA_SEED_1, past.CODED_CLINICAL):
        assert f"runs/{fingerprint}/MODEL_CARD.md" in page
    assert f"runs/{past.TFIDF}/MODEL_CARD.md" not in page


def test_a_chosen_run_brings_its_parents_and_no_other(store: Store, tmp_path: Path) -> None:
    text = report_of(store, [Run.of(store, past.CLINICAL)], tmp_path / "one.html", "One").read_text()
    assert "P1 · Clinical LoRA on small-llama" in text
    assert "TF-IDF + logistic" not in text


def test_a_report_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one finished run"):
        rendered([], title="Nothing", datasets={})


def test_data_that_is_gone_from_the_store_is_told_as_such(tmp_path: Path) -> None:
    store = past.two_runs(tmp_path / "store")
    shutil.rmtree(store.root / "data")
    text = report_of(store, [Run.of(store, past.LORA)], tmp_path / "r.html", "Gone").read_text()
    assert "cohort cannot be shown" in text


def test_made_up_patients_are_called_made_up_and_counted_exactly(page: str) -> None:
    assert '<span class="badge made-up">made-up data</span>' in page
    assert "6 admissions, 6 notes" in page


def test_on_made_up_patients_printed_values_are_folded_and_out_of_the_figures(page: str) -> None:
    assert '<details class="more"><summary>Published, other data' in page
    assert '<details class="more"><summary>Published values for this task' in page
    assert 'class="tick"' not in page


def test_on_real_patients_printed_values_are_marks_with_a_warning(real_page: str) -> None:
    assert real_page.count('class="tick"') == 2 * 21
    assert "LLaMA + LoRA: 0.749" in real_page
    assert (
        "Grey ticks: printed by Gema et al. (2023). Other patients, other models: a mark, not an opponent." in real_page
    )
    assert "arXiv:2307.03042" in real_page
    assert "LLaMA-7B, Prompt Tuning" in real_page


def test_small_counts_of_a_real_hospital_are_hidden_and_cannot_be_had_by_subtraction(real_page: str) -> None:
    text = unescape(real_page).replace("\N{NO-BREAK SPACE}", " ")
    assert "made-up" not in text[text.index("<header>") : text.index("</header>")]
    flow = text[text.index('<div class="flow"') : text.index('<div class="fork">')]
    assert "1,755" not in flow
    assert "1,761" not in flow
    assert "1,760+ admissions" in flow
    assert "≈ 10 admissions" in flow  # six: the difference of two classes
    assert "1,893" not in text
    assert "1,317 labels" not in text


def test_of_labels_with_few_real_cases_neither_count_nor_score_is_shown(store: Store, real_page: str) -> None:
    labels = Run.of(store, past.CODED_LORA).per_label()
    assert labels is not None
    rare = labels.filter((labels["cases"] < 10) & (labels["cases"] > 0))
    assert rare.height > 2
    section = real_page[real_page.index("Diagnoses of the stay (ICD-9): label by label") : real_page.index('id="cost"')]
    for row in rare.iter_rows(named=True):
        start = section.index(f"{row['title']}<small>")
        cells = section[start : section.index("</tr>", start)]
        assert "&lt;10" in cells
        assert cells.count("few cases") == 4
        assert not re.search(r"0\.\d{3}", cells)


def test_labels_are_sorted_by_training_cases_and_the_rare_ones_folded(page: str) -> None:
    section = page[page.index("Diagnoses of the stay (ICD-9): label by label") : page.index('id="cost"')]
    order = [
        section.index(f"{title}<small>") for title in ("Heart failure", "Sepsis", "Alcohol withdrawal", "Epilepsy")
    ]
    assert order == sorted(order)
    assert order[2] < section.index("The other 5 labels") < order[3]


def test_several_seeds_stand_in_one_row_with_their_range(store: Store, page: str) -> None:
    runs = [Run.of(store, name) for name in (past.LORA, past.LORA_SEED_1, past.LORA_SEED_2)]
    values = [e.value for run in runs if (e := run.estimate("auroc"))]
    assert f"{sum(values) / 3:.3f}" in page
    assert f"seeds {min(values):.3f} to {max(values):.3f}" in page
    strip = page[page.index("3 · LoRA on small-llama<small>seeds 0, 1, 2</small>") :]
    assert strip[: strip.index('class="value"')].count("<circle cx=") == 3


@pytest.mark.parametrize("keep", ["n", "positives", "patients"])
def test_scores_on_few_real_patients_are_nowhere_in_the_page(tmp_path: Path, keep: str) -> None:
    store = past.past_runs(tmp_path / "store", "mimic3")
    secret = {"auroc": Estimate(0.83719, 0.6, 0.9, 400), "auprc": Estimate(0.7771, 0.6, 0.9, 400),
              "prevalence": Estimate(0.33311, 0.2, 0.4, 400), "brier": Estimate(0.2229, 0.1, 0.3, 400)}  # fmt: skip
    if keep == "n":
        secret = {name: replace(estimate, n=9) for name, estimate in secret.items()}
    if keep == "positives":
        secret["prevalence"] = Estimate(7 / 400, 0.01, 0.03, 400)
    for run in [run for run in finished_runs(store) if run.task == "mortality"]:
        write_json(run.path / "scores.json", {"test": {name: e.to_json() for name, e in secret.items()}})
        if keep == "patients":
            outcome = pl.col("label") == 1
            rows = run.predictions().with_columns(subject_id=pl.when(outcome).then(5).otherwise("subject_id"))
            rows.write_parquet(run.path / "predictions.parquet")
        sign_again(run.path)
    runs = [run for run in finished_runs(store) if run.task == "mortality"]
    text = rendered(runs, title="Few", datasets={past.DATA: typed(past.dataset("mimic3"))})
    shown = text[: text.index('id="provenance"')]
    assert "AUROC on the test split: too few to show." in shown
    assert "<dt>AUROC, In-hospital mortality</dt><dd>too few to show</dd>" in shown
    assert shown.count(">too few to show</td>") > 10
    assert not re.search(r"\b(0\.837|0\.777|33\.3\s%|0\.223|1\.75\s%)|\b(9|400) test|Prevalence \d", shown)
    assert "Validation AUROC" not in shown
    assert "paired differences<" not in shown
    if keep != "patients":  # a card knows rows, not patients
        assert not re.search(r"\b(0\.837|0\.777|0\.333|0\.223)", text)


def test_the_reason_why_scores_are_hidden_is_the_true_one(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store", "mimic3")
    data = past.dataset("mimic3")
    data["tasks"]["mortality"]["counts"]["test"]["positives"] = 7
    data["tasks"]["diagnoses_icd9"]["counts"]["test"]["subjects"] = 9
    text = rendered(finished_runs(store), title="Few", datasets={past.DATA: typed(data)})
    either = "fewer than ten test admissions or patients with the outcome, or without it"
    for reason in (f"AUROC on the test split: too few to show. The reason: {either}.",
                   f'too few to show</dd><dd class="detail">{either}</dd>',
                   "Macro AUROC on the test split: too few to show. The reason: fewer than ten test admissions or "
                   "patients.",
                   'too few to show</dd><dd class="detail">fewer than ten test admissions or patients</dd>',
                   ):  # fmt: skip
        assert reason in text


def _with_starts_kept(store: Store, *fingerprints: str) -> list[Run]:
    for run in finished_runs(store):
        if run.backbone:
            step = 0 if run.fingerprint in fingerprints else 72
            rewrite(run.path / "run.json", {**run.about.to_json(), "best_step": step})
    return [run for run in finished_runs(store) if run.task in (None, "mortality")]


def test_a_run_that_kept_its_start_is_told_in_the_table_the_figure_the_card_and_the_notes(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    runs = _with_starts_kept(store, past.CLINICAL, past.LORA_SEED_1)
    text = rendered(runs, title="Start", datasets={past.DATA: typed(past.dataset())})
    scores = text[text.index("mortality: scores on the test split") : text.index("mortality: paired differences")]
    cells = re.findall(r"<th scope=row><a [^>]*>(\d+) · .*?<small>(.*?)</small>", scores)
    kept = {number: detail.partition("kept: ")[2] for number, detail in cells}
    assert kept == {"2": "", "3": f"{START}, with 1 of 3 seeds", "4": START, "5": ""}
    assert f"downstream LoRA<small>kept: {START}</small></div>" in text
    assert text.count(f"<dd>{START}; ") == 2
    assert "step 72, the best on the validation split" in text
    assert "such a row measures the probe" in text[text.index('id="notes"') :]


def test_of_runs_that_all_learnt_something_no_start_is_told(store: Store, tmp_path: Path) -> None:
    again = past.past_runs(tmp_path / "store")
    text = rendered(_with_starts_kept(again), title="All", datasets={})
    assert START not in text


def test_rows_of_a_table_of_ones_own_are_not_called_admissions_in_the_page(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store", "mimic3")
    data = past.dataset("mimic3")
    data["source"]["kind"] = "tabular"
    for task in data["tasks"].values():
        for step in task["attrition"]:
            step["step"] = step["why"] = ""
    data["tasks"]["mortality"]["counts"]["test"]["admissions"] = 402
    text = rendered(finished_runs(store), title="Mine", datasets={past.DATA: typed(data)})
    words = text.index('id="words"')
    body = text[:words]
    for said in ("400+ test rows.", "<dt>test rows</dt>", "the same 400+ rows", "three quarters of the rows",
                 "a row with the label", "rarer labels"):  # fmt: skip
        assert said in body
    assert "Epilepsy" not in text
    assert not re.search(r"\d admissions", body)


def test_whoever_reads_of_switches_is_told_of_the_presets(page: str) -> None:
    assert "paper-text and paper-code set the papers&#39; own" in page


def test_a_foreign_layer_is_told_with_its_base_in_the_page(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    path = store.root / "runs" / past.CLINICAL / "run.json"
    about = json.loads(path.read_text())
    about["stack"][0] |= {"run": None, "base": "a-llama"}
    rewrite(path, {**about, "parents": []})
    text = report_of(store, [Run.of(store, past.CLINICAL)], tmp_path / "r.html", "Foreign").read_text()
    assert "(sha256 efefefefefef, made on a-llama by stock peft)" in text


def test_small_counts_in_the_words_of_a_source_are_hidden_in_the_page(tmp_path: Path) -> None:
    store = past.two_runs(tmp_path / "store", "mimic3")
    data = past.dataset("mimic3")
    data["source"]["warnings"] = ["NOTEEVENTS: 3 rows have no admission"]
    text = rendered(finished_runs(store), title="R", datasets={past.DATA: typed(data)})
    assert "3 rows have" not in text.replace("13 rows", "")
    assert "NOTEEVENTS: &lt;10 rows have no admission" in text


def test_a_report_on_standard_output_is_the_same_page(tmp_path: Path) -> None:
    store = past.two_runs(tmp_path / "store")
    assert chartune("report", "--out", tmp_path / "r.html", "--store", store.root).code == 0
    said = chartune("report", "--out", "-", "--store", store.root)
    assert said.code == 0
    assert said.out.rstrip("\n") == (tmp_path / "r.html").read_text().rstrip("\n")


def test_no_two_tables_and_no_two_sections_of_a_page_have_the_same_heading(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    other = "c0c0c0c0c0c0c0c0"
    for name in (past.HEAD, past.LORA, past.CODED_HEAD):
        path = store.root / "runs" / name / "run.json"
        rewrite(path, {**json.loads(path.read_text()), "data": other})
    data = {past.DATA: typed(past.dataset()), other: typed(past.dataset())}
    text = rendered(finished_runs(store), title="Two", datasets=data)
    told = re.findall(r'<table class="(?:cards|wide)">\s*<caption[^>]*><span>(.*?)(?:<small>|</span>)', text)
    assert len(told) > 20
    assert sorted(told) == sorted(set(told))
    headings = re.findall(r"<h2>(.*?)(?: <span|</h2>)", text)
    assert sorted(headings) == sorted(set(headings))
    assert f"In-hospital mortality (A made-up hospital, 1,500 patients, {other[:8]})" in headings


def test_sizes_of_a_column_have_one_unit(page: str) -> None:
    cost = page[page.index('<section id="cost">') : page.index('<section id="notes">')]
    for column in ("Peak memory", "Artefact"):
        units = set(re.findall(rf'data-label="{column}">[\d.,]+ ([KMG]?i?B)', cost))
        assert len(units) == 1
    assert same_unit([858 * 2**20, 1.2 * 2**30, None])(858 * 2**20) == "0.84 GiB"
    assert [same_unit([5, 2**40])(n) for n in (5, None)] == ["5 B", "not measured"]
    assert [same_unit([5000, 19 * 2**20])(n) for n in (5000, 19 * 2**20)] == ["4.88 KiB", "19,456 KiB"]


def test_legend_and_caption_of_a_figure_name_what_is_drawn_and_nothing_else(page: str, real_page: str) -> None:
    figures = re.findall(r"<figure>.*?</figure>", page + real_page, flags=re.DOTALL)
    learnt = [figure for figure in figures if ">Training loss<" in figure]
    ranked = [figure for figure in figures if ">ROC curve<" in figure]
    assert learnt
    assert ranked
    legends = [" ".join(re.findall(r"</svg>([^<]+)</li>", figure)) for figure in (*learnt, *ranked)]
    assert ["TF-IDF" in legend for legend in legends] == [False] * len(learnt) + [True] * len(ranked)
    assert all("Precision-recall curve:" in figure for figure in ranked)


def test_a_caption_says_nothing_of_a_curve_that_is_hidden(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chartune.report.outcome.precision_recall", lambda *_: None)
    page = report_of(store, [Run.of(store, past.TFIDF)], tmp_path / "r.html", "").read_text()
    assert ">ROC curve<" in page
    assert "Precision-recall" not in page


def test_a_split_that_has_nobody_has_no_box(tmp_path: Path) -> None:
    data = past.dataset()
    data["tasks"]["mortality"]["counts"]["calibration"] = {"subjects": 0, "admissions": 0, "positives": 0}
    text = rendered(finished_runs(past.two_runs(tmp_path / "store")), title="R", datasets={past.DATA: typed(data)})
    assert "<span>calibration</span>" not in text
    assert "<span>validation</span>" in text


def _luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    shares = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: str, second: str) -> float:
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_all_that_is_read_stands_out_from_its_paper_in_light_in_dark_and_in_print(page: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", page, flags=re.DOTALL)
    themes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block)) for block in blocks]
    assert len(themes) == 3
    for theme in themes:
        full = {name: f"#{''.join(2 * c for c in v[1:])}" if len(v) == 4 else v for name, v in theme.items()}
        for name in ("ink", "muted", "accent", "mark", *(f"series-{n}" for n in range(1, 9))):
            for paper in ("paper", "raised"):
                assert _contrast(full[name], full[paper]) >= 4.5, (name, paper)
        assert _contrast(full["warn-ink"], full["warn"]) >= 4.5


def test_the_page_can_be_read_by_ear(page: str) -> None:
    """Captions, scopes, a skip link, and drawings that say what they show."""
    body = page[page.index("<body>") :]
    assert body.index('class="skip" href="#summary"') < body.index("<header>")
    for table in re.findall(r"<table.*?</table>", body, flags=re.DOTALL):
        assert "<caption" in table
        rows = re.findall(r"<tr>(.*?)</tr>", table[table.index("<tbody>") :], flags=re.DOTALL)
        assert all(row.lstrip().startswith("<th scope=row") for row in rows)
    drawings = re.findall(r'<svg viewBox="[^"]*" role="img" aria-labelledby="(\S+) (\S+)">(.*?)</desc>', body)
    assert len(drawings) > 10
    for title, described, words in drawings:
        assert f'<title id="{title}">' in words
        assert len(words.partition(f'<desc id="{described}">')[2]) > 20
    roc = next(words for title, _, words in drawings if ">ROC curve<" in words)
    assert "AUROC from 0.655 (Head only on small-llama) to 0.853 (LoRA on MiniLM)." in roc


def test_on_paper_what_is_folded_is_printed_without_its_mark(page: str) -> None:
    paper = page[page.index("@media print") : page.index("</style>")]
    assert "details::details-content { content-visibility: visible; height: auto; }" in paper
    assert 'summary::marker { content: ""; }' in paper
    assert "caption" in paper[: paper.index("break-after: avoid; }\n  pre")].rpartition("h2, h3")[2]
