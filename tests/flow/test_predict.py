"""`chartune predict`: new notes of any format through a finished run; refused, resumed and never said aloud."""

import io
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import chartune
from chartune.errors import ChartuneError
from chartune.prediction import files, texts, thresholds
from chartune.runs.ledger import find_run
from chartune.stages import recalibrating
from chartune.stages.loading import LoadedTerms, load
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store
from chartune.testing.command_line import Completed
from chartune.testing.command_line import chartune as verb

WORDS = ("septic", "afebrile", "stable", "fall", "stroke", "pain")
RARE = "zebrafinch"


def notes(count: int, seed: int = 3) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choice(WORDS) for _ in range(chance.randint(2, 6))) for _ in range(count)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """TF-IDF runs: `words` predicts one outcome, `many` any of three labels, `one of` one of three classes."""
    folder = tmp_path_factory.mktemp("predict")
    made = Store(folder / "store").open()
    for name, answer in {"words": "binary", "many": "multilabel", "one of": "multiclass"}.items():
        known = [sorted({word for word in text.split() if word in WORDS[:3]}) for text in notes(150)]
        first = [WORDS[WORDS.index(text.split()[0]) % 3] for text in notes(150)]
        label = {
            "binary": ["died" if ("septic" in own) != (n % 4 == 0) else "survived" for n, own in enumerate(known)],
            "multilabel": [";".join(own) for own in known], "multiclass": first,
        }[answer]  # fmt: skip
        rows = {"subject_id": range(150), "text": notes(150), "label": label}
        pl.DataFrame(rows).write_csv(folder / f"{answer}.csv")
        source = {"kind": "tabular", "file": str(folder / f"{answer}.csv")}
        source |= {"separator": ";"} if answer == "multilabel" else {}
        asked = {"data": {"source": source, "tasks": [{"kind": "labels", "answer": answer}]}, "name": name}
        with pytest.MonkeyPatch.context() as patched:
            if name == "words":
                patched.setattr(recalibrating, "LEAST", 1)  # its validation split has nine cases
            tfidf(Tfidf.parse(asked), made)
    return made


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    for module in (texts, files):
        monkeypatch.setattr(module, "CHUNK", 8)
    return 8


def asked(store: Store, *words: object) -> Completed:
    return verb("predict", *words, "--store", store.root)


def written(store: Store, run: str, source: Path, out: Path, *more: object) -> Path:
    said = asked(store, run, source, "--out", out, *more)
    assert said.code == 0, said.err
    return out


