"""`chartune monitor`: windows of scored rows beside the run's own test split, and what is an alarm."""

import json
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from chartune.runs.monitored import LENGTH, SCORE, UNKNOWN, read_monitored
from chartune.runs.run import Run
from chartune.store import Store
from chartune.testing.command_line import chartune as verb
from chartune.testing.in_use import NEW, came_true, labels_of, later_notes

InUse = tuple[Store, dict[str, Run]]
ANSWERS: Final = ("binary", "multiclass", "multilabel")
RATIO: Final = "observed to expected of died"


def predicted(in_use: InUse, answer: str, folder: Path, texts: list[str], ending: str = ".csv", *words: str) -> Path:
    """Scored rows of texts, whose ids are n0, n1, …; the texts in notes.csv beside them."""
    pl.DataFrame({"id": [f"n{n}" for n in range(len(texts))], "text": texts}).write_csv(folder / "notes.csv")
    out = folder / f"{answer}{ending}"
    made = verb("predict", answer, folder / "notes.csv", "--out", out, "--store", in_use[0].root, *words)
    assert made.code == 0, made.err
    return out


def returned(folder: Path, answer: str, texts: list[str], came: list[bool]) -> Path:
    file = folder / f"outcomes-{answer}.csv"
    rows = {"id": [f"n{n}" for n in range(len(texts))], "outcome": labels_of(answer, texts, came)}
    pl.DataFrame(rows).write_csv(file)
    return file


def monitored(in_use: InUse, answer: str, *words: object) -> Any:
    made = verb("monitor", answer, *words, "--store", in_use[0].root, "--json", "--exact-counts")
    assert made.code == 0, made.err
    assert not any(word in made.out + made.err for word in NEW)
    return json.loads(made.out)


def alarms(seen: Any) -> list[list[str]]:
    """Of each window."""
    by_window = {each["first"]: list(each["alarms"]) for each in seen["alarms"]}
    return [by_window.get(window["first"], []) for window in seen["windows"]]


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_has_not_changed_raises_no_alarm_and_each_change_its_own(
    in_use: InUse, answer: str, tmp_path: Path
) -> None:
    parts = [later_notes(400, 20), later_notes(400, 21, longest=24), later_notes(400, 22, new=0.3)]
    texts = [text for part in parts for text in part]
    scored = predicted(in_use, answer, tmp_path, texts)
    outcomes = returned(tmp_path, answer, texts, came_true(texts, 23))
    further = ("--notes", tmp_path / "notes.csv", "--outcomes", outcomes, "--window", 400)
    seen = monitored(in_use, answer, scored, *further)
    none, longer, newer = alarms(seen)
    assert none == []
    assert LENGTH in longer
    assert UNKNOWN not in longer
    assert UNKNOWN in newer
    assert LENGTH not in newer
    assert [(each["first"], each["last"]) for each in seen["windows"]] == [(1, 400), (401, 800), (801, 1200)]
    assert seen["returned"] == 1200
    assert seen["unmatched"] == 0


@pytest.mark.parametrize("answer", ANSWERS)
def test_outcomes_that_come_more_often_or_by_chance_are_seen(in_use: InUse, answer: str, tmp_path: Path) -> None:
    texts = later_notes(1500, 30)
    came = [*came_true(texts[:500], 31), *came_true(texts[500:1000], 32, shift=1.0),
            *came_true(texts[1000:], 33, by_chance=True)]  # fmt: skip
    scored = predicted(in_use, answer, tmp_path, texts, ".parquet")
    seen = monitored(in_use, answer, scored, "--outcomes", returned(tmp_path, answer, texts, came))
    none, more, chance = alarms(seen)
    assert none == []
    assert RATIO in more
    assert "AUROC of died" not in more
    assert "AUROC of died" in chance
    assert not any(each in more + chance for each in (LENGTH, SCORE, UNKNOWN))
    died = [next(one for one in window["outcomes"] if one["label"] == "died") for window in seen["windows"]]
    assert died[1]["cases"] == sum(came[500:1000])
    assert died[0]["ratio"] < 1.25 < died[1]["ratio"]
    assert died[2]["auroc"] < 0.6 < died[0]["auroc"]
    assert died[0]["own_auroc"] == pytest.approx(died[2]["own_auroc"])


def test_figures_of_the_own_split_are_those_of_the_run(in_use: InUse, tmp_path: Path) -> None:
    run = in_use[1]["binary"]
    texts = later_notes(500, 40)
    outcomes = returned(tmp_path, "binary", texts, came_true(texts, 41))
    raw = predicted(in_use, "binary", tmp_path, texts, ".jsonl", "--raw")
    seen = monitored(in_use, "binary", raw, "--outcomes", outcomes)
    one = seen["windows"][0]["outcomes"][0]
    assert one["own_auroc"] == pytest.approx(run.scores["test"]["auroc"].value)
    own = run.predictions("test")
    assert seen["own_rows"] == own.height
    assert one["own_slope"] == pytest.approx(run.scores["test"]["calibration_slope"].value, abs=1e-6)
    mended = monitored(in_use, "binary", predicted(in_use, "binary", tmp_path, texts), "--outcomes", outcomes)
    recalibrated = mended["windows"][0]["outcomes"][0]
    assert recalibrated["own_slope"] < one["own_slope"] / 1.5
    assert recalibrated["own_auroc"] == pytest.approx(one["own_auroc"])
    kept = read_monitored(run.path)
    assert kept is not None
    assert kept.windows[0].outcomes[0].auroc == recalibrated["auroc"]


