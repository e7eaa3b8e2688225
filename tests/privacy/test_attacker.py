"""Nobody can work a small count of real patients out of what is printed: an attacker program tries to, and cannot.

A made-up hospital without its marker counts as real. Everything that a walk through the verbs prints of it is given to
the attacker: consoles, JSON, the report, the cards, an export.
"""

import json
import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from chartune.disclosure import Behind, counts
from chartune.made_up import make_hospital
from chartune.quantities import Estimate
from chartune.store import Store, write_json
from chartune.testing import past_runs as past
from chartune.testing.attacked_tables import add_sums, read_patients, true_levels
from chartune.testing.attacker import Attacker, Name, interval, true_counts, with_gone
from chartune.testing.command_line import chartune
from chartune.testing.printed import in_proportion, of_share, shares, unknown_in_json, unknown_in_page, unknown_in_text


@dataclass(frozen=True)
class Walked:
    """What was printed, and the truth."""

    truth: dict[str, Any]
    consoles: list[str]
    answers: list[dict[str, Any]]
    page: str
    cards: list[str]
    runs: list[str]
    audit: dict[str, Any]
    exact_audit: dict[str, Any]
    held: dict[str, Any]

    @property
    def titles(self) -> dict[str, str]:
        parts = {**self.truth["tasks"], "corpus": self.truth["corpus"]}
        return {part["title"]: name for name, part in parts.items()}

    def attacker(self) -> Attacker:
        """One that has read it all."""
        attacker = Attacker(self.titles)
        for text in self.consoles:
            attacker.read_console(text)
        for answer in self.answers:
            attacker.read_json(answer)
        attacker.read_report(self.page)
        for card in self.cards:
            attacker.read_card(card)
        return attacker


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    place = tmp_path_factory.mktemp("attacked")
    raw, store, page = place / "raw", place / "store", place / "report.html"
    make_hospital(raw, subjects=140, seed=3, events=False)
    (raw / "made-up" / "manifest.json").unlink()
    at = ["--store", store]

    def said(*words: object) -> str:
        done = chartune(*words, *at)
        assert done.code == 0, done.err
        return done.out + done.err

    prepared = said("prepare", raw)
    fingerprint = re.search(r"\(data (\w+)\)", prepared)[1]  # type: ignore[index]
    runs = [said("finetune", raw, "--method", "tfidf", "--task", task) for task in ("mortality", "length_of_stay")]
    said("report", "--out", page)
    said("export-data", fingerprint, "--to", place / "out", "--task", "mortality")
    answers = [json.loads(chartune(*words, *at, "--json").out) for words in
               (("prepare", raw), ("datasets", fingerprint), ("show", fingerprint))]  # fmt: skip
    (data,) = Store(store).artefacts("data")
    cards = [(folder / "README.md").read_text() for folder in (data.path, place / "out")]
    consoles = [prepared, said("datasets", fingerprint), said("show", fingerprint)]
    others = [*runs, said("ls"), said("datasets"), said("audit-data"), said("clean"), said("clean", "--kind", "runs")]
    return Walked(
        json.loads((data.path / "dataset.json").read_text()),
        consoles,
        answers,
        page.read_text(),
        cards,
        others,
        json.loads(said("audit-data", "--json")),
        json.loads(said("audit-data", "--json", "--exact-counts")),
        json.loads(said("clean", "--json")),
    )


def test_no_small_count_of_real_patients_can_be_worked_out(walked: Walked) -> None:
    attacker = walked.attacker()
    truth = with_gone(true_counts(walked.truth), attacker.order)
    assert sum(1 <= n <= 9 for n in truth.values()) > 20  # else there is nothing to find
    assert attacker.pinned(truth) == {}


def test_table_one_and_the_missing_data_pin_no_small_count(walked: Walked) -> None:
    attacker = walked.attacker()
    truth = with_gone(true_counts(walked.truth), attacker.order) | true_levels(walked.truth)
    assert read_patients(attacker, walked.page, walked.titles) > 200
    assert sum(1 <= n <= 9 and name[0] == "level" for name, n in truth.items()) > 20
    assert attacker.pinned(truth) == {}