def table(folder: Path, name: str, frame: pl.DataFrame) -> Path:
    file = folder / name
    write: Any = {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[file.suffix]
    write(file)
    return file


def some(count: int = 30) -> pl.DataFrame:
    return pl.DataFrame({"note_id": [f"N-{n:03}" for n in range(count)], "text": notes(count, seed=9)})


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_every_format_in_and_out_holds_the_same_rows_in_the_order_of_the_input(
    store: Store, tmp_path: Path, ending: str, small_chunks: int
) -> None:
    frame = some()
    out = written(store, "words", table(tmp_path, f"new{ending}", frame), tmp_path / f"scored{ending}")
    read: Any = {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[ending]
    rows = read(out)
    run = find_run(store, "words")
    wanted = load(run, store).probabilities(frame["text"].to_list())
    assert rows["id"].to_list() == frame["note_id"].to_list()
    assert rows["probability"].to_list() == rows["p_died"].to_list() == wanted.tolist()
    assert rows["tokens"].to_list() == rows["tokens_read"].to_list() == [len(t.split()) for t in frame["text"]]
    assert rows["truncated"].to_list() == [False] * 30
    assert set(rows["model"]) == {run.fingerprint}
    assert rows["adapter"].n_unique() == 1
    assert "decision" not in rows.columns
    assert oct(out.stat().st_mode)[-3:] == "600"


def test_labels_of_which_several_apply_are_listed_by_threshold(store: Store, tmp_path: Path) -> None:
    source = table(tmp_path, "new.jsonl", some())
    rows = pl.read_ndjson(written(store, "many", source, tmp_path / "out.jsonl", "--threshold", 0.3))
    loaded = load(find_run(store, "many"), store)
    wanted = loaded.predict_proba(some()["text"].to_list())
    assert rows.select("p_afebrile", "p_septic", "p_stable").to_numpy().tolist() == wanted.tolist()
    lists = [[loaded.classes_[n] for n in np.flatnonzero(row >= 0.3)] for row in wanted]
    assert rows["labels"].to_list() == lists
    in_cells = pl.read_csv(written(store, "many", source, tmp_path / "out.csv", "--threshold", 0.3))
    assert in_cells["labels"].fill_null("").to_list() == [";".join(row) for row in lists]


def test_of_classes_the_most_probable_is_named_and_no_threshold_decides(store: Store, tmp_path: Path) -> None:
    source = table(tmp_path, "new.csv", some())
    rows = pl.read_csv(written(store, "one of", source, tmp_path / "out.csv"))
    loaded = load(find_run(store, "one of"), store)
    wanted = loaded.predict_proba(some()["text"].to_list())
    assert np.allclose(wanted.sum(axis=1), 1)
    assert rows["label"].to_list() == loaded.classes_[wanted.argmax(axis=1)].tolist()
    refused = asked(store, "one of", source, "--out", tmp_path / "no.csv", "--threshold", 0.3)
    assert refused.code == 2
    assert not (tmp_path / "no.csv").exists()


def test_a_threshold_decides_and_recalibration_is_that_of_the_validation_split(store: Store, tmp_path: Path) -> None:
    loaded = load(find_run(store, "words"), store)
    plain = loaded.probabilities(some()["text"].to_list(), recalibrated=False)
    mended = loaded.probabilities(some()["text"].to_list())
    assert mended.tolist() == loaded.probabilities(some()["text"].to_list(), recalibrated=True).tolist()
    middle, source = float(np.sort(mended)[15]), table(tmp_path, "new.csv", some())
    rows = pl.read_csv(written(store, "words", source, tmp_path / "out.csv", "--threshold", middle))
    assert rows["probability"].to_list() == mended.tolist() != plain.tolist()
    assert set(rows["recalibration"]) == {"platt on the validation split"}
    raw = pl.read_csv(written(store, "words", source, tmp_path / "raw.csv", "--raw"))
    assert (raw["probability"].to_list(), set(raw["recalibration"])) == (plain.tolist(), {"raw"})
    assert rows["decision"].to_list() == ["died" if p >= middle else "survived" for p in mended]
    assert 0 < rows["decision"].to_list().count("died") < 30


def test_a_threshold_is_chosen_by_a_rule_on_the_validation_split_and_named_in_every_row(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table(tmp_path, "new.csv", some())
    said = asked(store, "words", source, "--out", tmp_path / "no.csv", "--threshold", "youden")
    assert (said.code, (tmp_path / "no.csv").exists()) == (3, False)
    assert "10 cases and 10 controls or more, but the validation split of words has fewer" in " ".join(said.err.split())
    monkeypatch.setattr(thresholds, "LEAST", 3)
    validation = find_run(store, "words").predictions("validation")
    said = asked(store, "words", source, "--out", tmp_path / "out.csv", "--threshold", "sensitivity=1", "--json",
                 "--raw")  # fmt: skip
    rows = pl.read_csv(tmp_path / "out.csv")
    (limit,) = rows["threshold"].unique()
    assert json.loads(said.out)["threshold"] == {"value": limit, "rule": "sensitivity=1 on the validation split"}
    assert f"the threshold is {limit:.4f}: sensitivity=1 on the validation split" in said.err
    assert rows["threshold_rule"].unique().to_list() == ["sensitivity=1 on the validation split"]
    assert rows["decision"].to_list() == ["died" if p >= limit else "survived" for p in rows["probability"]]
    least = validation.filter(pl.col("label") == 1)["probability"].to_numpy().min()
    below = validation["probability"].to_numpy()
    assert limit == (least + below[below < least].max(initial=0.0)) / 2
    mended = written(store, "words", source, tmp_path / "m.csv", "--threshold", "sensitivity=1")
    assert pl.read_csv(mended)["threshold"][0] != limit
    frame = chartune.predict("words", some()["text"].to_list(), store=store, threshold="sensitivity=1")
    assert frame["decision"].to_list() == rows["decision"].to_list()
    refused = asked(store, "many", source, "--out", tmp_path / "no.csv", "--threshold", "youden")
    assert (refused.code, "is of one outcome, but many has several" in " ".join(refused.err.split())) == (2, True)


def test_one_text_on_standard_input_gives_a_row_on_standard_output(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Given:
        buffer = io.BytesIO(f"septic stable {RARE}\n".encode())

    monkeypatch.setattr(sys, "stdin", Given)
    said = asked(store, "words", "-", "--json")
    assert said.code == 0, said.err
    (row,) = (json.loads(line) for line in said.out.splitlines())
    assert row["probability"] == load(find_run(store, "words"), store).probabilities([f"septic stable {RARE}"])[0]
    assert (row["id"], row["tokens"]) == (1, 3)
    assert RARE not in said.out + said.err


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"id": [1, 2, 3, 4], "text": [RARE, None, RARE, "  "]}, "2 data rows (2, 4)"),
        ({"id": [7, 8, 7, 9], "text": [RARE] * 4}, "2 data rows (1, 3)"),
        ({"id": ["a", " ", "b", "c"], "text": [RARE] * 4}, "1 data rows (2)"),
        ({"id": ["1.2E+07"] * 4, "text": [RARE] * 4}, "scientific"),
        ({"id": [1, 2, 3, 4], "text": [RARE, "NULL", RARE, RARE]}, "--null-marks"),
        ({"id": [1], "words of the note": [RARE]}, "--text"),
        ({"id": [1], "note": [RARE], "report": [RARE]}, "note or report"),
        ({"id": pl.Series([], dtype=pl.Int64), "text": pl.Series([], dtype=pl.String)}, "rows"),
    ],
    ids=["empty", "twice", "blank id", "rounded ids", "marks", "no column", "two columns", "no rows"],
)
def test_what_cannot_be_scored_is_refused_by_row_and_without_a_word(
    store: Store, tmp_path: Path, frame: dict[str, Any], said: str
) -> None:
    source = table(tmp_path, "new.csv", pl.DataFrame(frame, strict=False))
    refused = asked(store, "words", source, "--out", tmp_path / "out.csv")
    assert refused.code == 3
    assert said in refused.err
    assert RARE not in refused.err + refused.out
    assert not (tmp_path / "out.csv").exists()
    assert not any((store.root / "predictions").glob("*.partial"))