def test_outcomes_of_some_rows_are_enough_and_few_cases_are_not_judged(in_use: InUse, tmp_path: Path) -> None:
    texts = later_notes(1000, 50)
    came = came_true(texts, 51)
    file = returned(tmp_path, "binary", texts, came)
    every = pl.read_csv(file)
    cases = [n for n in range(500, 1000) if came[n]][:9]
    kept = every[[*range(0, 500, 2), *cases, *[n for n in range(500, 1000) if not came[n]]]]
    kept = pl.concat([kept, pl.DataFrame({"id": ["elsewhere"], "outcome": ["died"]})])
    kept.with_columns(pl.col("outcome").replace({"died": "1", "survived": "0"})).write_csv(file)
    scored = predicted(in_use, "binary", tmp_path, texts)
    seen = monitored(in_use, "binary", scored, "--outcomes", file)
    first, second = (window["outcomes"][0] for window in seen["windows"])
    assert (first["rows"], first["cases"], first["few"]) == (250, sum(came[:500:2]), False)
    assert (second["cases"], second["few"], second["auroc"]) == (9, True, None)
    assert seen["unmatched"] == 1


def test_a_released_result_shows_classes_and_the_report_has_a_section(in_use: InUse, tmp_path: Path) -> None:
    texts = [*later_notes(500, 60), *later_notes(505, 61, longest=30)]
    scored = predicted(in_use, "binary", tmp_path, texts)
    outcomes = returned(tmp_path, "binary", texts, came_true(texts, 62))
    made = verb("monitor", "binary", scored, "--outcomes", outcomes, "--store", in_use[0].root, "--json")
    seen = json.loads(made.out)
    assert (seen["rows"], seen["returned"]) == ("1,000+", "1,000+")
    assert all(one["cases"].endswith("0+") for window in seen["windows"] for one in window["outcomes"])
    assert "alarm: rows 501 to 1,000: length of a text" in made.err
    page = tmp_path / "report.html"
    assert verb("report", "binary", "--out", page, "--tables", tmp_path / "tables", "--store", in_use[0].root).code == 0
    text = page.read_text(encoding="utf-8")
    assert "In use, outcomes: binary" in text
    assert "binary: alarm in 1 of 2 windows of 500 rows, the last one among them: length of a text" in text
    assert any("in-use" in file.name.lower().replace("_", "-") for file in (tmp_path / "tables").iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.with_columns(model=pl.lit("f" * 16)), "must be scored by one run"),
        (lambda rows: rows.drop("tokens"), "lacks the columns tokens"),
        (lambda rows: rows.with_columns(p_died=pl.lit("patient")), "p_died"),
        (lambda rows: pl.concat([rows, rows]), "must occur once"),
        (lambda rows: rows[:99], "a window takes 500 rows, but 99"),
        (lambda rows: rows[:0], "must have rows that were scored"),
        (lambda rows: pl.concat([rows[1:], rows[:1].with_columns(recalibration=pl.lit("raw"))]), "recalibrated alike"),
    ],
)  # fmt: skip
def test_other_files_are_refused_without_a_cell_of_them(in_use: InUse, tmp_path: Path, change: Any, words: str) -> None:
    scored = predicted(in_use, "binary", tmp_path, later_notes(500, 70))
    change(pl.read_csv(scored, infer_schema=False)).write_csv(scored)
    made = verb("monitor", "binary", scored, "--store", in_use[0].root)
    assert made.code not in (0, 1)
    assert words in " ".join(made.err.split())
    assert "patient" not in made.err


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ("id,outcome\nn1,Mr. Smith\n", "must be a label of the run (survived, died), but 1 are none"),
        ("id,outcome\nn1,died\nn1,died\n", "must occur once"),
        ("key,outcome\nn1,died\n", "name them with --id and --outcome"),
        ("id,outcome\nm1,died\n", "none of 1 ids is"),
        ("id,outcome,label\nn1,died,died\n", "name them with --id and --outcome"),
    ],
)
def test_other_outcomes_are_refused(in_use: InUse, tmp_path: Path, outcomes: str, words: str) -> None:
    scored = predicted(in_use, "binary", tmp_path, later_notes(500, 80))
    (tmp_path / "outcomes.csv").write_text(outcomes)
    made = verb("monitor", "binary", scored, "--outcomes", tmp_path / "outcomes.csv", "--store", in_use[0].root)
    assert made.code not in (0, 1)
    assert words in " ".join(made.err.split())
    assert "Smith" not in made.err


def test_a_run_whose_data_are_gone_is_watched_by_its_scores(in_use: InUse, tmp_path: Path) -> None:
    store, runs = in_use
    scored = predicted(in_use, "binary", tmp_path, later_notes(500, 90))
    data = store.find("data", runs["binary"].data or "")
    assert data is not None
    aside = data.path.rename(data.path.with_name("aside"))
    try:
        seen = monitored(in_use, "binary", scored)
    finally:
        aside.rename(data.path)
    assert [one["measure"] for one in seen["windows"][0]["drift"]] == [SCORE]
    assert any("no longer in the store" in each for each in seen["missing"])