def test_exact_cells_of_table_one_are_worked_out_from_their_sums(walked: Walked) -> None:
    """Were they printed as they are but for those below ten, their row and column would give the hidden ones away."""
    attacker, truth = Attacker(), true_levels(walked.truth)
    for name, n in truth.items():
        attacker.bound(name, *((1, 9) if 1 <= n <= 9 and name[0] == "level" else (n, n)))
    add_sums(attacker)
    assert len(attacker.pinned(truth)) > 10


def test_the_exact_figures_give_them_all_away(walked: Walked) -> None:
    attacker = Attacker()
    attacker.read_json(walked.truth)
    truth = with_gone(true_counts(walked.truth), attacker.order)
    small = {name for name, n in truth.items() if 1 <= n <= 9}
    assert set(attacker.pinned(truth)) >= {name for name in small if name[0] in ("split", "gone")}


def test_no_exact_count_stands_in_anything_that_is_printed(walked: Walked) -> None:
    exact = {n for n in true_counts(walked.truth).values() if n >= 100 and n % 10}
    assert len(exact) > 5
    page = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<pre>.*?</pre>", "", walked.page, flags=re.DOTALL)
    page = re.sub(r"<small>words</small>.*?</tr>", "", page, flags=re.DOTALL)  # of a text
    texts = [*walked.consoles, *walked.runs, *walked.cards, unescape(re.sub(r"<[^>]+>", " ", page))]
    texts = [re.sub(r"longest \d+", "", text) for text in texts]  # words of a text
    for text in [*texts, *(json.dumps(answer["tasks"]) for answer in walked.answers)]:
        assert [n for n in exact if re.search(rf"(?<![\w.,:/-]){n:,}(?![\w.,:%/-])", text)] == []


def test_every_printed_number_is_of_a_kind_that_is_read_or_harmless(walked: Walked) -> None:
    texts = [*walked.consoles, *walked.runs]
    assert [line for text in texts for line in unknown_in_text(text)] == []
    assert [line for answer in (*walked.answers, walked.audit, walked.held) for line in unknown_in_json(answer)] == []


def test_every_number_of_a_page_of_quick_runs_is_of_a_kind_that_is_read_or_harmless(walked: Walked) -> None:
    assert unknown_in_page(walked.page) == []


def test_the_shares_of_an_audit_pin_no_small_count(walked: Walked) -> None:
    attacker, truth = walked.attacker(), dict[Name, int]()
    exact = dict(shares(walked.exact_audit))
    for where, row in shares(walked.audit):
        count, of, rest = (("share", *where, what) for what in ("count", "of", "rest"))
        for name, value in ((count, row["count"]), (of, row["of"])):
            attacker.bound(name, *of_share(value, row["rounded"]))
            truth[name] = exact[where][name[-1]]
        truth[rest] = truth[of] - truth[count]
        attacker.constraints.append(([(1, of), (-1, count), (-1, rest)], 0, 0))
        if where[0] == "copies" and where[-1] == "exact" and where[2] != "corpus":
            rows = ("split", where[2], where[3], "admissions")
            attacker.constraints.append(([(1, of), (-1, rows)], 0, 0))
    assert any(1 <= n <= 9 for n in truth.values())
    assert attacker.pinned(with_gone(true_counts(walked.truth), attacker.order) | truth) == {}


def test_a_number_of_an_audit_that_is_no_lowest_of_a_class_is_exact() -> None:
    assert [of_share(n, rounded=True) for n in (0, "<10", 30, 37, 7)] == [(0, 0), (1, 9), (30, 39), (37, 37), (7, 7)]
    assert of_share(30, rounded=False) == (30, 30)


def test_an_amount_in_proportion_stands_for_its_class() -> None:
    assert in_proportion(65 * 64, 64, typical_only=True) == (60, 69)
    assert in_proportion(63 * 64, 64, typical_only=True) == (63, 63)
    assert in_proportion(4000, 64) == (55, 70)


def test_scores_that_rest_on_few_are_told_nowhere(walked: Walked) -> None:
    positives = walked.truth["tasks"]["mortality"]["counts"]["test"]["positives"]
    assert 0 < positives < 10
    mortality, _, listed, *_ = walked.runs
    for text in (mortality, next(line for line in listed.splitlines() if "mortality" in line)):
        assert "too few to show" in text
        assert not re.search(r"auroc [\d.]+|prevalence", text)


