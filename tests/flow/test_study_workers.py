"""A study by several workers: equal to one worker bit for bit, whatever dies, is interrupted or runs beside it."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chartune.models.backbone import LocalBackbone
from chartune.runs.ledger import finished_runs
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.ledger import Entry, read_entries
from chartune.testing.command_line import chartune, started, wait_until
from chartune.testing.short_texts import short_texts

RATE = "optimisation.learning_rate"
STACK = [
    {"kind": "frozen", "adapter": {"from": "clinical"}},
    {"kind": "fresh", "method": {"kind": "lora", "rank": 2, "dropout": 0.2}},
]


def written(folder: Path, base: LocalBackbone, steps: int = 2) -> Path:
    """A study of seven cells: two pretrained adapters, two fine-tuned ones on each of them, and words.

    Args:
        folder: gets the data and the file.
        base: of the models.
        steps: of pretraining.
    """
    data = short_texts(folder / "raw", folder / "lists")
    model = {
        "backbone": {"name": str(base.folder)}, "max_seq_len": 32,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 2, "unit": "steps"}},
    }  # fmt: skip
    longer = {"optimisation": {"duration": {"value": steps, "unit": "steps"}}}
    stages: dict[str, Any] = {
        "clinical": {"kind": "pretrain", "grid": {"seed": [0, 1]}, "method": {"kind": "lora", "rank": 2}},
        "stacked": {"kind": "finetune", "grid": {"seed": [0, 1], RATE: [0.001, 0.002]}, "stack": {"layers": STACK}},
        "words": {"kind": "tfidf", "least_documents": 1},
    }
    study = {"title": "A tiny study", "data": json.loads(data.model_dump_json()), "stages": stages,
             "shared": {"pretrain": model | longer, "finetune": model}}  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder / "study.yaml"


def command(file: Path, place: Path, workers: int) -> list[object]:
    return [
        "study", "run", file, "--workers", workers, "--threads", 1, "--store", place / "store",
        "--ledger", place / "ledger.jsonl", "--out", place / "report.html", "--json",
    ]  # fmt: skip


def numbers(entry: Entry) -> dict[str, Any]:
    """All of a line but what differs from one run to the next of the same."""
    line = entry.model_dump(exclude={"cost", "finished", "efficiency"})  # efficiency is measured, too
    return line | {name: entry.cost[name] for name in ("tokens", "trainable_parameters", "artefact_bytes")}


def weights(run: Run) -> dict[str, bytes]:
    return {p.relative_to(run.path).as_posix(): p.read_bytes() for p in sorted(run.path.rglob("*.safetensors"))}


def must_be_equal(one: Path, two: Path) -> None:
    """Runs, ledgers and reports of two stores."""
    runs = [{run.fingerprint: run for run in finished_runs(Store(place / "store"))} for place in (one, two)]
    assert runs[0].keys() == runs[1].keys()
    for name, run in runs[0].items():
        other = runs[1][name]
        assert weights(run) == weights(other)
        assert run.scores == other.scores
        assert run.name == other.name
        if run.has_predictions():
            assert run.predictions().equals(other.predictions())
    lines = [
        {name: numbers(entry) for name, entry in read_entries(place / "ledger.jsonl").items()} for place in (one, two)
    ]
    assert lines[0] == lines[1]


@pytest.mark.slow
def test_three_workers_leave_what_one_leaves(llama: LocalBackbone, tmp_path: Path) -> None:
    file = written(tmp_path, llama)
    done = []
    for workers in (1, 3):
        said = chartune(*command(file, tmp_path / str(workers), workers))
        assert said.code == 0, said.err
        done.append(json.loads(said.out))
    assert done[0]["runs"] == done[1]["runs"]
    assert len(done[0]["runs"]) == 7
    must_be_equal(tmp_path / "1", tmp_path / "3")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers import everything before the first training begins; beside other work that takes minutes."""
    monkeypatch.setattr("chartune.testing.command_line.PATIENCE", 500.0)


LONG = 1200
"""Steps of a training that is still under way when it is disturbed."""


