"""Run and ledger: a finished folder is read as it was written, an unfinished one not at all."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import ConfigError, RunError, StoreError, UnfinishedRun
from chartune.quantities import Cost, Estimate
from chartune.runs import Run, find_run, ledger
from chartune.runs.ledger import SCHEMA, rename
from chartune.store import Artefact, Store, write_json
from chartune.testing.signing import rewrite, sign_again

FIRST, SECOND = "1" * 16, "1" * 8 + "2" * 8


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store").open()
    folder = store.partial("runs", FIRST)
    write_json(folder / "run.json", {
        "kind": "finetune", "name": "LoRA on small-llama", "task": "mortality", "seed": 3, "data": "d" * 16,
        "backbone": {"name": "small-llama"}, "finished": "2026-03-01T08:00:00+00:00", "parents": ["a" * 16],
        "stack": [{"state": "frozen", "method": {"kind": "lora", "rank": 8}, "run": "a" * 16, "sha256": "b" * 64},
                  {"state": "fresh", "method": {"kind": "lora", "rank": 4}, "run": None, "sha256": None}],
    })  # fmt: skip
    write_json(folder / "scores.json", {"test": {"auroc": Estimate(0.8, 0.7, 0.9, 50).to_json(), "auprc": None}})
    write_json(folder / "cost.json", Cost(seconds=12.5, trainable_parameters=100).to_json())
    write_json(folder / "environment.json", {})
    (folder / "stage.yaml").write_text("kind: finetune\nseed: 3\n")
    (folder / "events.jsonl").write_text(
        '{"step": 1, "name": "loss", "value": 0.7}\n'
        '{"step": 2, "name": "auroc", "value": 0.6, "split": "validation"}\n{"step": 3, "na'
    )
    pl.DataFrame({
        "split": ["validation", "test"], "subject_id": [7, 8], "hadm_id": [1, 2], "label": [0, 1], "logit": [0.1, 0.2],
        "probability": [0.52, 0.55],
    }).write_parquet(folder / "predictions.parquet")  # fmt: skip
    store.publish("runs", FIRST, {})
    bare = store.partial("runs", SECOND)
    write_json(bare / "run.json", {"kind": "pretrain", "name": "Clinical LoRA"})
    for file in ("scores.json", "cost.json", "environment.json"):
        write_json(bare / file, {})
    store.publish("runs", SECOND, {})
    return store


def test_a_run_reads_what_was_written(store: Store) -> None:
    run = Run.of(store, FIRST)
    assert (run.kind, run.name, run.task, run.parents) == ("finetune", "LoRA on small-llama", "mortality", ("a" * 16,))
    assert run.estimate("auroc") == Estimate(0.8, 0.7, 0.9, 50)
    assert run.cost.seconds == 12.5
    assert run.stage == {"kind": "finetune", "seed": 3}
    assert run.stack_title == "frozen LoRA r=8 from aaaaaaaa + fresh LoRA r=4"


def test_what_was_not_measured_is_none_and_never_zero(store: Store) -> None:
    scored, bare = Run.of(store, FIRST), Run.of(store, SECOND)
    assert scored.estimate("auprc") is None
    assert scored.estimate("auroc", "validation") is None
    assert scored.cost.peak_bytes is None
    assert bare.scores == {}
    assert bare.cost == Cost()
    assert bare.events() == []
    assert bare.stack_title is None


def test_a_base_model_without_layers_trains_its_head_only(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    about = {"kind": "finetune", "backbone": {"name": "small-llama"}, "stack": []}
    write_json(store.partial("runs", FIRST) / "run.json", about)
    assert Run(store.publish("runs", FIRST, {}).path).stack_title == "head only"


def test_events_are_read_up_to_the_line_that_a_crash_cut_off(store: Store) -> None:
    run = Run.of(store, FIRST)
    assert [event.step for event in run.events()] == [1, 2]
    assert [event.value for event in run.events("auroc", "validation")] == [0.6]


def test_predictions_are_read_by_split(store: Store) -> None:
    assert Run.of(store, FIRST).predictions("test")["hadm_id"].to_list() == [2]
    with pytest.raises(RunError, match="predictions"):
        Run.of(store, SECOND).predictions()


def test_labels_are_read_where_there_are_any(store: Store) -> None:
    run = Run.of(store, FIRST)
    assert run.per_label() is None
    frame = pl.DataFrame(
        {"label": ["428"], "train_cases": [12], "auroc": [None]}, schema_overrides={"auroc": pl.Float64}
    )
    frame.write_parquet(run.path / "per_label.parquet")
    sign_again(run.path)
    assert run.per_label() is not None
    (run.path / "per_label.parquet").write_bytes(b"torn")
    sign_again(run.path)
    with pytest.raises(StoreError, match=r"per_label\.parquet"):
        run.per_label()


def test_a_task_is_answered_yes_or_no_unless_the_run_says_otherwise(store: Store) -> None:
    assert Run.of(store, FIRST).answer == "binary"
    assert Run.of(store, SECOND).answer is None
    assert Run.of(store, FIRST).planned == {}
    assert Run.of(store, FIRST).switches == {}


def test_an_unfinished_folder_is_no_run(store: Store) -> None:
    partial = store.partial("runs", "3" * 16)
    with pytest.raises(UnfinishedRun, match=r"manifest\.json"):
        Run(partial)
    with pytest.raises(UnfinishedRun):
        Run.of(store, "4" * 16)


@pytest.mark.parametrize("content", ["{", "[1]", '{"test": {"auroc": {"worth": 1}}}', '{"test": 3}'])
def test_a_damaged_file_is_named(store: Store, content: str) -> None:
    file = store.root / "runs" / FIRST / "scores.json"
    file.write_text(content)
    with pytest.raises(StoreError, match=r"scores\.json"):
        _ = Run.of(store, FIRST).scores
    sign_again(file.parent)  # as it never was written
    with pytest.raises(StoreError, match=r"scores\.json"):
        _ = Run.of(store, FIRST).scores


def test_the_ledger_holds_one_row_per_finished_run_with_null_for_what_was_not_measured(store: Store) -> None:
    store.partial("runs", "3" * 16)
    frame = ledger(store)
    assert dict(frame.schema) == SCHEMA
    rows = {row["fingerprint"]: row for row in frame.iter_rows(named=True)}
    assert set(rows) == {FIRST, SECOND}
    assert (rows[FIRST]["score"], rows[FIRST]["score_low"], rows[FIRST]["seconds"]) == (0.8, 0.7, 12.5)
    assert (rows[FIRST]["metric"], rows[SECOND]["metric"]) == ("auroc", "perplexity")
    assert rows[SECOND]["score"] is None
    assert rows[SECOND]["trainable_parameters"] is None


def test_the_ledger_of_an_empty_store_is_empty_but_typed(tmp_path: Path) -> None:
    assert ledger(Store(tmp_path)).schema == SCHEMA
    assert ledger(Store(tmp_path)).is_empty()


def test_a_run_is_found_by_its_name_or_the_beginning_of_its_fingerprint(store: Store) -> None:
    assert find_run(store, "Clinical LoRA").fingerprint == SECOND
    assert find_run(store, FIRST[:9]).fingerprint == FIRST


def test_a_name_that_fits_several_runs_lists_them(store: Store) -> None:
    with pytest.raises(ConfigError, match=f"{FIRST}.*{SECOND}|{SECOND}.*{FIRST}"):
        find_run(store, "1111")


def test_a_name_that_fits_none_tells_the_nearest(store: Store) -> None:
    with pytest.raises(ConfigError, match="Clinical LoRA"):
        find_run(store, "clinical-lora")
    with pytest.raises(ConfigError, match="''"):
        find_run(store, "")


def test_a_run_that_has_only_started_is_told_as_such(store: Store) -> None:
    store.partial("runs", "abcd" * 4)
    with pytest.raises(UnfinishedRun, match="abcd"):
        find_run(store, "abcd")


def test_a_name_given_later_counts_and_those_before_find_the_run_too(store: Store) -> None:
    run = rename(rename(Run.of(store, SECOND), "clinical"), "clinical again")
    assert (run.name, Run.of(store, SECOND).name) == ("clinical again", "clinical again")
    assert {find_run(store, name).fingerprint for name in run.names} == {SECOND}
    assert run.names == ("Clinical LoRA", "clinical", "clinical again")
    assert ledger(store).filter(pl.col("fingerprint") == SECOND)["name"].to_list() == ["clinical again"]
    assert rename(run, "clinical").names == ("Clinical LoRA", "clinical again", "clinical")
    Artefact("runs", SECOND, run.path).verify()
    assert {path.name for path in (store.root / "runs").iterdir()} == {FIRST, SECOND, f"{SECOND}.names.json"}


def test_a_run_that_is_called_so_comes_before_one_that_was(store: Store) -> None:
    rename(rename(Run.of(store, SECOND), "clinical"), "something else")
    rename(Run.of(store, FIRST), "clinical")
    assert find_run(store, "clinical").fingerprint == FIRST


@pytest.mark.parametrize("content", ["[", "3"])
def test_a_damaged_file_of_names_is_told_with_the_way_out_and_hides_no_other_run(
    store: Store, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    rename(Run.of(store, FIRST), "lora")
    (store.root / "runs" / f"{SECOND}.names.json").write_text(content)
    with pytest.raises(StoreError, match=r"names\.json"):
        _ = Run.of(store, SECOND).name
    assert find_run(store, "lora").fingerprint == FIRST
    assert find_run(store, "Clinical LoRA").fingerprint == SECOND  # its signed name
    assert "names.json is none; remove it" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=SECOND):
        find_run(store, "Clinical LoRo")
    with pytest.raises(ConfigError, match="fits 2"):
        find_run(store, "1" * 8)
    assert find_run(store, SECOND).fingerprint == SECOND


@pytest.mark.parametrize(("best_step", "kept"), [(0, True), (7, False), (None, False)])
def test_a_run_that_training_did_not_better_says_so(store: Store, best_step: int | None, kept: bool) -> None:
    path = store.root / "runs" / FIRST / "run.json"
    rewrite(path, {**json.loads(path.read_text()), "best_step": best_step})
    assert Run.of(store, FIRST).kept_start is kept


def test_reports_runs_and_metrics_never_load_torch() -> None:
    program = (
        "import sys, json, chartune.report.render, chartune.runs, chartune.metrics;"
        "print(json.dumps([m for m in ('torch', 'transformers', 'peft', 'accelerate') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_a_name_that_equals_the_fingerprint_of_another_run_does_not_win_over_it(store: Store) -> None:
    rename(Run.of(store, FIRST), SECOND)
    assert find_run(store, SECOND).fingerprint == SECOND