def test_tokens_and_steps_of_runs_tell_no_number_of_texts(tmp_path: Path) -> None:
    """All texts cut off at 256 tokens, and one text a step: either is a multiple of how many there are."""
    store = past.past_runs(tmp_path / "store", "mimic3")
    run, at = past.LORA, ("--store", store.root)
    folder = tmp_path / "store" / "runs" / run
    about, cost = (json.loads((folder / name).read_text()) for name in ("run.json", "cost.json"))
    write_json(folder / "run.json", about | {"best_step": 9 * 131})
    write_json(folder / "cost.json", cost | {"tokens": 9 * 131 * 256})
    (folder / "manifest.json").unlink()
    folder.rename(folder.with_name(f"{run}.partial"))
    store.publish("runs", run, {"revision": 1})
    chartune("report", "--out", tmp_path / "r.html", *at)
    texts = [chartune(*words, *at).out for words in
             (("show", run), ("show", run, "--json"), ("show", run, "--card"), ("ls", "--json"))]  # fmt: skip
    page = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", (tmp_path / "r.html").read_text(), flags=re.DOTALL)
    for text in (*texts, page):
        assert not re.search(r"\b(1,?179|301,?824)\b", text.replace(str(tmp_path), ""))
    assert json.loads(texts[1])["cost"]["tokens"] == 300_000
    exact = json.loads(chartune("show", run, "--json", "--exact-counts", *at).out)
    assert (exact["best_step"], exact["about"]["best_step"], exact["cost"]["tokens"]) == (1179, 1179, 301_824)


def test_scored_tokens_of_unlabelled_text_tell_no_number_of_texts(tmp_path: Path) -> None:
    """With one text a block, all of them cut off at one length, they are a multiple of how many there are."""
    store = past.past_runs(tmp_path / "store", "mimic3")
    texts = [chartune("show", past.PRETRAIN, *how, "--store", store.root).out for how in ((), ("--json",), ("--card",))]
    for text in texts:
        assert not re.search(r"\b4[01],?\d{3}\b", text)
    scores = json.loads(texts[1])["scores"]["test"]
    assert all(score["n"] is None and score["value"] == round(score["value"], 3) for score in scores.values())
    exact = chartune("show", past.PRETRAIN, "--json", "--exact-counts", "--store", store.root).out
    assert '"n": 41210' in exact


@pytest.mark.parametrize("events", [4, 40])
def test_a_recalibration_is_shown_as_the_scores_of_its_split(tmp_path: Path, events: int) -> None:
    """Fitted on the validation split, it reproduces its prevalence; here none of its rows are known, or all."""
    store = past.past_runs(tmp_path / "store", "mimic3")
    folder = store.root / "runs" / past.LORA
    about = json.loads((folder / "run.json").read_text())
    scores = json.loads((folder / "scores.json").read_text())
    scores["validation"] = {"prevalence": Estimate(events / 100, n=100).to_json()}
    write_json(folder / "scores.json", scores)
    write_json(folder / "run.json", about | {"calibration": {"intercept": 1.23456, "slope": 0.98765}})
    (folder / "manifest.json").unlink()
    folder.rename(folder.with_name(f"{past.LORA}.partial"))
    store.publish("runs", past.LORA, {"revision": 1})
    shown = json.loads(chartune("show", past.LORA, "--json", "--store", store.root).out)["about"]["calibration"]
    assert shown == ("too few to show" if events < 10 else {"intercept": 1.235, "slope": 0.988})


LEAKY = """hospital  (data 0123456789abcdef)
mortality: In-hospital mortality
   140 patients, 150 admissions, 680 notes  all admissions: what the source holds
    28 patients, 30 admissions, 40 notes  of age: eighteen or more
          test: 28 patients, 30 admissions, <10 with the outcome
length_of_stay: Length of stay
   140 patients, 150 admissions, 680 notes  all admissions: what the source holds
    22 patients, 24 admissions, 30 notes  length known: a stay that ends in death has no length
          test: 22 patients, 24 admissions
"""
DEATHS = ("split", "mortality", "test", "positives")