def holders(place: Path) -> list[int]:
    """The processes that write runs of a store."""
    pids = []
    for lease in (place / "store" / "runs").glob("*.lease"):
        try:
            pids.append(int(json.loads(lease.read_bytes())["pid"]))
        except (OSError, ValueError):
            continue
    return pids


def under_way(place: Path) -> int:
    """Unfinished runs that have taken more than two steps."""
    files = (place / "store" / "runs").glob("*.partial/events.jsonl")
    return sum(file.read_text().count('"loss"') > 2 for file in files)


def begun(words: list[object], place: Path, runs: int) -> "subprocess.Popen[str]":
    """A study as soon as so many trainings are under way."""
    process = started(*words)
    wait_until(lambda: len(holders(place)) >= runs and under_way(place) >= runs, process)
    return process


def states(file: Path, place: Path) -> list[str]:
    said = chartune("study", "status", file, "--store", place / "store", "--json")
    return [row["state"] for row in json.loads(said.out)["cells"]]


@pytest.fixture(scope="module")
def undisturbed(llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study, and where one worker has done it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    file = written(folder, llama, LONG)
    assert chartune(*command(file, folder / "whole", 1)).code == 0
    return file, folder / "whole"


@pytest.mark.slow
def test_a_worker_that_is_killed_fails_its_cell_and_the_study_goes_on(
    undisturbed: tuple[Path, Path], tmp_path: Path
) -> None:
    file, whole = undisturbed
    broken = tmp_path / "broken"
    process = begun(command(file, broken, 2), broken, 2)
    os.kill(holders(broken)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=500)
    assert process.returncode == 5, err
    gaps = json.loads(out)["gaps"]
    assert "its worker has ended with signal 9, perhaps for want of memory" in gaps[0]["why"]
    assert [gap["why"] for gap in gaps[1:]] == ["it depends on `clinical`, which has no run"] * 2
    assert len(json.loads(out)["runs"]) == 4
    assert sorted(states(file, broken)) == ["done"] * 4 + ["failed"] + ["missing"] * 2
    assert chartune(*command(file, broken, 2)).code == 5
    said = chartune(*command(file, broken, 2), "--retry-failed")
    assert said.code == 0, said.err
    must_be_equal(whole, broken)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_workers_at_checkpoints_and_the_same_command_goes_on(
    undisturbed: tuple[Path, Path], tmp_path: Path, number: signal.Signals
) -> None:
    file, whole = undisturbed
    broken = tmp_path / "broken"
    process = begun(command(file, broken, 2), broken, 2)
    workers = holders(broken)
    process.send_signal(number)
    _, err = process.communicate(timeout=500)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert "the same command resumes from the last checkpoint" in err
    assert holders(broken) == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert len(list((broken / "store" / "runs").glob("*.partial/checkpoints/step-*"))) >= 2
    assert set(states(file, broken)) == {"missing"}
    said = chartune(*command(file, broken, 2))
    assert said.code == 0, said.err
    must_be_equal(whole, broken)
    assert sum((run.about.resumed or 0) > 0 for run in finished_runs(Store(broken / "store"))) == 2


@pytest.mark.slow
def test_workers_end_at_checkpoints_when_their_study_is_killed(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    file, place = undisturbed[0], tmp_path / "place"
    process = begun(command(file, place, 2), place, 2)
    workers = holders(place)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    sleeper = subprocess.Popen(["sleep", "600"], text=True)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), sleeper)
    sleeper.kill()
    sleeper.wait()
    assert len(list((place / "store" / "runs").glob("*.partial/checkpoints/step-*"))) >= 2


@pytest.mark.slow
def test_two_runs_of_one_store_share_the_cells(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    file, whole = undisturbed
    place = tmp_path / "shared"
    both = [started(*command(file, place, 1), "--out", place / f"{name}.html") for name in ("first", "second")]
    for process in both:  # one that is refused a cell would leave a gap, and end with 5
        out, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        assert len(json.loads(out)["runs"]) == 7
    must_be_equal(whole, place)
