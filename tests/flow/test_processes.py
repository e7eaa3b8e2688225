"""Two processes, as torchrun starts them, train what one does, and go on where they were killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from chartune.errors import ConfigError, RunError
from chartune.log import EventLog, console
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.stages.base import SmallBase, make_base
from chartune.store import Store
from chartune.testing.chain import steps
from chartune.testing.command_line import chartune, wait_until
from chartune.train import processes as together

EXACTLY = ("numerics.precision=fp32", "optimisation.batch_size=8", "max_seq_len=32")
SHORT = {
    "finetune": steps(8, *EXACTLY, "stopping.evaluations_per_epoch=5", "stopping.patience=999"),
    "pretrain": steps(8, *EXACTLY, "stopping.evaluations_per_epoch=200", "validation_blocks=4", "held_out_blocks=8"),
    "head": steps(8, *EXACTLY, "stack.layers=[]"),
    "adalora": [*steps(8, *EXACTLY, "validation_blocks=4", "held_out_blocks=8"), "--method", "adalora"],
}
VERBS = {"head": "finetune", "adalora": "pretrain"}
SPOKEN = "process 1 of 2 ends (RuntimeError)"


@pytest.fixture(scope="module")
def prepared(hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("prepared") / "store"
    assert chartune("prepare", hospital, "--store", store).code == 0
    return store


def command(kind: str, hospital: Path, base: LocalBackbone, store: Path) -> list[str]:
    words = [VERBS.get(kind, kind), hospital, "--base", base.folder, *SHORT[kind], "--store", store]
    return [str(word) for word in words]


def by_two(words: list[str]) -> subprocess.Popen[str]:
    """Start a command as two processes of one thread each, as torchrun starts them."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CHARTUNE_PROGRESS_SECONDS": "0", "CHARTUNE_BASELINE": "1"}
    return subprocess.Popen([*launcher, "chartune", *words], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def run_of(store: Path) -> Run:
    """The trained one; TF-IDF stands beside it."""
    runs = [Run(path) for path in (store / "runs").iterdir() if "." not in path.name]
    (run,) = (run for run in runs if run.kind != "tfidf")
    return run


def weights(run: Run) -> dict[str, NDArray[np.float32]]:
    tensors: dict[str, NDArray[np.float32]] = {}
    for file in sorted(run.path.rglob("*.safetensors")):
        tensors |= {f"{file.relative_to(run.path)} {name}": tensor for name, tensor in load_file(file).items()}
    return tensors


@pytest.mark.parametrize(
    "kind", ["finetune", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("pretrain", "head", "adalora"))]
)
def test_two_processes_train_what_one_does(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path, kind: str
) -> None:
    stores = shutil.copytree(prepared, tmp_path / "one"), tmp_path / "two"  # the first of the two prepares
    said = chartune(*command(kind, hospital, llama, stores[0]))
    assert said.code == 0, said.err
    process = by_two(command(kind, hospital, llama, stores[1]))
    out, err = process.communicate()
    assert process.returncode == 0, err
    one, two = map(run_of, stores)
    assert out.count(f"{two.name}  (") == said.out.count(f"{one.name}  (") == 1  # one of them speaks
    assert one.fingerprint == two.fingerprint
    assert two.environment["processes"] == 2
    assert "processes" not in one.environment
    assert [(e.step, e.tokens) for e in one.events() if e.name == "loss"] == [
        (e.step, e.tokens) for e in two.events() if e.name == "loss"
    ]
    ours, theirs = weights(one), weights(two)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.allclose(ours[name], theirs[name], atol=2e-5), name
    assert not list((stores[1] / "runs").glob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["both killed", "all asked to end", "the second asked to end"])
def test_two_processes_that_were_ended_go_on_to_the_same_bytes(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path, how: str
) -> None:
    stores = [shutil.copytree(prepared, tmp_path / name) for name in ("whole", "broken")]
    words = [
        [*command("finetune", hospital, llama, store), "--set", "optimisation.duration.value=40"] for store in stores
    ]
    whole = by_two(words[0])
    _, err = whole.communicate()
    assert whole.returncode == 0, err
    process = by_two(words[1])

    def trained() -> bool:
        files = list((stores[1] / "runs").glob("*.partial/events.jsonl"))
        return sum(line.count('"loss"') for file in files for line in file.read_text().splitlines()) >= 9

    wait_until(trained, process)
    children = psutil.Process(process.pid).children(recursive=True)  # torchrun gives them groups of their own
    workers = [child for child in children if "RANK" in child.environ()]
    if how == "all asked to end":
        process.send_signal(signal.SIGTERM)
    for worker in workers:
        if how == "both killed":
            worker.send_signal(signal.SIGKILL)
        elif how == "the second asked to end" and worker.environ()["RANK"] == "1":
            worker.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode != 0
    if how != "both killed":
        (partial,) = (stores[1] / "runs").glob("*.partial")
        steps = [e.step for e in EventLog.read(partial / "events.jsonl") if e.name == "loss"]
        assert (partial / "checkpoints" / f"step-{steps[-1]:08d}").is_dir()  # of the last step that was done
    again = by_two(words[1])
    _, err = again.communicate()
    assert again.returncode == 0, err
    one, two = map(run_of, stores)
    assert two.about.resumed == 1
    assert {name: tensor.tobytes() for name, tensor in weights(one).items()} == {
        name: tensor.tobytes() for name, tensor in weights(two).items()
    }
    assert one.scores == two.scores