def test_rows_without_a_text_are_kept_where_that_is_asked(store: Store, tmp_path: Path) -> None:
    source = table(tmp_path, "new.csv", pl.DataFrame({"id": [3, 2, 1], "text": ["septic", None, "fall"]}))
    rows = pl.read_csv(written(store, "words", source, tmp_path / "out.csv", "--skip-empty"))
    assert rows["id"].to_list() == [3, 2, 1]
    assert rows["probability"].is_null().to_list() == rows["tokens"].is_null().to_list() == [False, True, False]
    assert rows["reason"].to_list() == [None, "no text", None]


def test_other_programs_dialects_are_read_as_where_a_table_is_prepared(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "excel.csv"
    source.write_bytes('report;Nr\n"septic; fièvre";1\n"stable\\nfall\\npain";2\n'.encode("cp1252"))
    out = written(store, "words", source, tmp_path / "out.csv", "--text", "report", "--id", "Nr")
    wanted = load(find_run(store, "words"), store).probabilities(["septic; fièvre", "stable\nfall\npain"])
    assert pl.read_csv(out)["probability"].to_list() == wanted.tolist()


def test_what_a_message_says_to_set_can_be_set(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "new.csv"
    source.write_bytes(f"id;text\n1;{'septic ' * 60}fièvre\n".encode("cp1252"))
    refused = asked(store, "words", source, "--set", "source.longest_cell=100")
    assert (refused.code, "--set data.source.longest_cell=" in " ".join(refused.err.split())) == (3, True)
    said = asked(store, "words", source, "--set", "data.source.longest_cell=1000", "--set", "source.encoding=cp1250")
    assert said.code == 0, said.err
    assert pl.read_csv(io.StringIO(said.out))["tokens"].to_list() == [61]
    assert "cp1252" not in said.err
    for field in ("source.text=text", "optimisation.learning_rate=1", "source.notes=x", "null_marks=NA"):
        wrong = asked(store, "words", source, "--set", field)
        assert (wrong.code, f"'{field.partition('=')[0]}' does not" in " ".join(wrong.err.split())) == (2, True)
    assert asked(store, "words", "-", "--set", "source.encoding=cp1252").code == 2


def test_columns_are_found_by_name_and_rows_are_numbered_on_request(store: Store, tmp_path: Path) -> None:
    source = table(tmp_path, "new.csv", some().rename({"text": "Report"}))
    said = asked(store, "words", source, "--out", tmp_path / "out.csv", "--id", "")
    assert said.code == 0, said.err
    assert pl.read_csv(tmp_path / "out.csv")["id"].to_list() == list(range(1, 31))


@pytest.mark.parametrize("out", ["scored.xlsx", "folder"])
def test_an_output_that_cannot_be_is_refused_first(store: Store, tmp_path: Path, out: str) -> None:
    (tmp_path / "folder").mkdir()
    assert asked(store, "words", tmp_path / "nowhere.csv", "--out", tmp_path / out).code == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from chartune.prediction import files, texts

files.CHUNK = texts.CHUNK = 8
keep, left = files._keep, [int(sys.argv.pop())]

def some(*chunk):
    file = keep(*chunk)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return file

files._keep = some
from chartune.cli import main
main()
"""


def must_resume(store: Store, source: Path, out: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four chunks two were scored: the others are, and the file is the same."""
    assert not out.exists()
    (left,) = (store.root / "predictions").glob("*.partial")
    assert len(list(left.glob("*.parquet"))) == 2
    scored, keep = list[int](), files._keep

    def noted(rows: pl.DataFrame, folder: Path, number: int) -> Path:
        scored.append(number)
        return keep(rows, folder, number)

    monkeypatch.setattr(files, "_keep", noted)
    assert written(store, "words", source, out).read_bytes() == whole
    assert scored == [2, 3]
    assert not any((store.root / "predictions").glob("*.partial"))


def test_another_number_of_threads_takes_no_chunk_of_the_first(
    store: Store, tmp_path: Path, small_chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, scored, keep = table(tmp_path, "new.csv", some()), list[int](), files._keep

    def some_chunks(rows: pl.DataFrame, folder: Path, number: int) -> Path:
        scored.append(number)
        if len(scored) == 3:
            raise KeyboardInterrupt
        return keep(rows, folder, number)

    monkeypatch.setattr(files, "_keep", some_chunks)
    for threads, code in ((1, 130), (2, 0)):
        monkeypatch.setattr(LoadedTerms, "environment", {"threads": threads})
        assert asked(store, "words", source, "--out", tmp_path / "out.csv").code == code
    assert scored == [0, 1, 2, 0, 1, 2, 3]
    shutil.rmtree(store.root / "predictions")


LIBRARIES = """
import sys
from chartune.cli import main
try:
    main()
finally:
    print(*({"torch", "transformers", "peft", "sklearn"} & set(sys.modules)))
"""


def test_an_input_is_read_before_a_library_of_models_takes_memory(store: Store, tmp_path: Path) -> None:
    source = table(tmp_path, "new.csv", pl.DataFrame({"id": [1, 1], "text": ["septic", "fall"]}))
    words = ["predict", "words", source, "--store", store.root]
    ended = subprocess.run([sys.executable, "-c", LIBRARIES, *map(str, words)], check=False, capture_output=True)
    assert (ended.returncode, ended.stdout.split()) == (3, []), ended.stderr


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_after_an_interruption_the_same_command_resumes_and_gives_the_same_bytes(
    store: Store, tmp_path: Path, small_chunks: int, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = table(tmp_path, "new.csv", some()), tmp_path / f"out{ending}"
    whole = written(store, "words", source, tmp_path / f"whole{ending}").read_bytes()
    left, keep = [2], files._keep

    def some_chunks(rows: pl.DataFrame, folder: Path, number: int) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return keep(rows, folder, number)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_keep", some_chunks)
        assert asked(store, "words", source, "--out", out).code == 130
    must_resume(store, source, out, whole, monkeypatch)


@pytest.mark.slow
def test_after_a_kill_the_same_command_resumes_and_gives_the_same_bytes(
    store: Store, tmp_path: Path, small_chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = table(tmp_path, "new.csv", some()), tmp_path / "out.csv"
    whole = written(store, "words", source, tmp_path / "whole.csv").read_bytes()
    words = ["predict", "words", source, "--out", out, "--store", store.root, 2]
    ended = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr
    must_resume(store, source, out, whole, monkeypatch)


def test_another_input_or_choice_takes_nothing_of_what_was_scored(
    store: Store, tmp_path: Path, small_chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table(tmp_path, "new.csv", some())

    def stop(*_: object, **__: object) -> None:
        raise ChartuneError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(files, "_written_out", stop)
        assert asked(store, "words", source, "--out", tmp_path / "out.csv").code != 0
    assert len(list((store.root / "predictions").glob("*.partial"))) == 1
    changed = table(tmp_path, "new.csv", some().with_columns(text=pl.col("text") + " septic"))
    rows = pl.read_csv(written(store, "words", changed, tmp_path / "out.csv"))
    wanted = load(find_run(store, "words"), store).probabilities([f"{text} septic" for text in some()["text"]])
    assert rows["probability"].to_list() == wanted.tolist()
    shutil.rmtree(store.root / "predictions")


def test_the_python_face_gives_the_rows_of_the_verb(store: Store, tmp_path: Path) -> None:
    source = table(tmp_path, "new.csv", some())
    rows = chartune.predict("words", some()["text"].to_list(), store=store.root, ids=some()["note_id"].to_list())
    assert rows.equals(pl.read_parquet(written(store, "words", source, tmp_path / "out.parquet")))
    proba = chartune.load("words", store.root).predict_proba(some()["text"].to_list())
    assert proba.shape == (30, 2)
    assert proba[:, 1].tolist() == rows["probability"].to_list()
    assert chartune.predict("words", [], store=store).columns == rows.columns
    with pytest.raises(ChartuneError, match="1 data rows"):
        chartune.predict("words", ["septic", " "], store=store)


@pytest.mark.parametrize("name", ["words", "many", "one of"])
def test_predictions_of_the_test_split_are_those_that_the_run_keeps(store: Store, name: str) -> None:
    run = find_run(store, name)
    kept, every = run.predictions("test"), notes(150)
    decided = load(run, store).decided([every[subject] for subject in kept["subject_id"]])
    stored = (
        kept["logit"].to_numpy() if "logit" in kept.columns else np.asarray(kept["logits"].to_list(), dtype=np.float32)
    )
    assert np.array_equal(decided.astype(stored.dtype), stored)


def test_a_run_is_sought_by_name_where_its_folder_may_not_be_looked_at(store: Store) -> None:
    refused = asked(store, "/" + "long" * 100, "-")
    assert (refused.code, "none is named" in " ".join(refused.err.split())) == (2, True)


def test_the_input_is_not_written_over(store: Store, tmp_path: Path) -> None:
    source = table(tmp_path, "new.csv", some())
    before = source.read_bytes()
    assert asked(store, "words", source, "--out", source).code == 2
    assert source.read_bytes() == before


def test_a_copy_of_a_run_scores_where_it_lies(store: Store, tmp_path: Path) -> None:
    run = find_run(store, "words")
    shutil.copytree(run.path, tmp_path / run.fingerprint)
    rows = chartune.predict(str(tmp_path / run.fingerprint), notes(3), store=tmp_path / "empty")
    assert rows.equals(chartune.predict("words", notes(3), store=store))