def test_an_attacker_subtracts() -> None:
    attacker = Attacker()
    attacker.read_console(LEAKY)
    assert attacker.pinned({DEATHS: 6}) == {DEATHS: 6}
    blurred = Attacker()
    blurred.read_console(re.sub(r"\b\d*(\d)\b(?= (?:patients|admissions|notes))", _blurred, LEAKY))
    assert blurred.pinned({DEATHS: 6}) == {}


def _blurred(found: re.Match[str]) -> str:
    return counts.shown(int(found[0]), exact=False)


def test_an_attacker_works_with_rates_and_with_numbers_of_pairs() -> None:
    attacker = Attacker()
    attacker.bound(("split", "mortality", "test", "admissions"), 30, 30)
    attacker.bound(DEATHS, 1, 9)
    assert attacker.pinned({DEATHS: 6}) == {}
    attacker.read_rate("mortality", "test", 0.2, 3)
    assert attacker.pinned({DEATHS: 6}) == {DEATHS: 6}
    pairs = Attacker()
    pairs.bound(DEATHS, 1, 9)
    pairs.bound(("split", "mortality", "test", "negatives"), 11, 11)
    pairs.read_auroc("mortality", "test", 0.5909, 4)  # 13 of 22 halves of pairs, or a multiple of both
    assert pairs.known[DEATHS] == (1, 9)
    pairs.read_auroc("mortality", "test", 71 / 77, 4)
    assert pairs.known[DEATHS] == (7, 7)


@pytest.mark.parametrize(("positives", "negatives"), [(12, 45), (10, 19), (37, 1204), (99, 99)])
def test_the_digits_of_an_auroc_exclude_no_count(positives: int, negatives: int) -> None:
    rows = positives + negatives
    stands = Behind(rows, positives, negatives)
    names = [("split", "mortality", "test", what) for what in ("positives", "negatives")]
    for pairs in range(positives * negatives // 2, positives * negatives, 7):
        attacker, auroc = Attacker(), Estimate(pairs / (positives * negatives), n=rows)
        for name, count in zip(names, (positives, negatives), strict=True):
            attacker.learn(name, counts.shown(count, exact=False))
        before = dict(attacker.known)
        attacker.read_auroc("mortality", "test", stands.release("auroc", auroc).value, stands.precision("auroc"))
        assert attacker.known == before


def test_the_law_on_many_parts_holds_at_its_edges() -> None:
    """Ten cells that all end in nine, and their sum: classes of ten would pin them, classes of twenty do not."""
    total = ("split", "many", "all", "admissions")
    for width, found in ((10, 10), (20, 0)):
        attacker, truth = Attacker(), dict[Name, int]({total: 90})
        attacker.bound(total, *interval(counts.shown(90, exact=False)))
        for n in range(10):
            cell = ("split", "many", str(n), "cases")
            truth[cell] = 9
            attacker.bound(cell, 0, width - 1)
        attacker.constraints.append(([(1, total), *((-1.0, name) for name in truth if name != total)], 0, 0))
        assert len(attacker.pinned(truth)) == found
    assert counts.part_of_whole(9, exact=False, parts=10) == "<20"


@pytest.mark.parametrize("parts", range(2, 13))
def test_parts_of_one_each_are_not_pinned_by_their_sum(parts: int) -> None:
    """Nine cells of one each below ten: in classes of ten each is at least one, so that none can be more."""
    total = ("split", "many", "all", "admissions")
    attacker, truth = Attacker(), dict[Name, int]({total: parts})
    attacker.learn(total, counts.shown(parts, exact=False))
    for n in range(parts):
        cell = ("split", "many", str(n), "cases")
        truth[cell] = 1
        low, high = interval(printed := counts.part_of_whole(1, exact=False, parts=parts))
        attacker.bound(cell, 0 if printed == "<20" else low, high)
    attacker.constraints.append(([(1, total), *((-1.0, name) for name in truth if name != total)], 0, 0))
    assert attacker.pinned(truth) == {}


def test_a_printed_count_stands_for_what_the_rule_says() -> None:
    assert [interval(told) for told in ("0", "<10", "30+", "1,230+", "≈ 1,760", "<20")] == [
        (0, 0), (1, 9), (30, 39), (1230, 1239), (1755, 1765), (1, 19),
    ]  # fmt: skip
    for count in (*range(120), 1237):
        low, high = interval(counts.shown(count, exact=False))
        assert low <= count <= high
