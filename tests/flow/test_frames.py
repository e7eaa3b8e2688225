"""Python with frames in memory: the same prepared data as of a file, results as frames, a report inline."""

from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import chartune
from chartune.errors import ConfigError, SchemaError
from chartune.runs.holdings import holdings
from chartune.runs.removal import Selection, removal, remove
from chartune.sources.frame import FILE
from chartune.stages.tfidf import Tfidf
from chartune.store import Artefact, Store
from chartune.tasks.charts import Preparation
from chartune.tasks.frames import read_frame
from chartune.tasks.prepare import prepare as prepared
from chartune.testing.command_line import chartune as verb

TEXTS = ('septic, "in shock"', "stable\nwalking", "a\\nb", " blanks ", "fièvre; ü", 'quoted\\" sign', "pain", "fall")
PLACES = {"text": "note", "patient": "mrn", "label": "outcome"}


def frame(rows: int = 160) -> pl.DataFrame:
    ill = [n % 3 == 0 for n in range(rows)]
    return pl.DataFrame({
        "mrn": [f"P-{n // 2:03}" for n in range(rows)],
        "note": [f"{TEXTS[n % 8]} {'grave' if sick != (n % 7 == 0) else 'calm'} {n}" for n, sick in enumerate(ill)],
        "outcome": [None if n % 20 == 19 else "worse" if sick else "better" for n, sick in enumerate(ill)],
    })  # fmt: skip


def of_file(file: Path, store: Store, **further: Any) -> Artefact:
    source = {"kind": "tabular", "file": str(file), "text": "note", "subject": "mrn", "label": "outcome", **further}
    return prepared(Preparation.parse({"source": source}), store)


def test_a_frame_gives_the_data_of_its_file_whatever_holds_it(store: Store, tmp_path: Path) -> None:
    own, file = frame(), tmp_path / "own.csv"
    own.write_csv(file)
    expected = of_file(file, store)
    wider = own.with_columns(further=pl.lit([1, 2])).lazy()
    for held in (own, wider, own.to_arrow()):
        assert chartune.prepare(held, store, **PLACES).fingerprint == expected.fingerprint
    other = of_file(file, Store(tmp_path / "other").open())
    made = chartune.prepare(own, tmp_path / "third", **PLACES)
    assert made.fingerprint == other.fingerprint
    tables = [read_frame(each.path / "labels.parquet") for each in (made, other)]
    assert tables[0].equals(tables[1])
    assert set(tables[0]["text"]) >= {'septic, "in shock" calm 0', "a\nb calm 2"}
    assert chartune.prepare(own.head(150), store, **PLACES).fingerprint != expected.fingerprint


def test_a_pandas_frame_gives_the_same_data(store: Store) -> None:
    pandas = pytest.importorskip("pandas")
    own = frame()
    held = pandas.DataFrame({name: own[name].to_list() for name in own.columns}, index=range(7, 167))
    assert chartune.prepare(held, store, **PLACES).fingerprint == chartune.prepare(own, store, **PLACES).fingerprint
    held["outcome"] = [None if n % 20 == 19 else float(n % 3 == 0) for n in range(len(held))]
    whole = own.with_columns(outcome=pl.Series([None if n % 20 == 19 else int(n % 3 == 0) for n in range(own.height)]))
    assert chartune.prepare(held, store, **PLACES).fingerprint == chartune.prepare(whole, store, **PLACES).fingerprint


def test_numbers_times_and_lists_are_those_of_the_table(store: Store) -> None:
    own = frame().with_columns(
        mrn=pl.int_range(160) // 2 + 10_000_000,
        outcome=pl.Series([None if n == 3 else float(n % 3 == 0) for n in range(160)]),
        seen=pl.datetime(2020, 1, 1, pl.int_range(160) % 24, 30),
        day=pl.Series([date(2020, 1, 1 + n % 28) for n in range(160)]),
        codes=pl.Series([["I10", "E11"] if n % 2 else ["I10"] for n in range(160)]),
        gap=pl.Series([10_000_000.0 + n if n else float("nan") for n in range(160)]),
    )
    rows = read_frame(chartune.prepare(own, store, **PLACES, time="seen").path / "labels.parquet")
    assert rows["subject_id"].to_list() == [(row - 1) // 2 + 10_000_000 for row in rows["hadm_id"]]
    assert rows.height == 159
    assert 4 not in rows["hadm_id"]  # it has no label
    assert set(rows["label"]) == {0, 1}
    made = [chartune.prepare(each, store, **PLACES).fingerprint for each in (own, own.cast({"outcome": pl.Int64}))]
    assert made[0] == made[1]  # a missing number makes floats of whole ones
    many = chartune.prepare(own, store, text="note", patient="mrn", label="codes", separator=";", time="day")
    assert read_frame(many.path / "labels.parquet")["label"].list.len().to_list()[:4] == [1, 2, 1, 2]
    with pytest.raises(SchemaError, match="gap"):
        chartune.prepare(own, store, text="note", patient="mrn", label="outcome", id="gap")


def test_what_is_no_frame_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="must be a frame"):
        chartune.prepare([{"text": "septic"}], store)
    with pytest.raises(SchemaError, match=r"columns text, label, but has 3 others; say .* text=, label=") as refused:
        chartune.prepare(frame().rename({"mrn": "subject_id"}), store)
    assert "septic" not in str(refused.value)
    zoned = frame().with_columns(seen=pl.datetime(2020, 1, 1, time_zone="UTC"))
    with pytest.raises(SchemaError, match="without a zone"):
        chartune.prepare(zoned, store, **PLACES, time="seen")


def test_a_run_on_a_frame_gives_frames_and_an_inline_report(store: Store, tmp_path: Path) -> None:
    data = chartune.prepare(frame(), store, **PLACES)
    run = chartune.run(Tfidf(data=data), store)
    assert run.data == data.fingerprint
    scores = run.score_frame()
    auroc = scores.row(by_predicate=(pl.col("split") == "test") & (pl.col("metric") == "auroc"), named=True)
    assert auroc == {"split": "test", "metric": "auroc", **run.scores["test"]["auroc"].to_json()}
    assert scores.height == sum(len(metrics) for metrics in run.scores.values())
    assert {"split", "p_worse"} <= set(run.predictions().columns)
    page = run.report(title="A & B")
    shown = page._repr_html_()
    assert unescape(shown.partition('srcdoc="')[2].partition('" style=')[0]) == page.html
    assert '<iframe title="A &amp; B"' in shown
    saved = page.save(tmp_path / "report.html")
    assert verb("report", run.fingerprint, "--out", tmp_path / "verb.html", "--store", store.root).code == 0
    assert run.name in saved.read_text()
    assert "grave" not in page.html + repr(page)


def test_a_frame_is_kept_as_long_as_data_are_made_of_it(store: Store) -> None:
    data = chartune.prepare(frame(), store, **PLACES)
    (kept,) = (store.root / "frames").iterdir()
    assert oct((kept / FILE).stat().st_mode)[-3:] == "600"
    every = holdings(store)
    judged = removal(every, Selection((kept.name,), (), None, False), 0.0)
    assert (list(judged.goes), data.fingerprint in str(judged.held_back)) == ([], True)
    for one in removal(every, Selection((), ("data", "frames"), None, False), 0.0).goes:
        remove(store, one)
    assert [path for path in (store.root / "frames").iterdir() if path.is_dir()] == []
