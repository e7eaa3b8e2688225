"""`predict` on inputs that change, chunks that were tampered with, other weights, and places that hold raw tables."""

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.notes.line_breaks import Breaks
from chartune.prediction import charts, files, texts
from chartune.prediction.columns import table_texts
from chartune.prediction.rows import Choices, prediction_rows
from chartune.prediction.texts import checked
from chartune.runs.ledger import find_run
from chartune.sources.dialect import LONGEST_CELL
from chartune.stages.loading import load
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store
from chartune.tasks import prepared
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.command_line import Completed
from chartune.testing.command_line import chartune as verb


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("attacked")
    made = Store(folder / "store").open()
    tfidf(Tfidf.parse({"data": {"source": {"kind": "tabular", "file": str(table(folder, 60))}}, "name": "words"}), made)
    return made


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (texts, files):
        monkeypatch.setattr(module, "CHUNK", 8)


def table(folder: Path, count: int = 30) -> Path:
    words = ("septic", "stable", "fall")
    rows = {"subject_id": range(count), "id": range(count), "text": [f"{words[n % 3]} {n}" for n in range(count)]}
    pl.DataFrame({**rows, "label": [n % 2 for n in range(count)]}).write_csv(folder / "notes.csv")
    return folder / "notes.csv"


def asked(store: Store, source: Path, out: Path) -> Completed:
    return verb("predict", "words", source, "--out", out, "--store", store.root)


def begun(store: Store) -> list[Path]:
    return sorted((store.root / "predictions").glob("*.partial/*.parquet"))


def interrupted(store: Store, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, after: int = 2) -> list[Path]:
    """The chunks that were scored before an interruption."""
    keep, left = files._keep, [after]

    def some_chunks(*chunk: Any) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return keep(*chunk)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_keep", some_chunks)
        assert asked(store, source, out).code == 130
    return begun(store)


def test_a_table_that_grows_while_it_is_scored_gives_no_mixed_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = table(tmp_path), tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        patched.setattr(files, "prediction_rows", then(prediction_rows, lambda: append(source, "90,90,fall,1\n")))
        refused = asked(store, source, out)
    assert (refused.code, "was changed meanwhile: notes.csv" in " ".join(refused.err.split())) == (3, True)
    assert (out.exists(), begun(store)) == (False, [])
    assert asked(store, source, out).code == 0
    assert pl.read_csv(out).height == 31


def test_a_table_that_grows_between_two_looks_is_refused(store: Store, tmp_path: Path) -> None:
    notes, scorer = table_texts(table(tmp_path), {}), load(find_run(store, "words"), store)
    seen = checked(notes)
    append(notes.file, "0,0,fall,1\n")  # an id that stands there twice
    with pytest.raises(SchemaError, match="changed meanwhile"):
        files.write_predictions_of(scorer, notes, seen, tmp_path / "out.csv", store, Choices())


def append(file: Path, row: str) -> None:
    with file.open("a") as handle:
        handle.write(row)


def test_what_was_read_of_a_table_that_changed_meanwhile_is_not_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, store = table(tmp_path, 60), Store(tmp_path / "store").open()
    asked = Preparation.parse({"source": {"kind": "tabular", "file": str(source)}})
    with monkeypatch.context() as patched:
        patched.setattr(Preparation, "make", then(Preparation.make, lambda: append(source, "90,90,fall,1\n")))
        with pytest.raises(SchemaError, match="changed meanwhile: "):
            prepare(asked, store)
    assert [path.name for path in (store.root / prepared.SHELF).iterdir()] == []
    assert prepare(asked, store).path.is_dir()


def then(real: Callable[..., Any], after: Callable[[], object]) -> Callable[..., Any]:
    def done(*given: Any) -> Any:
        made = real(*given)
        after()
        return made

    return done


def test_a_folder_that_changes_while_it_is_read_is_refused(
    hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = tmp_path / "raw", Store(tmp_path / "store").open()
    folder.mkdir()
    for file in hospital.glob("*.gz"):
        (folder / file.name).write_bytes(file.read_bytes())
    notes = folder / "NOTEEVENTS.csv.gz"
    source = {"kind": "mimic3", "folder": str(folder)}
    trained_on = Preparation.parse({"source": source, "tasks": [{"kind": "mortality"}]})
    read = charts.ChartTexts(source, trained_on.model_dump(mode="json"), "mortality", "f" * 16, store)
    monkeypatch.setattr(
        charts, "_in_chunks", then(charts._in_chunks, lambda: notes.write_bytes(notes.read_bytes()[:-8]))
    )
    with read.kept(), pytest.raises(SchemaError, match="changed meanwhile: NOTEEVENTS"):
        list(read.chunks())
    assert [path.name for path in (store.root / charts.SHELF).iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["another chunk", "cut off"])
def test_a_chunk_that_was_tampered_with_is_scored_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    source, out = table(tmp_path), tmp_path / "out.csv"
    assert asked(store, source, out).code == 0
    whole = out.read_bytes()
    first, second = interrupted(store, source, out, monkeypatch)
    data = first.read_bytes()
    first.write_bytes({"another chunk": second.read_bytes(), "cut off": data[: len(data) // 3]}[how])
    assert asked(store, source, out).code == 0
    assert out.read_bytes() == whole


@pytest.mark.slow
def test_chunks_of_other_weights_of_the_run_are_not_taken_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = table(tmp_path), tmp_path / "out.csv"
    assert len(interrupted(store, source, out, monkeypatch)) == 2
    notes, scorer = table_texts(source, {}), load(find_run(store, "words"), store)
    merged = replace(scorer, origin=replace(scorer.origin, weights="f" * 12))
    assert files.write_predictions_of(merged, notes, checked(notes), out, store, Choices()).resumed == 0
    assert pl.read_csv(out)["adapter"].unique().to_list() == ["f" * 12]
    assert asked(store, source, out).code == 0
    assert begun(store) == []


def test_nothing_is_written_among_raw_tables(store: Store, hospital: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(hospital, target_is_directory=True)
    for out in (hospital / "ADMISSIONS.csv", hospital / "new" / "out.csv", link / "out.csv"):
        refused = asked(store, hospital, out)
        assert (refused.code, "outside of the folder that is read" in " ".join(refused.err.split())) == (2, True)
        assert not out.exists()


def test_one_text_has_no_byte_order_mark_and_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(data: bytes) -> Completed:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return verb("predict", "words", "-", "--store", store.root)

    read, as_read = list[str](), texts.as_read

    def noted(cells: pl.Series, breaks: Breaks) -> pl.Series:
        read.extend(cells)
        return as_read(cells, breaks)

    monkeypatch.setattr(texts, "as_read", noted)
    assert said(b"\xef\xbb\xbf9 fall").code == 0
    assert set(read) == {"9 fall"}
    refused = said(b"a" * (LONGEST_CELL + 1))
    assert (refused.code, "at most 16,777,216 bytes" in " ".join(refused.err.split())) == (3, True)