def alone(monkeypatch: pytest.MonkeyPatch, port: int, **environment: str) -> None:
    """The environment of the first of two processes, whose other one never comes."""
    known = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} | environment
    for variable, value in known.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(together, "MEETING", timedelta(seconds=1))


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_waits_for_the_others_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, rank: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone(monkeypatch, port, RANK=rank)
    with pytest.raises(RunError, match=f"must meet within 1 seconds, but process {rank} has waited in vain"):
        together.done_together(lambda: pytest.fail("the others are not there"))
    monkeypatch.delenv("MASTER_PORT")
    with pytest.raises(ConfigError, match="start them by torchrun"):
        together.done_together(lambda: pytest.fail("the others are not there"))


@pytest.mark.parametrize(
    ("error", "lost"),
    [(RuntimeError("[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:9"), True),
     (torch.distributed.DistBackendError("NCCL error"), True), (RuntimeError("shapes cannot be multiplied"), False)],
)  # fmt: skip
def test_a_process_that_has_lost_another_says_so_and_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError, lost: bool
) -> None:
    def ended() -> None:
        raise error

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(together, "_meet", lambda: None)
    monkeypatch.setattr(together, "PartialState", lambda **_: SimpleNamespace(num_processes=2))
    with pytest.raises(RunError if lost else RuntimeError, match="lost another one" if lost else "multiplied"):
        together.done_together(ended)


@pytest.mark.parametrize("words", [["prepare", "x"], ["study", "run", "x.yaml"], ["search", "x"]])
def test_a_verb_of_one_process_refuses_several(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = chartune(*words)
    assert refused.code == 2
    assert "finetune and pretrain" in refused.err
    assert "WORLD_SIZE is 2" in refused.err


def test_a_bag_of_words_is_fitted_by_the_first_process_alone(
    hospital: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    store = shutil.copytree(prepared, tmp_path / "store")
    refused = chartune("finetune", hospital, "--task", "mortality", "--method", "tfidf", "--store", store)
    assert refused.code == 2
    assert "pretraining and fine-tuning alone" in refused.err
    assert not (store / "runs").exists() or not list((store / "runs").iterdir())


def test_a_process_that_is_not_the_first_says_only_why_it_ends(
    hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")

    def broken(*_: object, **__: object) -> None:
        console.print("spoken")
        raise RuntimeError("connection closed by peer")

    monkeypatch.setattr("chartune.runner.run", broken)
    ended = chartune("pretrain", hospital, "--base", "small-llama", "--store", tmp_path)
    assert ended.code == 5
    assert SPOKEN in ended.err
    assert "spoken" not in ended.out + ended.err


@pytest.mark.parametrize(("variable", "value"), [("WORLD_SIZE", "two"), ("WORLD_SIZE", "0"), ("RANK", "-1")])
def test_an_environment_that_names_no_number_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    refused = chartune("ls")
    assert refused.code == 2
    assert f"{variable} must be a whole number" in refused.err
    assert "as torchrun sets it" in refused.err


def test_a_limit_of_time_is_refused_before_several_processes_begin(
    hospital: Path, llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = command("pretrain", hospital, llama, tmp_path / "store")
    refused = chartune(*words, "--set", "optimisation.most_seconds=5")
    assert refused.code == 5
    assert "leave it out, or start one process" in refused.err
    assert not list((tmp_path / "store").glob("runs/*"))


def test_the_small_llama_is_pretrained_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="once without torchrun"):
        make_base(SmallBase(), Store(tmp_path).open())
    assert not list((tmp_path / "bases").glob("*"))


@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_what_stands_around_a_training_is_done_by_the_first_process(
    hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    asked: list[object] = []
    monkeypatch.setattr("chartune.runner.run", lambda stage, _: asked.append(stage))
    ended = chartune(verb, hospital, "--base", "small-llama", "--store", tmp_path)
    assert (ended.code, ended.out, ended.err, len(asked)) == (0, "", "", 1)
    assert not list(tmp_path.glob("data/*"))
